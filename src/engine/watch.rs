//! What an engine notes of the reconciliation that runs.

use std::cell::Cell;

/// What an engine notes of the reconciliation that runs.
#[derive(Debug, Default)]
pub struct Watch {
    pub(super) runs: Cell<bool>,
    pub(super) requests: Cell<usize>,
    pub(super) told_ms: Cell<Option<u64>>,
}

impl Watch {
    pub(super) fn begin(&self) {
        self.runs.set(true);
        self.requests.set(0);
        self.told_ms.set(None);
    }

    /// Returns how often the peer was asked.
    pub(super) fn end(&self) -> usize {
        self.runs.set(false);
        self.requests.take()
    }
}
