//! What an engine notes of the round, or the reconciliation, that runs.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::pair::{Pair, Planes};
use crate::protocol::message::Traffic;

/// Counts bytes, also those that other threads move.
#[derive(Debug, Clone, Default)]
pub struct ByteCounter(Arc<AtomicU64>);

impl ByteCounter {
    /// These bytes were moved as well.
    pub fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was moved in one direction.
#[derive(Debug, Default)]
pub struct Way {
    /// The bytes of objects and messages.
    pub(super) bytes: ByteCounter,
    /// The objects that were brought over.
    pub(super) objects: Cell<usize>,
    /// The objects that were brought over, were there, or could not be brought.
    pub(super) settled: Cell<usize>,
}

/// What a round moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// Bytes of objects and messages that went out.
    pub bytes_sent: u64,
    /// Bytes of objects and messages that came in.
    pub bytes_received: u64,
    /// Objects that went out.
    pub objects_sent: usize,
    /// Objects that came in.
    pub objects_received: usize,
    /// App rows that are new here.
    pub rows_applied: usize,
    /// How long the round took, in milliseconds.
    pub duration_ms: u64,
}

/// What an engine notes of what runs.
#[derive(Debug, Default)]
pub struct Watch {
    /// Whether a reconciliation runs.
    pub(super) runs: Cell<bool>,
    /// Whether the app wants to hear how far a round is.
    pub(super) listens: Cell<bool>,
    pub(super) requests: Cell<usize>,
    pub(super) told_ms: Cell<Option<u64>>,
    pub(super) sent: Way,
    pub(super) received: Way,
    pub(super) rows_applied: Cell<usize>,
    /// Items that travelled, of either direction.
    pub(super) items: Cell<usize>,
    /// What the peer has said that it has of the own logs, if it keeps logs.
    acknowledged: Arc<Mutex<Option<Planes<Pair>>>>,
}

impl Watch {
    /// That of another engine for the same side and peer: both know what the peer has.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            acknowledged: Arc::clone(&self.acknowledged),
            ..Self::default()
        }
    }

    /// From now on the peer is known to have this much of the own logs; without pairs, nothing is known of it.
    pub(super) fn acknowledge(&self, pairs: Option<&Planes<Pair>>) {
        let known = self.acknowledged.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = pairs.cloned();
    }

    /// How much of the own logs the peer is known to have.
    pub(super) fn acknowledged(&self) -> Option<Planes<Pair>> {
        let known = self.acknowledged.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A reconciliation begins.
    pub(super) fn begin(&self) {
        self.runs.set(true);
        // What a round before it was listened to says nothing of it.
        self.listens.set(false);
        self.requests.set(0);
        self.told_ms.set(None);
    }

    /// The reconciliation is over. Returns how often the peer was asked.
    pub(super) fn end(&self) -> usize {
        self.runs.set(false);
        self.requests.take()
    }

    /// A round begins. Returns what was moved before it.
    pub(super) fn begin_round(&self, listens: bool) -> Moved {
        self.listens.set(listens);
        self.told_ms.set(None);
        self.items.set(0);
        self.moved()
    }

    pub(super) fn count(&self, traffic: Traffic) {
        self.sent.bytes.add(traffic.sent);
        self.received.bytes.add(traffic.received);
    }

    /// What was moved by all rounds until now.
    fn moved(&self) -> Moved {
        Moved {
            bytes_sent: self.sent.bytes.get(),
            bytes_received: self.received.bytes.get(),
            objects_sent: self.sent.objects.get(),
            objects_received: self.received.objects.get(),
            rows_applied: self.rows_applied.get(),
            duration_ms: 0,
        }
    }

    /// What was moved since.
    pub(super) fn moved_since(&self, before: Moved, duration_ms: u64) -> Moved {
        let now = self.moved();
        Moved {
            bytes_sent: now.bytes_sent - before.bytes_sent,
            bytes_received: now.bytes_received - before.bytes_received,
            objects_sent: now.objects_sent - before.objects_sent,
            objects_received: now.objects_received - before.objects_received,
            rows_applied: now.rows_applied - before.rows_applied,
            duration_ms,
        }
    }
}
