//! The bodies of requests, off a socket.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep, timeout};

use super::meter::Meter;
use super::upload::Why;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::routes::Refusal;

/// Less than this within the body timeout is too slow.
const LEAST_PROGRESS: usize = 16 * 1024;

/// How much of an unwanted body is read nevertheless, so that the answer is: a caller that still sends does not
/// listen. The bytes beyond that are read by the [end of the connection](super::linger).
const MOST_UNWANTED: usize = 64 * 1024 * 1024;
const LONGEST_UNWANTED: Duration = Duration::from_secs(5);

/// A body. Clones are the same one.
#[derive(Clone)]
pub(super) struct Intake(Arc<Mutex<BodyDataStream<Incoming>>>, Arc<Meter>);

impl Intake {
    /// The body of a request, counted while it comes.
    pub fn new(body: Incoming, meter: Arc<Meter>) -> Self {
        Self(Arc::new(Mutex::new(BodyDataStream::new(body))), meter)
    }

    /// What counts it.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.1
    }

    /// The body, which ends in an error where less than 16 KiB come within `patience`.
    pub fn steadily(&self, patience: Duration, why: Why) -> Steady {
        Steady {
            body: self.clone(),
            patience,
            why,
            progress: 0,
            slow: None,
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = body.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.1.comes(bytes.len());
        }
        next.map_err(|error| {
            Error::new(ErrorKind::Io, "read a request", "the body broke off").caused_by(error)
        })
    }

    /// Reads an unwanted body, within bounds.
    pub async fn pass_by(self) {
        let mut rest = self.steadily(LONGEST_UNWANTED, Why::default());
        let pass = async {
            let mut passed = 0;
            while let Some(Ok(bytes)) = rest.next().await {
                passed += bytes.len();
                if passed > MOST_UNWANTED {
                    break;
                }
            }
        };
        // A slower peer is cut off.
        let _ = timeout(LONGEST_UNWANTED, pass).await;
    }
}

/// See [`Intake::steadily`].
pub(super) struct Steady {
    body: Intake,
    patience: Duration,
    why: Why,
    progress: usize,
    slow: Option<Pin<Box<Sleep>>>,
}

impl Stream for Steady {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let this = self.get_mut();
        let poll = this.body.poll(context);
        if let Poll::Ready(next) = poll {
            if let Some(Ok(bytes)) = &next {
                this.progress += bytes.len();
                if this.progress >= LEAST_PROGRESS {
                    this.progress = 0;
                    this.slow = None;
                }
            }
            return Poll::Ready(next);
        }
        let patience = this.patience;
        let slow = this.slow.get_or_insert_with(|| Box::pin(sleep(patience)));
        if slow.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(this.why.refuse(Refusal::too_slow()))))
    }
}
