//! Work that may take as long as it likes while something moves.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When something last moved.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<Instant>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Progress {
    /// Something moves.
    pub fn made(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcome of `work`; `None` if nothing moves for longer than `patience`.
    pub async fn wait<T>(
        &self,
        patience: Duration,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        loop {
            let end = later(self.last(), patience);
            tokio::select! {
                done = &mut work => return Some(done),
                () = sleep_until(end) => {
                    if later(self.last(), patience) <= end {
                        return None;
                    }
                }
            }
        }
    }
}

/// No clock goes further than some centuries.
fn later(moment: Instant, patience: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    moment + patience.min(CENTURY)
}
