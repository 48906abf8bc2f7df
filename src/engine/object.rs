//! An object on its way from one native storage to another, piece by piece.

use std::fmt;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use sha2::{Digest as _, Sha256};

use super::ports::Stat;
use super::watch::ByteCounter;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::{Blob, Digest};
use crate::protocol::text::Text;

/// An object's key as a name that folders and URLs can hold.
///
/// # Errors
/// `InvalidKey` if it is not well-formed Unicode.
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

/// Which upload of an object it is, so that it can go on where it broke off: that of these very bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadId {
    /// The SHA-256 of all of them.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.digest, self.size)
    }
}

impl UploadId {
    /// Smaller objects are sent again as a whole.
    pub const LEAST_SIZE: u64 = 8 * 1024 * 1024;

    /// The upload that is written like this.
    pub fn parse(text: &str) -> Option<Self> {
        let (digest, size) = text.split_once('-')?;
        Some(Self {
            digest: Digest::parse(digest)?,
            size: size.parse().ok()?,
        })
    }
}

/// An object whose bytes are still to come.
pub struct Incoming {
    /// The content type, if it is known.
    pub content_type: Option<String>,
    /// How many bytes there will be, if that is known.
    pub size: Option<u64>,
    /// It is a web page, and its sender does not say that it speaks the protocol.
    pub is_page: bool,
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
    /// The same object, whose bytes end in an error if they are not what `blob` says: more or fewer, or,
    /// if `hashed`, with another hash. The last piece is kept back until then, because a reader that knows the size
    /// stops once it has all bytes.
    ///
    /// # Errors
    /// `SizeMismatch` if the size is known to be another, `Sync` if it is a web page instead.
    pub fn checked(mut self, blob: &Blob, hashed: bool) -> Result<Self> {
        if self.is_page && !blob.is_page() {
            return Err(page_instead(&blob.key));
        }
        if let Some(size) = self.size {
            compare_size(blob, size)?;
        }
        let digest = blob.digest.filter(|_| hashed);
        if blob.size.is_none() && digest.is_none() {
            return Ok(self);
        }
        self.size = blob.size.or(self.size);
        let state = Checking {
            chunks: self.chunks,
            seen: 0,
            hasher: digest.map(|_| Sha256::new()),
            kept_back: None,
            blob: blob.clone(),
        };
        let state = Some(state);
        self.chunks = stream::try_unfold(state, |state| async move {
            match state {
                Some(checking) => checking.next().await,
                None => Ok(None),
            }
        })
        .boxed();
        Ok(self)
    }

    /// The same object, whose bytes are counted as they are read.
    #[must_use]
    pub fn counted(mut self, counter: &ByteCounter) -> Self {
        let counter = counter.clone();
        let count = move |piece: &Result<Bytes>| {
            if let Ok(piece) = piece {
                counter.add(piece.len());
            }
        };
        self.chunks = self.chunks.inspect(count).boxed();
        self
    }

    /// All the bytes.
    ///
    /// # Errors
    /// The error that they end in.
    pub async fn whole(mut self) -> Result<Bytes> {
        /// What is announced need not come.
        const BELIEVED: u64 = 64 * 1024 * 1024;
        let room = usize::try_from(self.size.unwrap_or(0).min(BELIEVED)).unwrap_or(0);
        let mut bytes = BytesMut::with_capacity(room);
        while let Some(piece) = self.chunks.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes.freeze())
    }

    /// Reads the object, and says what it is.
    ///
    /// # Errors
    /// The error that the bytes end in.
    pub async fn measured(mut self) -> Result<Stat> {
        let (mut size, mut hasher) = (0, Sha256::new());
        while let Some(piece) = self.chunks.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            hasher.update(&piece);
        }
        Ok(Stat {
            size: Some(size),
            digest: Some(Digest(hasher.finalize().into())),
            is_page: self.is_page,
            ..Stat::default()
        })
    }
}

/// Bytes that are there, in pieces.
pub fn pieces_of(bytes: Bytes) -> Chunks {
    const PIECE: usize = 256 * 1024;
    stream::unfold(bytes, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(PIECE.min(rest.len()));
        Some((Ok(piece), rest))
    })
    .boxed()
}

struct Checking {
    chunks: Chunks,
    seen: u64,
    hasher: Option<Sha256>,
    kept_back: Option<Bytes>,
    blob: Blob,
}

impl Checking {
    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>> {
        while let Some(piece) = self.chunks.next().await {
            let piece = piece?;
            if piece.is_empty() {
                continue;
            }
            self.seen += piece.len() as u64;
            if self.blob.size.is_some_and(|size| self.seen > size) {
                return Err(other_size(&self.blob, "more"));
            }
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&piece);
            }
            if let Some(before) = self.kept_back.replace(piece) {
                return Ok(Some((before, Some(self))));
            }
        }
        compare_size(&self.blob, self.seen)?;
        if let Some(hasher) = self.hasher {
            compare_digest(&self.blob, Digest(hasher.finalize().into()))?;
        }
        Ok(self.kept_back.map(|last| (last, None)))
    }
}

/// The size and the hash of bytes that are all there.
pub fn measure(bytes: &[u8]) -> Stat {
    Stat {
        size: Some(bytes.len() as u64),
        digest: Some(Digest(Sha256::digest(bytes).into())),
        ..Stat::default()
    }
}

/// Whether an object that is `stat` can be the one that `blob` means. What is not known is no difference.
///
/// # Errors
/// `SizeMismatch` and `HashMismatch` if it cannot.
pub fn compare(blob: &Blob, stat: &Stat) -> Result<()> {
    if let Some(size) = stat.size {
        compare_size(blob, size)?;
    }
    stat.digest
        .map_or(Ok(()), |found| compare_digest(blob, found))
}

fn compare_size(blob: &Blob, found: u64) -> Result<()> {
    match blob.size {
        Some(size) if size != found => Err(other_size(blob, &found.to_string())),
        _ => Ok(()),
    }
}

fn other_size(blob: &Blob, found: &str) -> Error {
    Error::new(
        ErrorKind::SizeMismatch,
        "transfer an object",
        format!(
            "the object under {:?} must have the {} bytes that its item names, got {found}; put the right bytes \
             under that key at the side that wrote the item",
            blob.key.to_string(),
            blob.size.unwrap_or_default(),
        ),
    )
}

fn compare_digest(blob: &Blob, found: Digest) -> Result<()> {
    match blob.digest {
        Some(expected) if expected != found => Err(Error::new(
            ErrorKind::HashMismatch,
            "transfer an object",
            format!(
                "the bytes under {:?} have the SHA-256 {found}, but their item names {expected}; put the right \
                 bytes under that key at the side that wrote the item",
                blob.key.to_string()
            ),
        )),
        _ => Ok(()),
    }
}

/// The error of a web page that came in place of a file.
pub fn page_instead(key: &Text) -> Error {
    Error::sync(
        "fetch an object",
        format!(
            "a web page was answered for {:?}, by a server that does not speak this protocol; check baseUrl, and \
             whether the network asks for a login",
            key.to_string()
        ),
    )
}
