//! What is told of each object on its way, where anything hears it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::outcome::Direction;
use super::ports::Events;
use super::progress::{Ended, News, Transfer};
use super::watch::ByteCounter;
use crate::error::Error;
use crate::protocol::text::Text;

/// What hears of objects on their way.
pub trait Hears {
    /// An object sets out, or its way is over.
    fn hear(&self, transfer: Transfer);
}

impl<E: Events> Hears for E {
    fn hear(&self, transfer: Transfer) {
        self.told(News::Transfer(transfer));
    }
}

impl fmt::Debug for dyn Hears + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hears")
    }
}

/// An object on its way, of which something hears.
pub(super) struct Telling<'a> {
    hears: &'a dyn Hears,
    transfer: Transfer,
    bytes: ByteCounter,
    began: Instant,
    /// Whether it was told that the object sets out.
    is_begun: bool,
}

impl<'a> Telling<'a> {
    /// The object sets out, of which nothing is told yet.
    pub(super) fn new(hears: &'a dyn Hears, key: &Text, direction: Direction) -> Self {
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        let transfer = Transfer {
            transfer: BEGUN.fetch_add(1, Ordering::Relaxed),
            key: key.clone(),
            direction: direction.name(),
            ended: None,
        };
        Self {
            hears,
            transfer,
            bytes: ByteCounter::default(),
            began: Instant::now(),
            is_begun: false,
        }
    }

    /// The same, once it was told.
    pub(super) fn begun(mut self) -> Self {
        if !self.is_begun {
            self.hears.hear(self.transfer.clone());
            self.is_begun = true;
        }
        self
    }

    /// Counts the bytes of this object alone.
    pub(super) fn bytes(&self) -> &ByteCounter {
        &self.bytes
    }

    /// Its way is over.
    pub(super) fn end(self, error: Option<Error>) {
        let this = self.begun();
        this.hears.hear(Transfer {
            ended: Some(Ended {
                bytes: this.bytes.get(),
                duration_ms: this.began.elapsed().as_secs_f64() * 1000.0,
                error,
            }),
            ..this.transfer
        });
    }
}
