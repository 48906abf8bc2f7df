//! Which transaction keeps the writers of a store waiting.

use std::sync::atomic::{AtomicU64, Ordering};

/// A transaction of an app's. No two of a process are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(u64);

impl Holder {
    /// Another one.
    pub fn next() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Self(COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Its number in this process.
    pub fn number(self) -> u64 {
        self.0
    }
}
