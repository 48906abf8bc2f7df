//! How long a peer may take.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::Client;
use super::fault::{Failure, late};
use crate::error::Result;

impl Client {
    /// `work`, unless it takes too long as a whole.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(patience) = self.options.timeout else {
            return work.await;
        };
        let done = timeout(patience, work).await;
        done.unwrap_or_else(|_| Err(self.too_late(patience)))
    }

    /// `work`, unless nothing moves for too long.
    pub(super) async fn while_moving<T>(
        &self,
        progress: &Progress,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(patience) = self.options.timeout else {
            return work.await;
        };
        let mut work = pin!(work);
        loop {
            let end = later(progress.last(), patience);
            tokio::select! {
                done = &mut work => return done,
                () = sleep_until(end) => {
                    if later(progress.last(), patience) <= end {
                        return Err(self.too_late(patience));
                    }
                }
            }
        }
    }

    fn too_late(&self, patience: Duration) -> Failure {
        let what = format!("did not answer within {} ms", patience.as_millis());
        late(&self.options.base_url, &what)
    }
}

/// No clock goes further than some centuries.
fn later(moment: Instant, patience: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    moment + patience.min(CENTURY)
}

/// When something last moved.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn made(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
