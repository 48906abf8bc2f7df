//! How it is known that a store still holds what was read of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a store says of itself without being asked a question: a look that would find what the last one found is
/// answered from memory then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// What counts: versions of two stores, or of one that was opened again, say nothing of each other.
    pub counter: u64,
    /// Another one after each change that is noticed at once: each write of this process, and, unless `unnoticed_ms`
    /// says otherwise, of all others.
    pub version: u64,
    /// How long, in milliseconds, a write of another process may go unnoticed at most; `None` if none does.
    pub unnoticed_ms: Option<u64>,
}

impl Freshness {
    /// A `counter` that no other has in this process.
    pub fn new_counter() -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        LAST.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether others may write to the store without its noticing at once.
    pub(super) fn is_shared(self) -> bool {
        self.unnoticed_ms.is_some()
    }
}
