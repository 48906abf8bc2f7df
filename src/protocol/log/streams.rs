//! What a store holds, stream by stream.

use super::digest::{Digest, entry_hash};
use super::digests::Digests;

/// The streams of a store, each with what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streams {
    each: Vec<(String, Digests)>,
    names: Digest,
    whole: Digests,
    has_purged: bool,
    lacks_deleted: bool,
}

impl Streams {
    /// The names, each with what its stream holds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.each
            .iter()
            .map(|(name, counted)| (name.as_str(), counted.all))
    }

    /// The same, with what of it is deleted.
    pub fn counted(&self) -> impl Iterator<Item = (&str, Digests)> {
        self.each
            .iter()
            .map(|(name, counted)| (name.as_str(), *counted))
    }

    /// What all of them hold together.
    pub fn whole(&self) -> Digests {
        self.whole
    }

    /// Whether tombstones of the store were ever removed for good.
    pub fn has_purged(&self) -> bool {
        self.has_purged
    }

    /// The same, of a store of which that is so or not.
    #[must_use]
    pub fn purged(self, has_purged: bool) -> Self {
        Self { has_purged, ..self }
    }

    /// Whether it is counted what of them is deleted. Of a store that does not, nothing is said of what is alive.
    pub fn counts_deleted(&self) -> bool {
        !self.lacks_deleted
    }

    /// The streams of a store that does not count what of them is deleted.
    pub fn without_deleted(all: impl Iterator<Item = (String, Digest)>) -> Self {
        let counted = all.map(|(name, all)| {
            let deleted = Digest::default();
            (name, Digests { all, deleted })
        });
        Self {
            lacks_deleted: true,
            ..counted.collect()
        }
    }

    /// Those of them whose names are `shown`.
    #[must_use]
    pub fn only(&self, shown: impl Fn(&str) -> bool) -> Self {
        let some = self.each.iter().filter(|(name, _)| shown(name));
        Self {
            has_purged: self.has_purged,
            lacks_deleted: self.lacks_deleted,
            ..some.cloned().collect()
        }
    }

    /// The digest of the names alone: two stores with equal ones have the same streams.
    pub fn names(&self) -> Digest {
        self.names
    }
}

impl FromIterator<(String, Digests)> for Streams {
    fn from_iter<I: IntoIterator<Item = (String, Digests)>>(streams: I) -> Self {
        let mut all = Self {
            each: streams.into_iter().collect(),
            ..Self::default()
        };
        for (name, counted) in &all.each {
            all.names.add(entry_hash("streams", name, ""));
            all.whole = all.whole.and(*counted);
        }
        all
    }
}
