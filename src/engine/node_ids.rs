//! How many node ids a side takes items of.
//!
//! A node id is for ever: every version vector names each of them, so that one peer which makes them up makes the
//! requests of all others larger, and nothing can take them back. What is beyond the bound is refused item by item; of
//! nodes that are known already everything is taken in.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind};
use crate::protocol::hlc::NodeId;

use super::outbound::coverage;
use super::ports::{Log, Side};

/// The most node ids that a side learns of, and their length together in UTF-16 code units.
const MOST: usize = 16_384;
const MOST_UNITS: usize = 1024 * 1024;

/// After this number of nodes that were not met before, the stores are asked which nodes they hold: those of a household
/// are taken in without a question.
const UNASKED: usize = 16;

/// The node ids that were met, which requests that run beside each other may look up.
#[derive(Debug, Default)]
pub struct NodeIds(Mutex<NodesMet>);

#[derive(Debug, Default)]
struct NodesMet {
    met: HashSet<NodeId>,
    /// How many of them the stores were not asked about.
    unasked: usize,
}

impl NodeIds {
    /// Those of the `nodes` that are too many. A side whose stores cannot say what they hold takes items of all.
    pub(super) async fn too_many<'a, S: Side>(
        &self,
        side: &S,
        nodes: impl Iterator<Item = &'a NodeId>,
    ) -> HashSet<NodeId> {
        let mut refused = HashSet::new();
        let fresh = {
            let mut known = self.known();
            let fresh = known.fresh(nodes);
            if fresh.is_empty() {
                return refused;
            }
            known.unasked += fresh.len();
            if known.unasked < UNASKED {
                known.met.extend(fresh);
                return refused;
            }
            fresh
        };
        let held = Box::pin(coverage(side)).await.unwrap_or_else(|error| {
            let message = "getNodeWatermarks failed; the nodes of a page were not counted";
            side.log().warn(message, Some(&error));
            None
        });
        let Some(held) = held else {
            return refused;
        };
        let mut known = self.known();
        known.met = held.iter().map(|(node, _)| node.clone()).collect();
        known.unasked = 0;
        let mut units: usize = known.met.iter().map(|node| node.units().len()).sum();
        for node in fresh {
            let length = node.units().len();
            if known.met.contains(&node) {
                continue;
            }
            if known.met.len() < MOST && units + length <= MOST_UNITS {
                units += length;
                known.met.insert(node);
            } else {
                refused.insert(node);
            }
        }
        refused
    }

    /// Whether the stores have to be asked which nodes they hold before these are taken in. What is found is exact only if
    /// nothing else is taken in meanwhile.
    pub(super) fn has_to_ask<'a>(&self, nodes: impl Iterator<Item = &'a NodeId>) -> bool {
        let known = self.known();
        let fresh = known.fresh(nodes).len();
        fresh > 0 && known.unasked + fresh >= UNASKED
    }

    fn known(&self) -> MutexGuard<'_, NodesMet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodesMet {
    /// Those that were not met.
    fn fresh<'a>(&self, nodes: impl Iterator<Item = &'a NodeId>) -> HashSet<NodeId> {
        let fresh = nodes.filter(|node| !self.met.contains(*node));
        fresh.cloned().collect()
    }
}

/// The error of an item of such a node.
pub(super) fn one_too_many(node: &NodeId) -> Error {
    let what = format!(
        "the node {node:?} is one too many: there are {MOST} node ids here, or they have {MOST_UNITS} characters \
         together; a node id must stay what it is for as long as its node lives"
    );
    Error::new(ErrorKind::TooManyNodes, "take in an item", what)
}
