//! HTTP as JavaScript sees it: the caller's side, and in [`serving`] the answering one.

mod callbacks;
mod client;
mod fetching;
mod files;
mod serving;
mod storage;

pub use callbacks::{PeerOptions, plain_headers};
pub use client::{HttpTransport, create_http_sync_transport};
pub use files::{NativeFiles, collect};
pub use serving::{create_http_sync_handler, create_http_sync_server};
pub use storage::{FetchFiles, create_http_object_storage};
