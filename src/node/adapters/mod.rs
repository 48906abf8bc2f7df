//! The app's adapters as ports of the engine. Where one is a store of this package, that is reached without
//! JavaScript between ([`Chosen`](crate::store::ports::Chosen)).

mod blobs;
mod clock;
mod handle;
mod off_thread;
mod pages;
mod records;
mod rows;
mod side;
mod state;

pub use blobs::{AnyBlobs, JsBlobs, copy_object};
pub use clock::JsClock;
pub use handle::{brand_log, compare_bodies};
pub use off_thread::store_of;
pub use side::{AnyState, NodeSide, find_state, state};
