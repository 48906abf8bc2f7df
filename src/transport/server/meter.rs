//! The bytes of one request's bodies, counted while they come and go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::stats::Stats;

/// Counts for all of the server, and for a channel from when one has let the request in.
#[derive(Debug)]
pub(super) struct Meter {
    stats: Arc<Stats>,
    channel: OnceLock<String>,
    came: AtomicU64,
}

impl Meter {
    /// Of one request.
    pub(super) fn new(stats: Arc<Stats>) -> Arc<Self> {
        Arc::new(Self {
            stats,
            channel: OnceLock::new(),
            came: AtomicU64::new(0),
        })
    }

    /// The channel of this name has let the request in.
    pub(super) fn enters(&self, channel: &str) {
        if self.stats.shown.is_some() {
            let _ = self.channel.set(channel.to_owned());
        }
    }

    /// The channel that has let it in, if that is of interest.
    pub(super) fn channel(&self) -> Option<&str> {
        self.channel.get().map(String::as_str)
    }

    pub(super) fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// More came.
    pub(super) fn comes(&self, bytes: usize) {
        self.stats.received_bytes.add(bytes);
        self.came.fetch_add(bytes as u64, Ordering::Relaxed);
        self.moved((bytes as u64, 0));
    }

    /// More went.
    pub(super) fn goes(&self, bytes: usize) {
        self.stats.sent_bytes.add(bytes);
        self.moved((0, bytes as u64));
    }

    /// How much has come.
    pub(super) fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }

    fn moved(&self, bytes: (u64, u64)) {
        if let (Some(shown), Some(channel)) = (&self.stats.shown, self.channel()) {
            shown.moved(channel, bytes);
        }
    }
}
