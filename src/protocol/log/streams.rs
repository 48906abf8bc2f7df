//! What a store holds, stream by stream.

use super::digest::{Digest, entry_hash};

/// The streams of a store, each with what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streams {
    each: Vec<(String, Digest)>,
    names: Digest,
    whole: Digest,
}

impl Streams {
    /// The names, each with what its stream holds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.each
            .iter()
            .map(|(name, digest)| (name.as_str(), *digest))
    }

    /// What all of them hold together.
    pub fn whole(&self) -> Digest {
        self.whole
    }

    /// The digest of the names alone: two stores with equal ones have the same streams.
    pub fn names(&self) -> Digest {
        self.names
    }
}

impl FromIterator<(String, Digest)> for Streams {
    fn from_iter<I: IntoIterator<Item = (String, Digest)>>(streams: I) -> Self {
        let mut all = Self {
            each: streams.into_iter().collect(),
            ..Self::default()
        };
        for (name, digest) in &all.each {
            all.names.add(entry_hash("streams", name, ""));
            all.whole = all.whole.and(*digest);
        }
        all
    }
}
