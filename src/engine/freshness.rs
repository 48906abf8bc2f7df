//! How it is known that a store still holds what was read of it.

/// What a store says of itself without being asked a question: a look that would find what the last one found is
/// answered from memory then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Another one after each change that is noticed at once: each write of this process, and, unless `unnoticed_ms`
    /// says otherwise, of all others.
    pub version: u64,
    /// For at most so many milliseconds a write of another process may go unnoticed; `None` if none does.
    pub unnoticed_ms: Option<u64>,
}

impl Freshness {
    /// Whether others may write to the store without its noticing at once.
    pub(super) fn is_shared(self) -> bool {
        self.unnoticed_ms.is_some()
    }
}
