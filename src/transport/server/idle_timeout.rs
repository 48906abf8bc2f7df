//! How long a connection may keep a place.
//!
//! A connection that has nothing in work is let go of: after the header timeout where a request has begun
//! to come, after the idle timeout otherwise. One that takes nothing of its answer fails after the idle
//! timeout as well. How many bytes drip in meanwhile changes none of it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// What is known of a connection.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Mutex<ConnectionState>>);

#[derive(Debug)]
struct ConnectionState {
    /// Requests in work.
    at_work: usize,
    /// When nothing was in work any more.
    resting: Instant,
    /// When the first bytes came after that.
    begun: Option<Instant>,
}

/// A request in work.
#[derive(Debug)]
pub struct Beat(Pulse);

impl Pulse {
    /// Of a connection that was just made.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(ConnectionState {
            at_work: 0,
            resting: Instant::now(),
            begun: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is in work until the answer is dropped.
    pub fn beat(&self) -> Beat {
        self.lock().at_work += 1;
        Beat(self.clone())
    }

    fn bytes_came(&self) {
        let mut state = self.lock();
        if state.at_work == 0 && state.begun.is_none() {
            state.begun = Some(Instant::now());
        }
    }

    /// Returns when the connection has kept its place for too long without a request.
    pub async fn stopped(&self, header: Duration, idle: Duration) {
        loop {
            let now = Instant::now();
            let (at_work, deadline) = {
                let state = self.lock();
                let deadline = match state.begun {
                    Some(begun) => begun + header,
                    None => state.resting + idle,
                };
                (state.at_work > 0, deadline)
            };
            if !at_work && deadline <= now {
                return;
            }
            // A request that begins to come meanwhile has its whole time from then on.
            let latest = now + header.min(idle);
            sleep_until(if at_work {
                latest
            } else {
                deadline.min(latest)
            })
            .await;
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.at_work -= 1;
        state.resting = Instant::now();
        state.begun = None;
    }
}

/// A socket that notes what comes, and does not wait for ever for a peer that reads nothing.
pub struct Watched {
    stream: TcpStream,
    pulse: Pulse,
    patience: Duration,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// A socket whose writes fail once nothing was taken for `patience`.
    pub fn new(stream: TcpStream, pulse: Pulse, patience: Duration) -> Self {
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

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
