//! A connection on its way to hyper, whose bytes are followed.
//!
//! Where a byte must not be there, hyper gets in place of it and of all that follows what no head and no body may have. It
//! answers 400 then and closes. Every connection [lingers](super::linger) when it is shut down.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;
use super::idle_timeout::Pulse;
use super::linger::Linger;

/// What stands in place of a fault. NUL may stand nowhere; the empty line has a head that came in pieces read at once.
const FAULT: &[u8] = b"\0\r\n\r\n";

/// A connection whose bytes are followed. See the [module page](self).
pub struct Framed<S> {
    stream: S,
    framing: Framing,
    /// What is to be read in place of a fault, once there was one.
    fault: Option<&'static [u8]>,
    pulse: Pulse,
    /// What is left to do once nothing more is written.
    linger: Option<Linger>,
}

impl<S> Framed<S> {
    /// Follows what comes over `stream`, of which `pulse` is known.
    pub fn new(stream: S, pulse: Pulse) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            fault: None,
            pulse,
            linger: None,
        }
    }

    /// Gives as much of what stands in place of a fault as there is room for; after it, the connection is at its end.
    fn give_fault(&mut self, buffer: &mut ReadBuf<'_>) {
        if let Some(fault) = &mut self.fault {
            let (now, later) = fault.split_at(fault.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *fault = later;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.fault.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let came = buffer.filled().get(before..).unwrap_or_default();
            let Err(sound) = self.framing.follow(came) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before + sound);
            self.fault = Some(FAULT);
        }
        self.give_fault(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let is_at_rest = this.framing.is_between() && this.pulse.was_at_rest();
        let linger = this.linger.get_or_insert_with(|| {
            if is_at_rest {
                Linger::at_rest()
            } else {
                Linger::new()
            }
        });
        linger.poll(&mut this.stream, context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_fault_is_read_as_what_no_head_may_have_and_nothing_follows() {
        use tokio::io::AsyncReadExt as _;

        let text = b"GET / HTTP/1.1\nHost: a\r\n\r\n";
        for room in 1..text.len() {
            let mut framed = Framed::new(&text[..], Pulse::new());
            let (mut read, mut piece) = (Vec::new(), vec![0; room]);
            loop {
                let length = framed.read(&mut piece).await.unwrap();
                if length == 0 {
                    break;
                }
                read.extend_from_slice(&piece[..length]);
            }
            assert_eq!(read, b"GET / HTTP/1.1\0\r\n\r\n", "{room}");
        }
    }
    /// How long the end takes of a connection that brought `text`, and whose caller does not end it.
    async fn time_to_end(text: &str, is_let_go: bool) -> Duration {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

        let (stream, mut caller) = duplex(1024);
        let pulse = Pulse::new();
        let mut framed = Framed::new(stream, pulse.clone());
        caller.write_all(text.as_bytes()).await.unwrap();
        framed.read_exact(&mut vec![0; text.len()]).await.unwrap();
        if is_let_go {
            pulse.let_go();
        }
        let began = Instant::now();
        framed.shutdown().await.unwrap();
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_that_is_let_go_of_at_rest_ends_at_once() {
        const REQUEST: &str = "GET / HTTP/1.1\r\n\r\n";
        const HALF: &str = "PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\na";
        const MOMENT: Duration = Duration::from_millis(10);
        assert!(time_to_end(REQUEST, true).await < MOMENT);
        assert!(time_to_end(HALF, true).await > MOMENT);
        assert!(time_to_end(REQUEST, false).await > MOMENT);
    }
}
