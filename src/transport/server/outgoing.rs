//! The body of an answer on its way out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use http::Response;
use hyper::body::{Body, Frame, SizeHint};

use super::body::{AnswerBody, SMALL_ANSWER};
use super::budget::Reservation;
use super::idle_timeout::Beat;
use super::meter::Meter;
use crate::error::Error;

/// The greatest piece in which an answer goes out, in bytes: with each the caller shows that it takes the answer.
const PIECE: usize = 16 * 1024;

/// The body of an answer; its request is in work until it is dropped.
pub(super) struct Outgoing<W> {
    body: AnswerBody,
    beat: Beat,
    /// Whether the caller says with a window of its own how much of this answer it takes. How much of an answer of
    /// HTTP/1 is taken, the socket sees.
    has_window: bool,
    _work: Option<W>,
    _memory: Option<Arc<Reservation>>,
    meter: Arc<Meter>,
}

impl<W> Outgoing<W> {
    /// The answer to the request `beat`, of which `work` is in work. What it holds of the memory of all requests it
    /// holds until it is out.
    pub fn of(
        mut response: Response<AnswerBody>,
        beat: (Beat, bool),
        (work, meter): (Option<W>, Arc<Meter>),
    ) -> Response<Self> {
        let memory = response.extensions_mut().remove();
        response.map(|body| Self {
            _memory: memory,
            ..Self::new(body, beat, (work, meter))
        })
    }

    fn new(
        body: AnswerBody,
        (beat, has_window): (Beat, bool),
        (work, meter): (Option<W>, Arc<Meter>),
    ) -> Self {
        if has_window {
            beat.waits();
        }
        let is_small =
            matches!(&body, AnswerBody::Whole(bytes) if bytes.len() as u64 <= SMALL_ANSWER);
        Self {
            body,
            beat,
            has_window,
            _work: work.filter(|_| !is_small),
            _memory: None,
            meter,
        }
    }
}

impl<W: Unpin> Body for Outgoing<W> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = match &mut self.body {
            AnswerBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            AnswerBody::Whole(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                Poll::Ready(Some(Ok(piece)))
            }
            AnswerBody::Pieces(pieces) => pieces.poll_next_unpin(context),
        };
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.meter.goes(bytes.len());
        }
        if self.has_window {
            if next.is_ready() {
                self.beat.waits();
            } else {
                self.beat.works();
            }
        }
        next.map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.body, AnswerBody::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            AnswerBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            AnswerBody::Pieces(_) => SizeHint::default(),
        }
    }
}
