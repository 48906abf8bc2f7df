//! Versions of records that lose at the peer, because a newer one is there.
//!
//! That is no refusal. Such a version is not sent again by the next sweep: it would lose again, and each round would
//! count it as work. But the peer may lose the newer version meanwhile. So what was left out counts as perhaps lacking
//! until a newer version is found again, and where none is, it is sent after all.

use std::collections::HashMap;

use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::message::Refusal;
use crate::protocol::text::Text;

/// The newest version of each record, by id.
type Versions = HashMap<Text, Hlc>;

/// What a sweep knows of them.
#[derive(Debug, Default)]
pub(super) struct Superseded {
    /// Newer versions that came in and could not be stored, or that the peer says it has.
    newer: Versions,
    /// The same as the sweep before found it out.
    newer_before: Versions,
    /// The versions that were left out for that.
    left_out: Versions,
}

impl Superseded {
    /// What the next sweep begins with.
    pub fn after(self) -> Self {
        Self {
            newer_before: self.newer,
            ..Self::default()
        }
    }

    /// Newer versions came in and could not be stored.
    pub fn note_not_stored(&mut self, versions: impl Iterator<Item = (Text, Hlc)>) {
        self.newer.extend(versions);
    }

    /// The peer has this version of an item, which it cannot send.
    pub fn note_at_peer(&mut self, refusal: &Refusal) {
        if let (ItemKind::Record(id), Some(hlc)) = (&refusal.kind, &refusal.hlc) {
            self.newer.insert(id.clone(), hlc.clone());
        }
    }

    /// The item was left out, because the sweep before [found](Self::was_known) it superseded.
    pub fn note_left_out<B>(&mut self, item: &Item<B>) {
        if let Some(id) = item.kind.record_id() {
            self.left_out.insert(id.clone(), item.hlc.clone());
        }
    }

    /// What is known now counts like what the sweep before found out.
    pub fn keep(&mut self) {
        let newer = self.newer.iter();
        let newer = newer.map(|(id, hlc)| (id.clone(), hlc.clone()));
        self.newer_before.extend(newer);
    }

    /// Whether a newer version of this record came in, stored or not, or is known to be at the peer.
    pub fn is_known<B>(&self, item: &Item<B>) -> bool {
        has_newer(&self.newer, item)
    }

    /// Whether the sweep before found that out.
    pub fn was_known<B>(&self, item: &Item<B>) -> bool {
        has_newer(&self.newer_before, item)
    }

    /// The timestamps of what was left out, and was not found to be superseded in this sweep too.
    pub fn perhaps_lacking(&self) -> impl Iterator<Item = &Hlc> {
        let newer = |id: &Text| self.newer.get(id);
        let left_out = self.left_out.iter();
        left_out
            .filter_map(move |(id, hlc)| newer(id).is_none_or(|newer| newer <= hlc).then_some(hlc))
    }
}

fn has_newer<B>(newer: &Versions, item: &Item<B>) -> bool {
    let id = item.kind.record_id();
    id.and_then(|id| newer.get(id))
        .is_some_and(|newer| *newer > item.hlc)
}
