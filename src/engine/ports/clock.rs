//! The clocks that a round goes by.

use crate::error::Result;
use crate::protocol::hlc::Hlc;

/// The app's hybrid logical clock, and the system's.
pub trait Clock {
    /// Hears of a remote timestamp.
    async fn receive(&self, remote: &Hlc) -> Result<()>;
    /// What the clock would stamp now, if it says for whom. It may be given for it.
    async fn next(&self) -> Result<Option<Hlc>> {
        Ok(None)
    }
    /// Milliseconds since the epoch, as the app sees the system's clock.
    fn app_ms(&self) -> u64;
    /// Milliseconds since the epoch, by the system's clock itself.
    fn system_ms(&self) -> u64;
}
