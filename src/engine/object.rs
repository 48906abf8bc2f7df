//! An object on its way from one native storage to another, piece by piece.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::{Blob, Digest};
use crate::protocol::text::Text;

/// An object's key as a name that folders and URLs can hold.
///
/// # Errors
/// `InvalidKey` where it is not well-formed Unicode.
pub fn key_text(key: &Text) -> Result<String> {
    key.to_utf8().ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidKey,
            "object key",
            format!("{key:?} is not well-formed Unicode; use another key"),
        )
    })
}

/// The bytes of an object, in order. An error ends them, and what was written of the object is thrown away.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// An object whose bytes are still to come.
pub struct Incoming {
    /// The content type, where it is known.
    pub content_type: Option<String>,
    /// How many bytes there will be, where that is known.
    pub size: Option<u64>,
    /// The bytes.
    pub chunks: Chunks,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("content_type", &self.content_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Incoming {
    /// The same object, whose bytes end in an error where they are not those that `digest` is of. The last
    /// piece is kept back until then: who knows the size stops listening once it has all bytes.
    #[must_use]
    pub fn checked(mut self, blob: &Blob, digest: Digest) -> Self {
        let state = Checking {
            chunks: self.chunks,
            hasher: Sha256::new(),
            kept_back: None,
            blob: blob.clone(),
            digest,
        };
        let state = Some(state);
        self.chunks = stream::try_unfold(state, |state| async move {
            match state {
                Some(checking) => checking.next().await,
                None => Ok(None),
            }
        })
        .boxed();
        self
    }
}

struct Checking {
    chunks: Chunks,
    hasher: Sha256,
    kept_back: Option<Bytes>,
    blob: Blob,
    digest: Digest,
}

impl Checking {
    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>> {
        while let Some(piece) = self.chunks.next().await {
            let piece = piece?;
            if piece.is_empty() {
                continue;
            }
            self.hasher.update(&piece);
            if let Some(before) = self.kept_back.replace(piece) {
                return Ok(Some((before, Some(self))));
            }
        }
        compare(&self.blob, self.digest, self.hasher)?;
        Ok(self.kept_back.map(|last| (last, None)))
    }
}

/// Whether `bytes` are those that `digest` is of.
///
/// # Errors
/// `HashMismatch` where they are not.
pub fn check(blob: &Blob, digest: Digest, bytes: &[u8]) -> Result<()> {
    compare(blob, digest, Sha256::new_with_prefix(bytes))
}

fn compare(blob: &Blob, expected: Digest, hasher: Sha256) -> Result<()> {
    let found = Digest(hasher.finalize().into());
    if found == expected {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::HashMismatch,
        "transfer an object",
        format!(
            "the bytes under {:?} have the SHA-256 {found}, but their item names {expected}; put the right \
             bytes under that key at the side that wrote the item",
            blob.key.to_string()
        ),
    ))
}
