//! The way in and the way out of a store.
//!
//! Whoever works in a store holds a [`Pass`]. Closing refuses new passes at once and waits for the ones
//! that are out, so nothing runs in a store that says it is closed, and no call that is inside is kept
//! waiting by the one that closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::error::{Error, ErrorKind, Result};

/// Held while something runs in the store.
pub(super) type Pass = OwnedRwLockReadGuard<()>;

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Gate {
    closed: AtomicBool,
    inside: Arc<RwLock<()>>,
}

impl Gate {
    /// An open gate.
    pub(super) fn new() -> Self {
        Self {
            closed: AtomicBool::new(false),
            inside: Arc::default(),
        }
    }

    /// Lets one more in, unless the gate is closed.
    pub(super) fn enter(&self, operation: &'static str) -> Result<Pass> {
        if !self.closed.load(Ordering::Acquire)
            && let Ok(pass) = Arc::clone(&self.inside).try_read_owned()
        {
            return Ok(pass);
        }
        Err(closed(operation))
    }

    /// Refuses new passes and returns when all are given back.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        drop(self.inside.write().await);
    }
}

/// What a closed store says.
pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Closed,
        operation,
        "the store was closed; create it again to go on using it",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn closing_waits_for_who_is_inside_and_refuses_who_comes_after() {
        let gate = Arc::new(Gate::new());
        let pass = gate.enter("work").unwrap();
        let closing = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.close().await }
        });
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        assert_eq!(gate.enter("work").unwrap_err().kind(), ErrorKind::Closed);
        drop(pass);
        closing.await.unwrap();
        gate.close().await;
    }
}
