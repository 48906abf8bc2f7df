//! A peer over connections of this package's own, or over a `fetch` that is not.

use std::rc::Rc;

use super::{Caller, OverFetch, Peer, Sender};
use crate::engine::ports::Blobs;
use crate::error::{ErrorKind, Result};
use crate::protocol::text::Text;

/// A peer, whichever way there is to it.
pub enum Either<C, S> {
    /// Over connections of this package's own.
    Own(Rc<Peer<C>>),
    /// Over a `fetch`.
    Fetch(Rc<OverFetch<S, C>>),
}

impl<C: Caller, S: Sender> Either<C, S> {
    /// The most bytes of an answer.
    pub fn max_answer_bytes(&self) -> usize {
        match self {
            Self::Own(peer) => peer.client.max_answer_bytes(),
            Self::Fetch(peer) => peer.sender.max_answer_bytes(),
        }
    }

    /// Whether the peer is well. One that cannot be reached is not.
    pub async fn is_healthy(&self) -> Result<bool> {
        let (healthy, unreachable) = match self {
            Self::Own(files) => (files.is_healthy().await, ErrorKind::Sync),
            Self::Fetch(files) => (files.is_healthy().await, ErrorKind::Foreign),
        };
        healthy.or_else(|error| match error.kind() {
            kind if kind == ErrorKind::Sync || kind == unreachable => Ok(false),
            _ => Err(error),
        })
    }

    /// Whether there is an object under the key.
    pub async fn has(&self, key: &Text) -> Result<bool> {
        match self {
            Self::Own(files) => files.has(key).await,
            Self::Fetch(files) => files.has(key).await,
        }
    }

    /// Deletes an object, if it is there.
    pub async fn delete(&self, key: &Text) -> Result<()> {
        match self {
            Self::Own(files) => files.delete(key).await,
            Self::Fetch(files) => files.delete(key).await,
        }
    }
}
