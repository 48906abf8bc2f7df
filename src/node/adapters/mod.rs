//! The app's adapters as ports of the engine.
//!
//! Each port is an enum at the edge: an adapter of the app's, called where it lives, or a store of this
//! package, reached without JavaScript between.

mod abilities;
mod any_records;
mod any_rows;
mod batch;
mod blobs;
mod clock;
mod direct;
mod handle_items;
mod handle_keys;
mod handle_log;
mod handle_sql;
mod logs;
mod off_thread;
mod pages;
mod query_page;
mod query_unseen;
mod records;
mod rows;
mod side;
mod state;

pub use any_records::AnyRecords;
pub use any_rows::{AnyRows, app_rows};
pub use blobs::{AnyBlobs, JsBlobs, NativeStorage};
pub use clock::JsClock;
pub use handle_log::{brand_log, compare_bodies};
pub use side::{Console, NodeSide};
pub use state::AnyState;
