//! What one side asks a store for.

use std::collections::HashSet;

use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::watermarks::Watermarks;

/// What one side asks a store for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// What is newer than this is unseen.
    pub seen: Watermarks,
    /// Nodes whose items stay out, seen or not.
    pub skip: HashSet<NodeId>,
    /// If given, what is newer than this stays out: it was written while the stores were being read.
    pub upto: Option<Watermarks>,
    /// At most this many items.
    pub limit: usize,
}

/// Where an item stands to an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It belongs in the answer, if there is room.
    Wanted,
    /// It was written too late for this answer.
    TooLate,
    /// It was seen, or its node stays out.
    Unwanted,
}

impl Ask {
    /// Where an item with this timestamp stands.
    pub fn standing(&self, hlc: &Hlc) -> Standing {
        if !self.is_unseen(hlc) {
            Standing::Unwanted
        } else if self.upto.as_ref().is_none_or(|upto| upto.covers(hlc)) {
            Standing::Wanted
        } else {
            Standing::TooLate
        }
    }

    /// Whether an item with this timestamp is to be read as a whole: it is wanted, and does not lie behind the
    /// `horizon` of a scan. `None` if it was seen, or its node stays out.
    pub fn place_of(&self, hlc: &Hlc, horizon: Option<&Hlc>) -> Option<bool> {
        match self.standing(hlc) {
            Standing::Unwanted => None,
            Standing::TooLate => Some(false),
            Standing::Wanted => Some(horizon.is_none_or(|horizon| hlc <= horizon)),
        }
    }

    /// Whether an item with this timestamp belongs in the answer, if there is room.
    pub fn wants(&self, hlc: &Hlc) -> bool {
        self.standing(hlc) == Standing::Wanted
    }

    fn is_unseen(&self, hlc: &Hlc) -> bool {
        !self.seen.covers(hlc) && (self.skip.is_empty() || !self.skip.contains(&hlc.node_id))
    }

    /// The nodes that a store with this `coverage` holds something wanted of.
    pub fn ahead<'a>(&'a self, coverage: &'a Watermarks) -> impl Iterator<Item = &'a NodeId> {
        coverage
            .iter()
            .filter(|(_, hlc)| self.is_unseen(hlc))
            .map(|(node, _)| node)
    }

    /// Whether a store with this `coverage` holds anything wanted.
    pub fn is_behind(&self, coverage: &Watermarks) -> bool {
        self.ahead(coverage).next().is_some()
    }

    /// Where a scan in timestamp order may begin without missing anything wanted: at the smallest entry
    /// of the nodes that `coverage` shows ahead, or at zero if one of them has no entry.
    pub fn scan_floor(&self, coverage: &Watermarks) -> Hlc {
        self.ahead(coverage)
            .map(|node| self.seen.get(node).cloned().unwrap_or_else(Hlc::zero))
            .min()
            .unwrap_or_else(Hlc::zero)
    }
}
