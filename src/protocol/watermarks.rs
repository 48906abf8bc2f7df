//! The version vector: per node the greatest timestamp that a side has fully taken in.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hlc::{Hlc, NodeId, wins};

/// One timestamp per node. A node without an entry has not been seen at all.
///
/// A clone shares the entries until one of the two changes; empty ones have none to share.
#[derive(Debug, Clone, Default)]
pub struct Watermarks(Option<Arc<Entries>>);

type Entries = BTreeMap<NodeId, Hlc>;

impl Watermarks {
    fn entries(&self) -> &Entries {
        static NONE: Entries = BTreeMap::new();
        self.0.as_deref().unwrap_or(&NONE)
    }

    fn entries_mut(&mut self) -> &mut Entries {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    /// The entry of `node`.
    pub fn get(&self, node: &NodeId) -> Option<&Hlc> {
        self.entries().get(node)
    }

    /// Whether `hlc` is not newer than its node's entry.
    pub fn covers(&self, hlc: &Hlc) -> bool {
        self.get(&hlc.node_id).is_some_and(|seen| hlc <= seen)
    }

    /// Whether everything in `other` is covered.
    pub fn covers_all(&self, other: &Self) -> bool {
        let covers = |(node, hlc)| self.get(node).is_some_and(|seen| hlc <= seen);
        other.iter().all(covers)
    }

    /// Moves the entry of `hlc`'s node up to `hlc`, never down.
    pub fn advance(&mut self, hlc: &Hlc) {
        if !self.covers(hlc) {
            self.set(hlc.node_id.clone(), Some(hlc.clone()));
        }
    }

    /// Takes the greater entry of each node.
    pub fn merge(&mut self, other: &Self) {
        if self.is_empty() {
            self.clone_from(other);
            return;
        }
        for (node, hlc) in other.iter() {
            if self.get(node).is_none_or(|seen| seen < hlc) {
                self.set(node.clone(), Some(hlc.clone()));
            }
        }
    }

    /// Puts `hlc`, or nothing, under `node`, whatever stood there.
    pub fn set(&mut self, node: NodeId, hlc: Option<Hlc>) {
        match hlc {
            Some(hlc) => self.entries_mut().insert(node, hlc),
            None => self.entries_mut().remove(&node),
        };
    }

    /// Moves the entry of `hlc`'s node down to before `hlc`, never up.
    pub fn lower_below(&mut self, hlc: &Hlc) {
        if self.covers(hlc) {
            self.set(hlc.node_id.clone(), hlc.before());
        }
    }

    /// Moves each entry down to that of `other`, never up.
    pub fn lower_to(&mut self, other: &Self) {
        let lower = |(node, hlc): (&NodeId, &Hlc)| {
            let least = other.get(node).min(Some(hlc))?;
            Some((node.clone(), least.clone()))
        };
        *self = self.iter().filter_map(lower).collect();
    }

    /// The entries, in the order of nodes.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &Hlc)> {
        self.entries().iter()
    }

    /// How many nodes have an entry.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether no node has an entry.
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }
}

impl PartialEq for Watermarks {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}

impl Eq for Watermarks {}

impl From<Entries> for Watermarks {
    fn from(entries: Entries) -> Self {
        Self(Some(Arc::new(entries)))
    }
}

impl Serialize for Watermarks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Watermarks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Entries::deserialize(deserializer).map(Self::from)
    }
}

impl FromIterator<(NodeId, Hlc)> for Watermarks {
    fn from_iter<I: IntoIterator<Item = (NodeId, Hlc)>>(entries: I) -> Self {
        Self::from(entries.into_iter().collect::<Entries>())
    }
}

/// Per node, in their order, the index of the greatest of these timestamps, the first of equal ones.
///
/// # Errors
/// The index of the first that is none.
pub fn newest_of_nodes(stamps: impl IntoIterator<Item = Option<Hlc>>) -> Result<Vec<u32>, u32> {
    let mut newest: BTreeMap<NodeId, (u32, Hlc)> = BTreeMap::new();
    for (index, stamp) in (0u32..).zip(stamps) {
        let hlc = stamp.ok_or(index)?;
        let stands = newest.get(&hlc.node_id).map(|(_, stands)| stands);
        if wins(&hlc, stands) {
            newest.insert(hlc.node_id.clone(), (index, hlc));
        }
    }
    Ok(newest.into_values().map(|(index, _)| index).collect())
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
    fn an_entry_that_is_lowered_covers_what_is_before_and_nothing_else() {
        let mut marks = Watermarks::default();
        marks.advance(&at(5, "a"));
        marks.lower_below(&at(7, "a"));
        assert!(marks.covers(&at(5, "a")));
        marks.lower_below(&at(3, "a"));
        assert!(!marks.covers(&at(3, "a")) && marks.covers(&Hlc::new(2, 99, Text::from("a"))));
        marks.lower_below(&Hlc::new(0, 0, Text::from("a")));
        assert_eq!(marks.get(&Text::from("a")), None);
    }

    #[test]
    fn an_unknown_node_has_seen_nothing() {
        assert!(!Watermarks::default().covers(&Hlc::zero()));
    }
}
