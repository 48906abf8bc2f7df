//! The peers that are known, and which tombstones go.

use super::super::body::Body;
use super::{Journal, Shelf, keyed};
use crate::engine::change_log::{Heard, Recognized};
use crate::engine::purge::{Kind, NotedPeer, Purge, Purged, Tombstone, find, has_missed};
use crate::protocol::log::Keyed;

impl Journal {
    /// Hears of a peer that is known already.
    pub(in crate::testing) fn recognizes(&mut self, heard: &Heard) -> Option<Recognized> {
        let known = find(self.known.iter_mut(), heard)?;
        known.learn(heard);
        Some(known.known())
    }

    /// Hears of a peer.
    pub(in crate::testing) fn hear_of(&mut self, heard: &Heard) -> Recognized {
        if let Some(known) = self.recognizes(heard) {
            return known;
        }
        let (kind, id) = match &heard.id {
            Some(id) => (Kind::Logged, id.as_str()),
            None => (Kind::Plain, ""),
        };
        let mut known = NotedPeer::new(kind, id, heard.history.head().cloned(), 0);
        known.learn(heard);
        let told = Recognized {
            has_missed: has_missed(heard, self.purged),
            ..known.known()
        };
        self.known.push(known);
        told
    }

    /// Decides which tombstones go; they are still to be removed.
    pub(in crate::testing) fn purge(&mut self, purge: &Purge, on: &impl Shelf) -> Purged {
        let mut purged = Purged::begin(purge, self.known.clone(), 0);
        self.known.retain(|known| !purge.forgets(known, 0));
        let items: Vec<_> = on.keys().iter().filter_map(|key| keyed(on, key)).collect();
        for (seq, entry) in self
            .entries
            .iter()
            .filter(|(_, entry)| entry.version.is_deleted)
        {
            let Some(Keyed { key, item }) = keyed(on, &entry.key) else {
                continue;
            };
            let is_newer = |other: &Keyed<Body>| {
                other.key.stream == key.stream
                    && other.item.hlc.node_id == item.hlc.node_id
                    && other.item.hlc > item.hlc
            };
            let mut waiting = self.waiting.keys();
            let tombstone = Tombstone {
                stream: &key.stream.name(),
                seq: *seq,
                hlc: &item.hlc,
                waits: waiting.any(|(_, _, waits)| *waits == key),
                is_newest: !items.iter().any(is_newer),
                is_referenced: false,
            };
            if purged.lets_go(purge, tombstone) {
                self.purged = *seq;
                purged.removed.push((key, item.hlc));
            }
        }
        purged
    }
}
