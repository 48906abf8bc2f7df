//! What an answering side keeps from one request to the next.

use crate::protocol::delta::Backlog;
use crate::protocol::item::ItemKind;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::arrival::Arrival;
use super::named::Named;
use super::outbound::Unordered;

/// At most this many nodes are remembered; a hostile caller's are not remembered for ever.
const REMEMBERED: usize = 4096;

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

impl<B> LeftBehind<B> {
    /// Whether the logs may be held against the tables once more, which reads all that is there.
    pub(super) fn may_verify(&mut self, now_ms: u64, after_ms: u64) -> bool {
        let is_due = |at: u64| now_ms < at || now_ms - at >= after_ms;
        let may = self.verified_ms.is_none_or(is_due);
        if may {
            self.verified_ms = Some(now_ms);
        }
        may
    }

    /// What was taken in is there before anything is gathered; what is new of it is returned. A record that is new belongs
    /// among those that a backlog remembers.
    pub(super) fn note_taken_in<T>(&mut self, arrivals: &[Arrival<T>]) -> Vec<ItemKind> {
        let mut taken_in = Vec::new();
        if self.there.len() > REMEMBERED {
            self.there = Watermarks::default();
        }
        for arrival in arrivals.iter().filter(|arrival| arrival.is_here()) {
            self.there.advance(&arrival.item.hlc);
            self.backlog.pass.took_in(&arrival.item.hlc);
            if arrival.is_applied() {
                self.backlog.forget();
                self.forgotten += 1;
                taken_in.push(arrival.item.kind.clone());
            }
        }
        taken_in
    }
}
