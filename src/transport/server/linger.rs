//! The end of a connection whose caller may still send.
//!
//! A socket that is closed while bytes wait in it, or that bytes reach afterwards, is reset, and the reset can take the
//! last answer along before the caller has read it. So a connection ends in three steps: the caller is told that no more
//! is written, its bytes are read and thrown away until it ends as well, and then the socket is closed. All of that
//! has one bound in time, however often bytes arrive, and one in bytes. The connection keeps its place meanwhile.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The time from the end of the writes until the socket is closed, at most.
const LONGEST: Duration = Duration::from_secs(1);

/// The most bytes that are read. Past them the caller is slowed down by its own socket, until the time is over.
const MOST: usize = 16 * 1024 * 1024;

/// The bytes of one read.
const PIECE: usize = 8 * 1024;

/// Reads what a caller still sends, once the connection is shut down for writes. See the [module page](self).
pub(super) struct Linger {
    time: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    /// For a caller that may still send, and may not have read its answer.
    pub(super) fn new() -> Self {
        Self::within(LONGEST)
    }

    /// For a caller that waits for no answer: only bytes that are there already are read.
    pub(super) fn at_rest() -> Self {
        Self::within(Duration::ZERO)
    }

    fn within(time: Duration) -> Self {
        Self {
            time: Box::pin(sleep(time)),
            left: MOST,
        }
    }

    /// Ready once the socket may be closed.
    pub(super) fn poll<S>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<()>
    where
        S: AsyncRead + Unpin,
    {
        // Asked before the reads: they use up the turn that the runtime gives a task, and a timer is silent after that.
        let time = self.time.as_mut().poll(context);
        let mut scrap = [0; PIECE];
        while self.left > 0 {
            let mut piece = ReadBuf::new(&mut scrap);
            match Pin::new(&mut *stream).poll_read(context, &mut piece) {
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => {
                    self.left = self.left.saturating_sub(piece.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        time
    }
}

/// Ends the writes of a connection and lingers.
pub(super) async fn hang_up<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    if stream.shutdown().await.is_ok() {
        let mut linger = Linger::new();
        poll_fn(|context| linger.poll(stream, context)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const ROOM: usize = 64 * 1024;

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_caller() {
        let (mut server, mut caller) = duplex(ROOM);
        let began = Instant::now();
        let calling = async {
            caller.write_all(&vec![0; 10 * ROOM]).await.unwrap();
            assert_eq!(caller.read(&mut [0]).await.unwrap(), 0);
            caller.shutdown().await.unwrap();
        };
        tokio::join!(hang_up(&mut server), calling);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_drip_in_do_not_lengthen_it() {
        let (mut server, mut caller) = duplex(ROOM);
        let began = Instant::now();
        let dripping = async {
            loop {
                caller.write_all(&[0]).await.unwrap();
                sleep(LONGEST / 50).await;
            }
        };
        tokio::select! {
            () = hang_up(&mut server) => {}
            () = dripping => {}
        }
        let took = began.elapsed();
        assert!((LONGEST..LONGEST * 2).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_read_than_allowed_and_the_caller_keeps_its_time() {
        let (mut server, mut caller) = duplex(ROOM);
        let began = Instant::now();
        let mut sent = 0;
        let flooding = async {
            loop {
                sent += caller.write(&[0; PIECE]).await.unwrap();
            }
        };
        tokio::select! {
            () = hang_up(&mut server) => {}
            () = flooding => {}
        }
        assert!(began.elapsed() >= LONGEST);
        assert!((MOST..=MOST + PIECE + ROOM).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn at_rest_nothing_is_waited_for() {
        let (mut server, mut caller) = duplex(ROOM);
        let began = Instant::now();
        caller.write_all(&[0; PIECE]).await.unwrap();
        let mut linger = Linger::at_rest();
        poll_fn(|context| linger.poll(&mut server, context)).await;
        assert!(began.elapsed() < LONGEST / 10);
        assert_eq!(linger.left, MOST - PIECE);
    }
}
