//! What is to wait, and where a log stands still because it found no room to.

use crate::protocol::log::{Key, Stream};

use super::held::{Direction, Held};

/// An item that is to wait.
#[derive(Debug)]
pub(super) struct Waits<B> {
    /// Its number in the own log, if nothing of that log may pass it unless it does wait.
    pub(super) seq: Option<u64>,
    pub(super) key: Key,
    pub(super) held: Held<B>,
}

/// What an answer says of items: what waits now, and what waits no longer.
pub(super) struct Lesson<B> {
    pub(super) waits: Vec<Waits<B>>,
    pub(super) settled: Vec<(Direction, Key)>,
}

impl<B> Default for Lesson<B> {
    fn default() -> Self {
        Self {
            waits: Vec::new(),
            settled: Vec::new(),
        }
    }
}

/// Where a log stands still.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Still {
    /// Up to here the own log may be passed.
    pub(super) out: Option<u64>,
    /// The peer's log may not be passed any further.
    pub(super) inbound: bool,
}

/// What found no room to wait.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stuck {
    pub(super) records: Still,
    pub(super) rows: Still,
}

impl Stuck {
    /// Nothing that the peer sends is passed.
    pub(super) const WHOLLY_INBOUND: Self = Self {
        records: Still {
            out: None,
            inbound: true,
        },
        rows: Still {
            out: None,
            inbound: true,
        },
    };

    fn of(&mut self, key: &Key) -> &mut Still {
        if is_record(key) {
            &mut self.records
        } else {
            &mut self.rows
        }
    }

    /// The item with this number of the own log may not be passed.
    pub(super) fn out(&mut self, key: &Key, seq: u64) {
        let still = self.of(key);
        let before = still.out.unwrap_or(u64::MAX);
        still.out = Some(before.min(seq - 1));
    }

    pub(super) fn inbound(&mut self, key: &Key) {
        self.of(key).inbound = true;
    }

    pub(super) fn is_any(&self) -> bool {
        self.is_inbound() || self.records.out.is_some() || self.rows.out.is_some()
    }

    pub(super) fn is_inbound(&self) -> bool {
        self.records.inbound || self.rows.inbound
    }
}

pub(super) fn is_record(key: &Key) -> bool {
    key.stream == Stream::Records
}
