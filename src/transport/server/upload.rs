//! The body of a request, counted and unpacked while it comes.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use super::budget::Reservation;
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::gzip::Unpacker;
use crate::transport::routes::Refusal;

/// Why a body ended before its end.
#[derive(Debug, Clone, Default)]
pub struct Why(Arc<OnceLock<Refusal>>);

impl Why {
    /// The refusal, if the body was at fault.
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.get().cloned()
    }

    /// The first refusal counts.
    pub fn refuse(&self, refusal: Refusal) -> Error {
        let error = Error::new(
            ErrorKind::Sync,
            "read a request",
            format!("the body was refused with status {}", refusal.status()),
        );
        let _ = self.0.set(refusal);
        error
    }
}

/// A body that ends in an error where it is longer than it may be, shorter than it said, or not packed as
/// it said.
pub struct Upload {
    chunks: Chunks,
    why: Why,
    /// Bytes that came and are still packed.
    packed: Bytes,
    unpacker: Option<Unpacker>,
    promised: Option<u64>,
    came: u64,
    given: u64,
    most: u64,
    memory: Option<Arc<Reservation>>,
    ended: bool,
}

impl Upload {
    /// The body of a request with these headers, of at most `most` bytes unpacked.
    pub fn new(headers: &HeaderMap, chunks: Chunks, why: Why, most: u64) -> Result<Self, Refusal> {
        let unpacker = match headers
            .get(CONTENT_ENCODING)
            .map(http::HeaderValue::as_bytes)
        {
            None => None,
            Some(coding) if coding.eq_ignore_ascii_case(b"identity") => None,
            Some(coding) if coding.eq_ignore_ascii_case(b"gzip") => Some(Unpacker::default()),
            Some(coding) if coding.eq_ignore_ascii_case(b"x-gzip") => Some(Unpacker::default()),
            Some(_) => return Err(Refusal::encoding()),
        };
        let promised = match headers.get(CONTENT_LENGTH) {
            None => None,
            Some(length) => {
                let length = length.to_str().ok().and_then(|text| text.parse().ok());
                Some(length.ok_or_else(|| Refusal::malformed("Content-Length must be a number"))?)
            }
        };
        // What is too long before it is unpacked is so afterwards, or nearly always.
        if unpacker.is_none() && promised.is_some_and(|promised| promised > most) {
            return Err(Refusal::too_large(most));
        }
        Ok(Self {
            chunks,
            why,
            packed: Bytes::new(),
            unpacker,
            promised,
            came: 0,
            given: 0,
            most,
            memory: None,
            ended: false,
        })
    }

    /// What is read of it counts as held by this; it is refused if there is no more room.
    pub fn reserves(&mut self, memory: &Arc<Reservation>) {
        self.memory = Some(Arc::clone(memory));
    }

    /// How many bytes there will be, where that is known.
    pub fn size(&self) -> Option<u64> {
        self.promised.filter(|_| self.unpacker.is_none())
    }

    /// All of it.
    pub async fn whole(mut self) -> Result<Vec<u8>> {
        const MOST_AT_ONCE: u64 = 1024 * 1024;
        let room = self.size().unwrap_or_default().min(MOST_AT_ONCE);
        let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        while let Some(piece) = self.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }

    fn give(&mut self, bytes: Bytes) -> Result<Bytes> {
        self.given = self.given.saturating_add(bytes.len() as u64);
        if self.given > self.most {
            return Err(self.why.refuse(Refusal::too_large(self.most)));
        }
        let memory = self.memory.as_ref();
        if memory.is_some_and(|memory| !memory.hold(self.given)) {
            return Err(self.why.refuse(Refusal::out_of_memory()));
        }
        Ok(bytes)
    }

    fn unpack_some(&mut self) -> Result<Bytes> {
        let Some(unpacker) = &mut self.unpacker else {
            return Ok(std::mem::take(&mut self.packed));
        };
        let piece = self.packed.len().min(Unpacker::PIECE);
        let fed = unpacker.feed(self.packed.get(..piece).unwrap_or_default());
        self.packed.advance(piece);
        fed.map(Bytes::from).map_err(|_| self.badly_packed())
    }

    fn badly_packed(&self) -> Error {
        self.why.refuse(Refusal::malformed(
            "the body is not packed with gzip as it says",
        ))
    }

    fn end(&mut self) -> Result<Bytes> {
        self.ended = true;
        if let Some(promised) = self.promised.filter(|promised| *promised != self.came) {
            let came = self.came;
            return Err(self.why.refuse(Refusal::malformed(format!(
                "the body ended after {came} of {promised} bytes"
            ))));
        }
        match &mut self.unpacker {
            None => Ok(Bytes::new()),
            Some(unpacker) => {
                let rest = unpacker.finish();
                rest.map(Bytes::from).map_err(|_| self.badly_packed())
            }
        }
    }
}

impl Stream for Upload {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let this = self.get_mut();
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            let next = if this.packed.is_empty() {
                match ready!(this.chunks.poll_next_unpin(context)) {
                    None => this.end(),
                    Some(Ok(bytes)) => {
                        this.came = this.came.saturating_add(bytes.len() as u64);
                        this.packed = bytes;
                        continue;
                    }
                    Some(Err(error)) => {
                        let _ = this.why.refuse(Refusal::malformed("the body broke off"));
                        Err(error)
                    }
                }
            } else {
                this.unpack_some()
            };
            let next = next.and_then(|bytes| this.give(bytes));
            match next {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(bytes))),
                Err(error) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
