//! How much memory the requests of a server take together.
//!
//! What one request may take is bounded by itself; many at once are bounded by this. A request reserves what it is about
//! to hold, and is refused if there is no more: to wait would only keep what it holds already.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that requests hold in memory. Clones are the same.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    most: u64,
    held: AtomicU64,
}

impl Budget {
    /// Of at most `most` bytes.
    pub fn new(most: u64) -> Self {
        let held = AtomicU64::new(0);
        Self(Arc::new(Counter { most, held }))
    }

    /// What one request holds, which is nothing yet.
    pub fn reserve(&self) -> Arc<Reservation> {
        Arc::new(Reservation {
            of: self.clone(),
            bytes: AtomicU64::new(0),
        })
    }

    /// How many bytes are held now.
    pub fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }
}

/// What one request holds until this is dropped. One task changes it at a time.
#[derive(Debug)]
pub struct Reservation {
    of: Budget,
    bytes: AtomicU64,
}

impl Reservation {
    /// From now on it holds `bytes` in all. Returns whether there is room for them; if not, it holds what it held.
    pub fn hold(&self, bytes: u64) -> bool {
        let before = self.bytes.load(Ordering::Relaxed);
        let Counter { most, held } = &*self.of.0;
        let changed = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |all| {
            let all = (all - before).saturating_add(bytes);
            (all <= *most || bytes <= before).then_some(all)
        });
        if changed.is_ok() {
            self.bytes.store(bytes, Ordering::Relaxed);
        }
        changed.is_ok()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_together_hold_no_more_than_they_may() {
        let budget = Budget::new(100);
        let (one, other) = (budget.reserve(), budget.reserve());
        assert!(one.hold(60));
        assert!(!other.hold(41) && other.hold(40));
        assert!(!one.hold(61), "what it holds already counts once");
        assert!(one.hold(10));
        assert!(other.hold(90));
        assert_eq!(budget.held(), 100);
        drop((one, other));
        assert_eq!(budget.held(), 0);
    }
}
