//! Bytes that come in pieces, taken in parts.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use sha2::{Digest as _, Sha256};

use crate::engine::object::Chunks;
use crate::error::Result;
use crate::protocol::item::Digest;

/// See the [module page](self).
pub(super) struct Parts {
    chunks: Chunks,
    /// The bytes beyond the end of a part.
    rest: Bytes,
    seen: u64,
    /// Of all bytes, if it is wanted.
    hasher: Option<Sha256>,
}

impl Parts {
    /// The parts of these bytes, of which the hash is known at the end if it is `hashed`.
    pub(super) fn new(chunks: Chunks, hashed: bool) -> Self {
        Self {
            chunks,
            rest: Bytes::new(),
            seen: 0,
            hasher: hashed.then(Sha256::new),
        }
    }

    /// The next part, of `size` bytes unless it is the last; nothing if no bytes are left.
    pub(super) async fn next(&mut self, size: usize) -> Result<Option<Bytes>> {
        if self.rest.len() >= size {
            return Ok(Some(self.rest.split_to(size)));
        }
        let mut part = BytesMut::new();
        while part.len() < size {
            if self.rest.is_empty() {
                match self.chunks.next().await {
                    Some(piece) => self.rest = self.count(piece?),
                    None => break,
                }
            }
            let wanted = self.rest.len().min(size - part.len());
            part.extend_from_slice(&self.rest.split_to(wanted));
        }
        Ok((!part.is_empty()).then(|| part.freeze()))
    }

    fn count(&mut self, piece: Bytes) -> Bytes {
        self.seen += piece.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        piece
    }

    /// How many bytes there were, and their hash if it was wanted.
    pub(super) fn end(self) -> (u64, Option<Digest>) {
        let digest = self.hasher.map(|hasher| Digest(hasher.finalize().into()));
        (self.seen, digest)
    }
}

/// The SHA-256 of bytes that are there.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::stream;

    use super::*;

    async fn sizes(pieces: &[usize], size: usize) -> Vec<usize> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|n| Ok(Bytes::from(vec![7; *n])))
            .collect();
        let mut parts = Parts::new(stream::iter(pieces).boxed(), true);
        let mut sizes = Vec::new();
        while let Some(part) = parts.next(size).await.unwrap() {
            sizes.push(part.len());
        }
        let all = sizes.iter().sum();
        assert_eq!(parts.end(), (all as u64, Some(digest_of(&vec![7; all]))));
        sizes
    }

    #[tokio::test]
    async fn parts_are_of_one_size_whatever_the_pieces_are() {
        assert_eq!(sizes(&[], 5).await, [0usize; 0]);
        assert_eq!(sizes(&[0, 0], 5).await, [0usize; 0]);
        assert_eq!(sizes(&[5], 5).await, [5]);
        assert_eq!(sizes(&[2, 2, 2], 5).await, [5, 1]);
        assert_eq!(sizes(&[13], 5).await, [5, 5, 3]);
        assert_eq!(sizes(&[1, 9, 0, 1], 5).await, [5, 5, 1]);
    }
}
