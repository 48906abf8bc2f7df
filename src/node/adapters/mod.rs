//! The app's adapters as ports of the engine. Where one is a store of this package, that is reached without
//! JavaScript between ([`Chosen`](crate::store::ports::Chosen)).

mod blobs;
mod handle;
mod off_thread;
mod pages;
mod records;
mod rows;
mod side;
mod state;

pub use blobs::{AnyBlobs, JsBlobs, copy_object};
pub use handle::brand_log;
pub use off_thread::store_of;
pub use side::{AnyState, NodeSide, state};
