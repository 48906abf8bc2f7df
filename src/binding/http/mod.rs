//! HTTP as JavaScript sees it.

mod callbacks;
mod client;
mod fetching;
mod files;
mod storage;

pub use client::{HttpTransport, create_http_sync_transport};
pub use files::{NativeFiles, collect};
pub use storage::create_http_object_storage;
