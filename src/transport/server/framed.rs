//! A connection on its way to hyper, whose bytes are followed.
//!
//! Where a byte must not be there, hyper gets in place of it and of all that follows what no head and no body may have. It
//! answers 400 then and closes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::framing::Framing;

/// What stands in place of a fault. NUL may stand nowhere; the empty line has a head that came in pieces read at once.
const FAULT: &[u8] = b"\0\r\n\r\n";

/// So long a caller may take to hear of its fault.
const LONGEST_GOODBYE: Duration = Duration::from_secs(1);

/// A connection whose bytes are followed. See the [module page](self).
pub struct Framed<S> {
    stream: S,
    framing: Framing,
    /// What is to be read in place of a fault, once there was one.
    fault: Option<&'static [u8]>,
    /// How long the caller has to hear of it, once all is said.
    listening: Option<Pin<Box<Sleep>>>,
}

impl<S> Framed<S> {
    /// Follows what comes over `stream`.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            fault: None,
            listening: None,
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
        if this.listening.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.listening = this.fault.map(|_| Box::pin(sleep(LONGEST_GOODBYE)));
        }
        let Some(listening) = &mut this.listening else {
            return Poll::Ready(Ok(()));
        };
        // What still comes is read: closed upon it, the connection would be reset, and the answer lost on its way.
        while listening.as_mut().poll(context).is_pending() {
            let mut scrap = [0; 1024];
            let mut scrap = ReadBuf::new(&mut scrap);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut scrap));
            if read.is_err() || scrap.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_fault_is_read_as_what_no_head_may_have_and_nothing_follows() {
        use tokio::io::AsyncReadExt as _;

        let text = b"GET / HTTP/1.1\nHost: a\r\n\r\n";
        for room in 1..text.len() {
            let mut framed = Framed::new(&text[..]);
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
}
