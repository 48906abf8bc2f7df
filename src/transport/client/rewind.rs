//! Bytes that come once, sent a second time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::engine::object::Chunks;
use crate::error::Error;

/// How many bytes are kept to be sent again. A connection that is no more takes no more than fit into the
/// buffers of its socket.
const KEPT: usize = 1024 * 1024;

/// Bytes that come once. They can be had from their start again until more than [`KEPT`] were taken.
#[derive(Clone)]
pub(super) struct Rewind(Arc<Mutex<BodySource>>);

struct BodySource {
    rest: Chunks,
    taken: Vec<Bytes>,
    size: usize,
    is_spent: bool,
    turn: usize,
}

impl Rewind {
    pub(super) fn new(chunks: Chunks) -> Self {
        Self(Arc::new(Mutex::new(BodySource {
            rest: chunks,
            taken: Vec::new(),
            size: 0,
            is_spent: false,
            turn: 0,
        })))
    }

    fn source(&self) -> MutexGuard<'_, BodySource> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all the bytes can be had again.
    pub(super) fn can_begin_again(&self) -> bool {
        !self.source().is_spent
    }

    /// The bytes from their start. What was handed out before yields no more of them.
    pub(super) fn begin(&self) -> Chunks {
        let turn = {
            let mut source = self.source();
            source.turn += 1;
            source.turn
        };
        let (this, mut next) = (self.clone(), 0);
        stream::poll_fn(move |context| {
            let mut source = this.source();
            if source.turn != turn {
                let what = "it is sent over another connection";
                return Poll::Ready(Some(Err(Error::sync("send an object", what))));
            }
            if let Some(chunk) = source.taken.get(next) {
                next += 1;
                return Poll::Ready(Some(Ok(chunk.clone())));
            }
            let item = ready!(source.rest.poll_next_unpin(context));
            match &item {
                Some(Ok(chunk)) => {
                    next += 1;
                    source.keep(chunk);
                }
                Some(Err(_)) => source.is_spent = true,
                None => {}
            }
            Poll::Ready(item)
        })
        .fuse()
        .boxed()
    }
}

impl BodySource {
    fn keep(&mut self, chunk: &Bytes) {
        if self.is_spent {
            return;
        }
        self.size += chunk.len();
        if self.size > KEPT {
            self.is_spent = true;
            self.taken = Vec::new();
        } else {
            self.taken.push(chunk.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn coming(sizes: &[usize]) -> Rewind {
        let chunks: Vec<_> = (0u8..)
            .zip(sizes)
            .map(|(n, size)| Ok(Bytes::from(vec![n; *size])))
            .collect();
        Rewind::new(stream::iter(chunks).boxed())
    }

    async fn all(mut chunks: Chunks) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await {
            all.extend_from_slice(&chunk.unwrap());
        }
        all
    }

    #[tokio::test]
    async fn the_second_turn_has_what_the_first_took_and_the_rest() {
        let rewind = coming(&[2, 3, 4]);
        let mut first = rewind.begin();
        first.next().await.unwrap().unwrap();
        first.next().await.unwrap().unwrap();
        assert!(rewind.can_begin_again());
        let second = rewind.begin();
        assert!(first.next().await.unwrap().is_err(), "its turn is over");
        assert_eq!(all(second).await, [0, 0, 1, 1, 1, 2, 2, 2, 2]);
    }

    #[tokio::test]
    async fn bytes_of_which_too_many_went_cannot_be_had_again() {
        let rewind = coming(&[KEPT, 1, 5]);
        let mut chunks = rewind.begin();
        chunks.next().await.unwrap().unwrap();
        assert!(rewind.can_begin_again());
        chunks = rewind.begin();
        chunks.next().await.unwrap().unwrap();
        chunks.next().await.unwrap().unwrap();
        assert!(!rewind.can_begin_again());
        assert_eq!(all(chunks).await.len(), 5, "they go on to their end");
    }
}
