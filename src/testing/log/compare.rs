//! Digests of ranges, and what is in them.

use super::{Journal, JournalEntry, Shelf};
use crate::protocol::log::{Digest, Digests, Found, Key, Range, Reply, Span, Stream, split};
use crate::protocol::text::Text;

/// A range with at most this many keys is not split any more.
const LEAF: u64 = 2;

impl Journal {
    fn entries_of(&self, range: &Range) -> Vec<(String, u64)> {
        let mut found: Vec<(String, u64)> = Vec::new();
        for entry in self.entries.values() {
            let id = entry.key.id.to_string();
            let is_in = entry.key.stream.name() == range.stream
                && id >= range.from
                && range.to.as_ref().is_none_or(|to| id < *to);
            found.extend(is_in.then_some((id, entry.version.hash)));
        }
        found.sort();
        found
    }

    pub(in crate::testing) fn digest(&self, range: &Range) -> Digest {
        let mut digest = Digest::default();
        let entries = self.entries_of(range);
        for (_, hash) in &entries {
            digest.add(*hash);
        }
        digest
    }

    pub(super) fn counted(&self, stream: &str) -> Digests {
        let mut counted = Digests::default();
        let of_stream = |entry: &&JournalEntry| entry.key.stream.name() == *stream;
        for entry in self.entries.values().filter(of_stream) {
            counted.add(entry.version.hash, entry.version.is_deleted);
        }
        counted
    }

    pub(in crate::testing) fn versions(
        &self,
        range: &Range,
        on: &impl Shelf,
    ) -> Vec<(Key, String)> {
        let mut versions = Vec::new();
        for (id, _) in self.entries_of(range) {
            let key = Key {
                stream: Stream::named(&range.stream),
                id: Text::from(id.as_str()),
            };
            versions.extend(on.get(&key).map(|item| (key, item.hlc.to_string())));
        }
        versions
    }

    pub(in crate::testing) fn compare(&self, span: &Span, on: &impl Shelf) -> Reply {
        let digest = self.digest(&span.range);
        if digest == span.digest {
            return Reply::Same;
        }
        if digest.count > LEAF {
            return Reply::Parts(split(&span.range, &self.entries_of(&span.range)));
        }
        let versions = self.versions(&span.range, on).into_iter();
        Reply::Keys(
            versions
                .map(|(key, time)| Found(key.id.to_string(), time))
                .collect(),
        )
    }
}
