//! Counts what this process writes to a database, which is what it notices at once.
//!
//! A call that writes counts when it has ended, however it has: also where its answer was lost it may have been committed.
//! Who reads the count before a question, and finds the same later, knows that no call of this process has ended with a
//! write that the answer does not have. What other processes write is not counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use crate::engine::freshness::Freshness;

/// For at most so long a write of another process goes unnoticed, in milliseconds.
const UNNOTICED_MS: u64 = 1000;

/// The count of one schema of a database, which all stores of the process share.
#[derive(Debug, Clone)]
pub(super) struct Written(Arc<Count>);

#[derive(Debug)]
struct Count {
    counter: u64,
    writes: AtomicU64,
}

/// Counts when it is dropped.
#[derive(Debug)]
pub(super) struct Writing(Written);

impl Written {
    /// The count of this schema of the database with this name.
    pub(super) fn to(database: &str, schema: &str) -> Self {
        static COUNTS: LazyLock<Mutex<HashMap<[String; 2], Weak<Count>>>> =
            LazyLock::new(Mutex::default);
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        let place = [database.to_owned(), schema.to_owned()];
        if let Some(count) = counts.get(&place).and_then(Weak::upgrade) {
            return Self(count);
        }
        counts.retain(|_, count| count.strong_count() > 0);
        let count = Arc::new(Count {
            counter: Freshness::new_counter(),
            writes: AtomicU64::new(0),
        });
        counts.insert(place, Arc::downgrade(&count));
        Self(count)
    }

    /// A write begins.
    pub(super) fn begin(&self) -> Writing {
        Writing(self.clone())
    }

    pub(super) fn freshness(&self) -> Freshness {
        Freshness {
            counter: self.0.counter,
            version: self.0.writes.load(Ordering::SeqCst),
            unnoticed_ms: Some(UNNOTICED_MS),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.0.writes.fetch_add(1, Ordering::SeqCst);
    }
}
