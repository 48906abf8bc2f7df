//! An object on its way from one native storage to another, piece by piece.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use crate::error::Result;

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
