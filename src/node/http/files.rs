//! Files of a peer, over connections of this package's own.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::callbacks::PeerOptions;
use crate::engine::object::Incoming;
use crate::error::Result;
use crate::transport::client::Peer;

/// What is behind a storage object.
pub struct NativeFiles(pub Peer<Rc<PeerOptions>>);

/// All the bytes of an object.
pub async fn collect(object: Incoming) -> Result<Bytes> {
    /// What is announced need not come.
    const BELIEVED: u64 = 64 * 1024 * 1024;
    let room = usize::try_from(object.size.unwrap_or(0).min(BELIEVED)).unwrap_or(0);
    let mut bytes = BytesMut::with_capacity(room);
    let mut chunks = object.chunks;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes.freeze())
}
