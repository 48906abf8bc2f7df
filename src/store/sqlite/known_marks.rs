//! The watermarks as they were read last, and which state of the file they are of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::freshness::Freshness;
use crate::protocol::watermarks::Watermarks;

/// See the [module page](self).
#[derive(Debug, Clone, Default)]
pub(super) struct KnownMarks(Arc<Mutex<Option<(Freshness, Watermarks)>>>);

impl KnownMarks {
    fn known(&self) -> MutexGuard<'_, Option<(Freshness, Watermarks)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of this state of the file, where they are known.
    pub(super) fn at(&self, fresh: Freshness) -> Option<Watermarks> {
        let known = self.known();
        let at = known.as_ref().filter(|(at, _)| *at == fresh);
        at.map(|(_, marks)| marks.clone())
    }

    /// They were read in this state of the file; `None` where it is not known which one it is.
    pub(super) fn learn(&self, fresh: Option<Freshness>, marks: &Watermarks) {
        *self.known() = fresh.map(|fresh| (fresh, marks.clone()));
    }
}
