//! HTTP as JavaScript sees it: the caller's side. The answering one is [`serving`](super::serving).

mod callbacks;
mod client;
mod fetching;
mod storage;

pub use callbacks::{NativePeer, PeerOptions};
pub use client::{HttpTransport, create_http_sync_transport};
pub use fetching::FetchPeer;
pub use storage::create_http_object_storage;
