//! How long a connection may keep a place.
//!
//! A connection that has nothing in work is let go of: after the header timeout where a request has begun
//! to come, after the idle timeout otherwise. One that takes nothing of an answer ends after the idle
//! timeout as well: of HTTP/1, whose bytes the socket does not take; of HTTP/2, where each answer has a window of
//! its own, any that waits for one. How many bytes drip in meanwhile changes none of it.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::tls::Duplex;

/// What is known of a connection.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Mutex<ConnectionState>>);

#[derive(Debug)]
struct ConnectionState {
    /// Requests in work.
    at_work: usize,
    /// The number of the last of them.
    last: u64,
    /// Answers that wait to be taken, since when, by the numbers of their requests.
    waiting: BTreeMap<u64, Instant>,
    /// When nothing was in work any more.
    resting: Instant,
    /// When the first bytes came after that.
    begun: Option<Instant>,
    /// Whether it was let go of while nothing was in work, and nothing has come since.
    was_at_rest: bool,
}

/// Why a connection is let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It has had nothing in work for too long, or its request does not come to an end.
    Idle,
    /// It does not take an answer.
    Stuck,
}

/// A request in work.
#[derive(Debug)]
pub struct Beat {
    pulse: Pulse,
    number: u64,
}

impl Beat {
    /// From now on the answer waits to be taken.
    pub fn waits(&self) {
        self.pulse
            .lock()
            .waiting
            .insert(self.number, Instant::now());
    }

    /// The rest of the answer is still being made: it is not the caller that is late.
    pub fn works(&self) {
        self.pulse.lock().waiting.remove(&self.number);
    }
}

impl Pulse {
    /// Of a connection that was just made.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(ConnectionState {
            at_work: 0,
            last: 0,
            waiting: BTreeMap::new(),
            resting: Instant::now(),
            begun: None,
            was_at_rest: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is in work until the answer is dropped.
    pub fn beat(&self) -> Beat {
        let mut state = self.lock();
        state.at_work += 1;
        state.last += 1;
        Beat {
            pulse: self.clone(),
            number: state.last,
        }
    }

    fn bytes_came(&self) {
        let mut state = self.lock();
        state.was_at_rest = false;
        if state.at_work == 0 && state.begun.is_none() {
            state.begun = Some(Instant::now());
        }
    }

    /// The server lets go of the connection.
    pub fn let_go(&self) {
        let mut state = self.lock();
        state.was_at_rest = state.at_work == 0 && state.begun.is_none();
    }

    /// Whether the server let go of it while nothing was in work: then there is no answer that its end could take along.
    pub fn was_at_rest(&self) -> bool {
        self.lock().was_at_rest
    }

    /// Returns when the connection has kept its place for too long without a request, or does not take an answer.
    pub async fn stopped(&self, header: Duration, idle: Duration) -> End {
        loop {
            let now = Instant::now();
            let (end, deadline) = self.lock().deadline(header, idle);
            if deadline.is_some_and(|deadline| deadline <= now) {
                return end;
            }
            // What begins meanwhile has its whole time from then on.
            let latest = now + header.min(idle);
            sleep_until(deadline.map_or(latest, |deadline| deadline.min(latest))).await;
        }
    }
}

impl ConnectionState {
    /// When the connection is let go of as things stand, and why.
    fn deadline(&self, header: Duration, idle: Duration) -> (End, Option<Instant>) {
        if self.at_work > 0 {
            let oldest = self.waiting.values().min();
            return (End::Stuck, oldest.map(|since| *since + idle));
        }
        let deadline = match self.begun {
            Some(begun) => begun + header,
            None => self.resting + idle,
        };
        (End::Idle, Some(deadline))
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        let mut state = self.pulse.lock();
        state.at_work -= 1;
        state.waiting.remove(&self.number);
        state.resting = Instant::now();
        state.begun = None;
    }
}

/// A connection that notes what comes, and does not wait for ever for a peer that reads nothing.
pub struct Watched {
    stream: Box<dyn Duplex>,
    pulse: Pulse,
    patience: Duration,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// A connection whose writes fail once nothing was taken for `patience`.
    pub fn new(stream: Box<dyn Duplex>, pulse: Pulse, patience: Duration) -> Self {
        Self {
            stream,
            pulse,
            patience,
            stuck: None,
        }
    }

    fn patiently<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stuck = None;
            return poll;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        match stuck.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pulse.bytes_came();
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.patiently(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.patiently(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// TLS still holds what a write was said to have taken.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.patiently(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.patiently(context, poll)
    }
}
