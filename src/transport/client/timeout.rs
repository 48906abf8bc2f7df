//! How long a peer may take.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::Client;
use super::fault::{Failure, late};
use crate::error::Result;
pub(super) use crate::moving::Progress;

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
        let done = progress.wait(patience, pin!(work)).await;
        done.unwrap_or_else(|| Err(self.too_late(patience)))
    }

    fn too_late(&self, patience: Duration) -> Failure {
        let what = format!("did not answer within {} ms", patience.as_millis());
        late(&self.options.base_url, &what)
    }
}
