//! How many node ids a side takes items of.
//!
//! A node id is for ever: every version vector names each of them, so that one peer which makes them up makes the
//! requests of all others larger, and nothing can take them back. What is beyond the bound is refused item by item; of
//! nodes that are known already everything is taken in.

use std::collections::HashSet;

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

/// The node ids that were met.
#[derive(Debug, Default)]
pub struct NodeIds {
    met: HashSet<NodeId>,
    /// How many of them the stores were not asked about.
    unasked: usize,
}

impl NodeIds {
    /// Those of the `nodes` that are too many. A side whose stores cannot say what they hold takes items of all.
    pub(super) async fn too_many<'a, S: Side>(
        &mut self,
        side: &S,
        nodes: impl Iterator<Item = &'a NodeId>,
    ) -> HashSet<NodeId> {
        let mut refused = HashSet::new();
        let fresh: HashSet<NodeId> = nodes
            .filter(|node| !self.met.contains(*node))
            .cloned()
            .collect();
        if fresh.is_empty() {
            return refused;
        }
        self.unasked += fresh.len();
        if self.unasked < UNASKED {
            self.met.extend(fresh);
            return refused;
        }
        let held = Box::pin(coverage(side)).await.unwrap_or_else(|error| {
            let message = "getNodeWatermarks failed; the nodes of a page were not counted";
            side.log().warn(message, Some(&error));
            None
        });
        let Some(held) = held else {
            return refused;
        };
        self.met = held.iter().map(|(node, _)| node.clone()).collect();
        self.unasked = 0;
        let mut units: usize = self.met.iter().map(|node| node.units().len()).sum();
        for node in fresh {
            let length = node.units().len();
            if self.met.contains(&node) {
                continue;
            }
            if self.met.len() < MOST && units + length <= MOST_UNITS {
                units += length;
                self.met.insert(node);
            } else {
                refused.insert(node);
            }
        }
        refused
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
