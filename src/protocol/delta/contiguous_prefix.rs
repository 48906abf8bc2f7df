//! The contiguous prefix: how far a watermark may go.

use std::collections::HashMap;

use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::watermarks::Watermarks;

/// How far each node's items were taken in (or shipped) without a gap.
#[derive(Debug, Default)]
pub struct ContiguousPrefix {
    whole: Vec<Hlc>,
    first_gap: HashMap<NodeId, Hlc>,
}

impl ContiguousPrefix {
    /// Notes one item and whether it was taken in whole. Any order will do.
    pub fn note(&mut self, hlc: &Hlc, whole: bool) {
        if whole {
            self.whole.push(hlc.clone());
        } else {
            self.gap(hlc);
        }
    }

    /// Notes that `hlc` was not taken in.
    pub fn gap(&mut self, hlc: &Hlc) {
        self.first_gap
            .entry(hlc.node_id.clone())
            .and_modify(|first| {
                if hlc < first {
                    *first = hlc.clone();
                }
            })
            .or_insert_with(|| hlc.clone());
    }

    /// Per node the first item that was not taken in.
    pub fn gaps(&self) -> &HashMap<NodeId, Hlc> {
        &self.first_gap
    }

    /// Whether `hlc` comes before its node's first gap.
    pub fn is_before_gap(&self, hlc: &Hlc) -> bool {
        self.first_gap.get(&hlc.node_id).is_none_or(|gap| hlc < gap)
    }

    /// Per node the greatest timestamp before its first gap.
    pub fn unbroken(&self) -> Watermarks {
        let mut reached = Watermarks::default();
        for hlc in &self.whole {
            if self.is_before_gap(hlc) {
                reached.advance(hlc);
            }
        }
        reached
    }
}
