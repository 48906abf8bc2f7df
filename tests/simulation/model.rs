//! The rules of the exchange over plain sets, apart from the implementation.
//!
//! A place holds versions, one of each item. Everything else follows: the greatest version of an item is
//! its winner, a winner is lost where no place holds it any more, and a page is the smallest unseen
//! versions up to a limit, where versions with one and the same timestamp are not parted.

use std::collections::BTreeMap;
use std::fmt;

use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::text::Text;

/// A table, or the shared records, and an id.
pub type Key = (String, String);

/// The versions that a place holds.
pub type Held = BTreeMap<Key, Version>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub hlc: Hlc,
    pub blob: Option<Text>,
    pub deleted: bool,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deleted = if self.deleted { ", deleted" } else { "" };
        write!(f, "{}, object {:?}{deleted}", self.hlc, self.blob)
    }
}

/// What was written anywhere and has to be everywhere in the end.
#[derive(Debug, Default)]
pub struct Model {
    winners: Held,
}

impl Model {
    pub fn write(&mut self, key: Key, version: Version) {
        let winner = self.winners.entry(key).or_insert_with(|| version.clone());
        if *winner < version {
            *winner = version;
        }
    }

    /// Winners that no place holds.
    pub fn lost(&self, places: &[Held]) -> Held {
        let holds = |held: &Held, key, version| held.get(key) == Some(version);
        let is_lost = |key, version| !places.iter().any(|held| holds(held, key, version));
        let lost = self.winners.iter().filter(|(k, v)| is_lost(k, v));
        lost.map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Winners that `held` lacks.
    pub fn missing_at(&self, held: &Held) -> Held {
        let lacking = self.winners.iter().filter(|(k, v)| held.get(*k) != Some(v));
        lacking.map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    pub fn is_winner(&self, key: &Key, version: &Version) -> bool {
        self.winners.get(key) == Some(version)
    }

    pub fn len(&self) -> usize {
        self.winners.len()
    }
}

/// Whether what was seen says that `hlc` was.
pub fn is_seen(seen: &BTreeMap<Text, Hlc>, hlc: &Hlc) -> bool {
    seen.get(&hlc.node_id).is_some_and(|mark| hlc <= mark)
}

/// The page for who has seen so much, and whether anything is left out of it.
pub fn page(held: &Held, seen: &BTreeMap<Text, Hlc>, limit: usize) -> (Vec<Hlc>, bool) {
    let unseen = held.values().filter(|version| !is_seen(seen, &version.hlc));
    let mut unseen: Vec<Hlc> = unseen.map(|version| version.hlc.clone()).collect();
    unseen.sort();
    let parts_a_tie = |len: usize| len > 0 && unseen.get(len) == unseen.get(len - 1);
    let mut len = limit.max(1).min(unseen.len());
    while len < unseen.len() && len > 0 && parts_a_tie(len) {
        len -= 1;
    }
    if len == 0 && !unseen.is_empty() {
        len = unseen.iter().take_while(|hlc| **hlc == unseen[0]).count();
    }
    let more = len < unseen.len();
    unseen.truncate(len);
    (unseen, more)
}

/// Whether any of these is of the same node and not earlier.
pub fn has_later<'a>(mut hlcs: impl Iterator<Item = &'a Hlc>, than: &Hlc) -> bool {
    hlcs.any(|hlc| hlc.node_id == than.node_id && hlc >= than)
}

/// The nodes of which `held` ends before `floors`.
pub fn behind(held: &Held, floors: &BTreeMap<Text, Hlc>) -> Vec<Text> {
    let reaches = |floor: &Hlc| has_later(held.values().map(|version| &version.hlc), floor);
    let behind = floors.values().filter(|floor| !reaches(floor));
    behind.map(|floor| floor.node_id.clone()).collect()
}

/// Whether `sent` is, node by node, the beginning of `unseen`; both are in order.
pub fn leaves_no_gap(sent: &[Hlc], unseen: &[Hlc]) -> bool {
    let of_node = |all: &[Hlc], node: &Text| -> Vec<Hlc> {
        let own = all.iter().filter(|hlc| hlc.node_id == *node);
        own.cloned().collect()
    };
    let is_whole = |node| {
        let (sent, unseen) = (of_node(sent, node), of_node(unseen, node));
        unseen.starts_with(&sent) && sent.last() != unseen.get(sent.len())
    };
    sent.iter().all(|hlc| is_whole(&hlc.node_id))
}

/// The smaller held version of one item is no reason to miss the greater: whether `held` has this or newer.
pub fn has(held: &Held, key: &Key, version: &Version) -> bool {
    held.get(key).is_some_and(|own| own.hlc >= version.hlc)
}
