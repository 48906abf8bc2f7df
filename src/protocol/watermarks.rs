//! The version vector: per node the greatest timestamp that a side has fully taken in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hlc::{Hlc, NodeId};

/// One timestamp per node. A node without an entry has not been seen at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watermarks(BTreeMap<NodeId, Hlc>);

impl Watermarks {
    /// The entry of `node`.
    pub fn get(&self, node: &NodeId) -> Option<&Hlc> {
        self.0.get(node)
    }

    /// Whether `hlc` is not newer than its node's entry.
    pub fn covers(&self, hlc: &Hlc) -> bool {
        self.0.get(&hlc.node_id).is_some_and(|seen| hlc <= seen)
    }

    /// Whether everything in `other` is covered.
    pub fn covers_all(&self, other: &Self) -> bool {
        other
            .iter()
            .all(|(node, hlc)| self.0.get(node).is_some_and(|seen| hlc <= seen))
    }

    /// Moves the entry of `hlc`'s node up to `hlc`, never down.
    pub fn advance(&mut self, hlc: &Hlc) {
        match self.0.get_mut(&hlc.node_id) {
            Some(seen) if *seen >= *hlc => {}
            Some(seen) => *seen = hlc.clone(),
            None => {
                self.0.insert(hlc.node_id.clone(), hlc.clone());
            }
        }
    }

    /// Takes the greater entry of each node.
    pub fn merge(&mut self, other: &Self) {
        for (node, hlc) in other.iter() {
            match self.0.get(node) {
                Some(seen) if seen >= hlc => {}
                _ => self.set(node.clone(), Some(hlc.clone())),
            }
        }
    }

    /// Puts `hlc`, or nothing, under `node`, whatever stood there.
    pub fn set(&mut self, node: NodeId, hlc: Option<Hlc>) {
        match hlc {
            Some(hlc) => self.0.insert(node, hlc),
            None => self.0.remove(&node),
        };
    }

    /// The entries, in the order of nodes.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &Hlc)> {
        self.0.iter()
    }

    /// How many nodes have an entry.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no node has an entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(NodeId, Hlc)> for Watermarks {
    fn from_iter<I: IntoIterator<Item = (NodeId, Hlc)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::text::Text;

    fn at(wall: u64, node: &str) -> Hlc {
        Hlc::new(wall, 0, Text::from(node))
    }

    #[test]
    fn an_entry_never_moves_down() {
        let mut marks = Watermarks::default();
        marks.advance(&at(2, "a"));
        marks.advance(&at(1, "a"));
        assert_eq!(marks.get(&Text::from("a")), Some(&at(2, "a")));
    }

    #[test]
    fn merging_takes_the_greater_of_each_node() {
        let mut left: Watermarks = [("a", 1), ("b", 9)]
            .map(|(n, w)| (Text::from(n), at(w, n)))
            .into_iter()
            .collect();
        let right: Watermarks = [("a", 5), ("b", 2), ("c", 3)]
            .map(|(n, w)| (Text::from(n), at(w, n)))
            .into_iter()
            .collect();
        left.merge(&right);
        assert!(left.covers(&at(5, "a")) && left.covers(&at(9, "b")) && left.covers(&at(3, "c")));
        assert!(left.covers_all(&right) && !right.covers_all(&left));
    }

    #[test]
    fn an_unknown_node_has_seen_nothing() {
        assert!(!Watermarks::default().covers(&Hlc::zero()));
    }
}
