//! HTTP as JavaScript sees it: the caller's side. The answering one is [`serving`](super::serving).

mod client;
mod peer;
mod storage;

pub use client::{HttpTransport, create_http_sync_transport};
pub use peer::{FetchPeer, NativePeer, PeerOptions};
pub use storage::create_http_object_storage;
