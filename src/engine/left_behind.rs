//! What an answering side keeps from one request to the next.

use crate::protocol::delta::Backlog;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::named::Named;
use super::outbound::Unordered;

/// What requests leave for those that follow.
pub(super) struct LeftBehind<B> {
    /// What a scan found; the first one who needs it takes it away, and brings it back unless something came in since.
    pub(super) backlog: Backlog<Text>,
    /// Counts how often that was.
    pub(super) forgotten: u64,
    /// Per node a timestamp up to which everything was there already. It spares a second reading.
    pub(super) there: Watermarks,
    /// What the log named already: a caller asks every few seconds.
    pub(super) named: Named,
    /// What the stores hold without a valid timestamp.
    pub(super) unordered: Unordered<B>,
    /// When they were last asked for it.
    pub(super) looked_at_ms: Option<u64>,
    /// When the logs were last held against the tables for a caller.
    pub(super) verified_ms: Option<u64>,
}

impl<B> Default for LeftBehind<B> {
    fn default() -> Self {
        Self {
            backlog: Backlog::default(),
            forgotten: 0,
            there: Watermarks::default(),
            named: Named::default(),
            unordered: Unordered::default(),
            looked_at_ms: None,
            verified_ms: None,
        }
    }
}
