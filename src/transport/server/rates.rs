//! How much one caller brings within an hour.
//!
//! It is far more than a household brings, and far less than what fills a disk or keeps all others busy deleting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::shares::network_of;
use crate::error::Result;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// If there are more hours than this, those that are over are forgotten.
const REMEMBERED: usize = 4096;

/// An amount of what callers bring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Records and rows.
    pub items: usize,
    /// Records, rows and files that are deleted.
    pub deletions: usize,
    /// Files that are stored.
    pub files: usize,
}

impl Load {
    /// The most of one caller within an hour, as it is given by its names; `given` returns the default if one is not.
    ///
    /// # Errors
    /// Those of `given`.
    pub fn read(given: impl Fn(&'static str, usize) -> Result<usize>) -> Result<Self> {
        Ok(Self {
            items: given("maxItemsPerHour", 10_000_000)?,
            deletions: given("maxDeletionsPerHour", 1_000_000)?,
            files: given("maxFilesPerHour", 1_000_000)?,
        })
    }

    fn and(self, more: Self) -> Self {
        Self {
            items: self.items.saturating_add(more.items),
            deletions: self.deletions.saturating_add(more.deletions),
            files: self.files.saturating_add(more.files),
        }
    }

    /// Whether there is as much of each in it.
    fn has(self, part: Self) -> bool {
        part.items <= self.items && part.deletions <= self.deletions && part.files <= self.files
    }
}

/// What callers have brought, by their addresses. Clones are the same.
#[derive(Debug, Clone)]
pub struct Rates {
    most: Load,
    brought: Arc<Mutex<HashMap<IpAddr, Hour>>>,
}

#[derive(Debug)]
struct Hour {
    began: Instant,
    brought: Load,
}

impl Default for Rates {
    /// Of as much as there is.
    fn default() -> Self {
        Self::new(Load {
            items: usize::MAX,
            deletions: usize::MAX,
            files: usize::MAX,
        })
    }
}

impl Rates {
    /// Of at most `most`.
    pub fn new(most: Load) -> Self {
        let brought = Arc::default();
        Self { most, brought }
    }

    /// Whether a caller may bring `more` now; it counts then. A caller whose address is not known always may.
    pub fn take(&self, caller: Option<IpAddr>, more: Load) -> bool {
        self.take_at(caller, more, Instant::now())
    }

    fn take_at(&self, caller: Option<IpAddr>, more: Load, now: Instant) -> bool {
        let Some(caller) = caller.filter(|_| more != Load::default()) else {
            return true;
        };
        let mut all = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |hour: &Hour| now.duration_since(hour.began) >= HOUR;
        if all.len() > REMEMBERED {
            all.retain(|_, hour| !is_over(hour));
        }
        let new = || Hour {
            began: now,
            brought: Load::default(),
        };
        let hour = all.entry(network_of(caller)).or_insert_with(new);
        if is_over(hour) {
            *hour = new();
        }
        let brought = hour.brought.and(more);
        let may = self.most.has(brought);
        if may {
            hour.brought = brought;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn items(items: usize) -> Load {
        Load {
            items,
            ..Load::default()
        }
    }

    #[test]
    fn a_caller_brings_as_much_as_it_may_and_more_after_an_hour() {
        let rates = Rates::new(Load {
            items: 10,
            deletions: 1,
            files: 1,
        });
        let (one, other) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
        let now = Instant::now();
        assert!(rates.take_at(one, items(10), now));
        assert!(!rates.take_at(one, items(1), now));
        assert!(
            rates.take_at(one, Load::default(), now),
            "nothing is always allowed"
        );
        assert!(rates.take_at(other, items(10), now));
        let deletion = Load {
            deletions: 1,
            ..Load::default()
        };
        assert!(rates.take_at(one, deletion, now) && !rates.take_at(one, deletion, now));
        assert!(rates.take_at(one, items(10), now + HOUR));
        assert!(rates.take_at(None, items(100), now));
    }
}
