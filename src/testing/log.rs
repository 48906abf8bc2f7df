//! A change log in memory, after the rules of [`protocol::log`](crate::protocol::log).
//!
//! It lies in one "file" with the items that it speaks of: a [`Journal`] is what of it a snapshot has, and opening
//! the file begins a stretch of its history. Ranges are split while they are still small, so that a handful of items
//! has ranges within ranges.

mod compare;
mod purge;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::body::Body;
use crate::engine::change_log::{Advance, After, Look, Note, Others, View, Waiting};
use crate::engine::held::Direction;
use crate::engine::purge::NotedPeer;
use crate::protocol::hlc::{Hlc, wins};
use crate::protocol::item::Item;
use crate::protocol::log::{
    Cursor, Generation, History, Key, Keyed, Stream, Streams, canonical_body, entry_hash,
};

#[derive(Debug, Clone)]
struct JournalEntry {
    key: Key,
    version: Version,
    origin: Option<Cursor>,
}

/// A hash, and whether it is of a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    hash: u64,
    is_deleted: bool,
}

#[derive(Debug, Clone)]
struct Other {
    seq: u64,
    moved: u64,
}

/// What a file holds of its log.
#[derive(Debug, Clone)]
pub struct Journal {
    id: String,
    last: u64,
    /// Counts what is noted, as a clock would.
    noted: u64,
    entries: BTreeMap<u64, JournalEntry>,
    numbers: HashMap<Key, u64>,
    others: HashMap<Generation, Other>,
    generations: Vec<(u64, Generation)>,
    waiting: BTreeMap<(String, bool, Key), Waiting>,
    known: Vec<NotedPeer>,
    purged: u64,
}

fn fresh_name(kind: char) -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    format!("{kind}{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

impl Default for Journal {
    fn default() -> Self {
        let mut journal = Self {
            id: fresh_name('l'),
            last: 0,
            noted: 0,
            entries: BTreeMap::new(),
            numbers: HashMap::new(),
            others: HashMap::new(),
            generations: Vec::new(),
            waiting: BTreeMap::new(),
            known: Vec::new(),
            purged: 0,
        };
        journal.open();
        journal
    }
}

/// The items that a log speaks of.
pub(super) trait Shelf {
    /// The names of the streams.
    fn streams(&self) -> Vec<Stream>;
    /// The item under a key.
    fn get(&self, key: &Key) -> Option<Item<Body>>;
    /// All of them.
    fn keys(&self) -> Vec<Key>;
}

impl Journal {
    /// The file is opened: what is written from now on belongs to a stretch of its own.
    pub fn open(&mut self) {
        let last = self.last;
        self.generations.retain(|(first, _)| *first <= last);
        let generation = Generation::new(&fresh_name('g'));
        self.generations
            .extend(generation.map(|generation| (last + 1, generation)));
    }

    /// A version is stored now.
    pub(super) fn note_version(&mut self, key: Key, item: &Item<Body>, origin: Option<Cursor>) {
        self.forget(&key);
        if let Some(origin) = &origin {
            let unknown = Other { seq: 0, moved: 0 };
            let other = self.others.entry(origin.generation.clone());
            other.or_insert(unknown);
        }
        self.last += 1;
        let version = version_of(&key, item);
        self.numbers.insert(key.clone(), self.last);
        self.entries.insert(
            self.last,
            JournalEntry {
                key,
                version,
                origin,
            },
        );
    }

    /// What the app writes: a statement that leaves the time of an item as it was is not noted.
    pub(super) fn note_written(&mut self, key: Key, item: &Item<Body>, before: Option<&Hlc>) {
        if before != Some(&item.hlc) {
            self.note_version(key, item, None);
        }
    }

    /// An item is not there any more.
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(seq) = self.numbers.remove(key) {
            self.entries.remove(&seq);
        }
    }

    fn history(&self) -> History {
        let mut stretches = Vec::new();
        let mut last = self.last;
        for (first, generation) in self.generations.iter().rev() {
            if *first <= last {
                let generation = generation.clone();
                stretches.push(Cursor {
                    generation,
                    seq: last,
                });
                last = first.saturating_sub(1);
            }
        }
        History(stretches)
    }

    /// A number that is another one if anything else is in the log, but for what waits.
    pub(super) fn version(&self, streams: &[Stream]) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.id, self.last, self.purged, &self.generations).hash(&mut hasher);
        for stream in streams {
            stream.name().hash(&mut hasher);
        }
        for (seq, entry) in &self.entries {
            (seq, entry.version.hash, &entry.origin).hash(&mut hasher);
        }
        let mut others: Vec<_> = self.others.iter().collect();
        others.sort_by_key(|(generation, _)| *generation);
        for (generation, other) in others {
            (generation, other.seq).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn others(&self, asked: &Others) -> Vec<Cursor> {
        let cursor = |(generation, other): (&Generation, &Other)| Cursor {
            generation: generation.clone(),
            seq: other.seq,
        };
        match asked {
            Others::Latest(most) => {
                let others = self.others.iter();
                let mut latest: Vec<_> = others.filter(|(_, other)| other.seq > 0).collect();
                latest.sort_by_key(|(_, other)| std::cmp::Reverse(other.moved));
                latest.into_iter().take(*most).map(cursor).collect()
            }
            Others::Of(generations) => {
                let of = |generation| self.others.get_key_value(generation).map(cursor);
                generations.iter().filter_map(of).collect()
            }
        }
    }

    pub(super) fn look(&self, look: &Look, on: &impl Shelf) -> View<Body> {
        let mut history = self.history();
        let after = match &look.after {
            After::Seq(seq) => (*seq).min(self.last),
            After::Common(cursors) => history.common(cursors).unwrap_or_default(),
        };
        let (mut items, mut upto, mut more, mut count) = (Vec::new(), self.last, false, 0);
        let mut reached = after;
        for (seq, entry) in self.entries.range(after + 1..) {
            if !entry.origin.as_ref().is_some_and(|o| look.skip.has(o)) {
                if count == look.limit {
                    (more, upto) = (true, reached);
                    break;
                }
                count += 1;
                items.extend(keyed(on, &entry.key).map(|keyed| (*seq, keyed)));
            }
            reached = *seq;
        }
        history.0.truncate(look.history);
        let is_unsent = |key: &&Key| {
            let seq = self.numbers.get(key).filter(|seq| **seq > after);
            let entry = seq.and_then(|seq| self.entries.get(seq));
            entry.is_some_and(|entry| !entry.origin.as_ref().is_some_and(|o| look.skip.has(o)))
        };
        let wanted = look.want.iter();
        let wanted = wanted.filter(|key| !look.only_unsent || is_unsent(key));
        let wanted = wanted.filter_map(|key| keyed(on, key));
        let names = on.streams().into_iter().map(|stream| stream.name());
        let peer = look.waiting_for.as_ref();
        let all = |is_own: bool| {
            let wanted = move |(at, waits): &(&(String, bool, Key), &Waiting)| {
                let is_in = waits.direction == Direction::Inbound;
                peer.is_some_and(|peer| (at.0 == *peer) == is_own && (is_own || is_in))
            };
            let found = self.waiting.iter().filter(wanted);
            found.map(|(_, waits)| waits.clone()).collect()
        };
        View {
            id: self.id.clone(),
            head: self.last,
            history,
            others: self.others(&look.others),
            after,
            items,
            upto,
            more,
            wanted: wanted.collect(),
            waiting: all(true),
            elsewhere: all(false),
            streams: Arc::new(
                names
                    .map(|name| (name.clone(), self.counted(&name)))
                    .collect::<Streams>()
                    .purged(self.purged > 0),
            ),
            lacking: look
                .lacking_at
                .as_ref()
                .map(|peer| self.lacking(look, after, peer)),
        }
    }

    fn lacking(&self, look: &Look, after: u64, peer: &str) -> u64 {
        let is_skipped =
            |entry: &JournalEntry| entry.origin.as_ref().is_some_and(|o| look.skip.has(o));
        let behind = self.entries.range(after + 1..);
        let behind = behind.filter(|(_, entry)| !is_skipped(entry));
        let waits = |entry: &JournalEntry| {
            self.waiting
                .contains_key(&(peer.to_owned(), false, entry.key.clone()))
        };
        let waiting = self
            .entries
            .range(..=after)
            .filter(|(_, entry)| waits(entry));
        (behind.count() + waiting.count()) as u64
    }

    /// Notes how far another log was taken in, unless something is missing in between.
    pub(super) fn advance(&mut self, advance: &Advance) {
        let generations = advance.history.0.iter();
        let asked = generations.map(|cursor| cursor.generation.clone());
        let known = self.others(&Others::Of(asked.collect()));
        if advance.history.common(&known).unwrap_or_default() < advance.follows {
            return;
        }
        let presumed = advance.presumes.as_ref();
        if presumed.is_some_and(|presumed| !self.history().has(presumed)) {
            return;
        }
        self.noted += 1;
        let (upto, moved) = (&advance.upto, self.noted);
        let other = self.others.entry(upto.generation.clone());
        let other = other.or_insert(Other { seq: 0, moved });
        *other = Other {
            seq: other.seq.max(upto.seq),
            moved,
        };
    }

    pub(super) fn note(&mut self, note: &Note) {
        for waits in &note.waits {
            let inbound = waits.direction == Direction::Inbound;
            let at = (note.peer.clone(), inbound, waits.key.clone());
            let attempts = self.waiting.get(&at).map_or(0, |known| known.attempts) + 1;
            self.waiting.insert(
                at,
                Waiting {
                    attempts,
                    ..waits.clone()
                },
            );
        }
        for (direction, key) in &note.settled {
            let inbound = *direction == Direction::Inbound;
            self.waiting
                .remove(&(note.peer.clone(), inbound, key.clone()));
        }
        if let Some(advance) = &note.advance {
            self.advance(advance);
        }
    }

    /// Holds the log against the items, and mends it. Returns how many entries were wrong.
    pub(super) fn verify(&mut self, on: &impl Shelf) -> u64 {
        let keys = on.keys();
        let mut wrong = 0;
        let known: Vec<Key> = self.numbers.keys().cloned().collect();
        for key in known.iter().filter(|key| !keys.contains(key)) {
            self.forget(key);
            wrong += 1;
        }
        for key in keys {
            let Some(item) = on.get(&key) else {
                continue;
            };
            let entry = self.numbers.get(&key).and_then(|seq| self.entries.get(seq));
            if entry.map(|entry| entry.version) != Some(version_of(&key, &item)) {
                self.note_version(key, &item, None);
                wrong += 1;
            }
        }
        wrong
    }
}

/// What becomes of a version that came: whether it is stored, and whether everybody is to hear of the item again.
pub(super) fn settle(incoming: &Item<Body>, stored: Option<&Item<Body>>) -> (bool, bool) {
    let Some(stored) = stored.filter(|stored| !wins(&incoming.hlc, Some(&stored.hlc))) else {
        return (true, false);
    };
    let (theirs, ours) = (canonical(incoming), canonical(stored));
    if stored.hlc != incoming.hlc || theirs == ours {
        return (false, false);
    }
    (theirs > ours, true)
}

/// The canonical form of all that an item says.
pub fn canonical(item: &Item<Body>) -> String {
    let object = item.blob.as_ref().map(|blob| blob.key.to_string());
    let body = serde_json::json!({
        "id": item.body.id.to_string(),
        "deleted": item.body.deleted,
        "content": &*item.body.content,
        "object": object,
    });
    canonical_body(&body.to_string())
}

/// The key of an item.
pub(super) fn key_of(item: &Item<Body>) -> Key {
    Key {
        stream: Stream::of(&item.kind),
        id: item.body.id.clone(),
    }
}

fn keyed(on: &impl Shelf, key: &Key) -> Option<Keyed<Body>> {
    let item = on.get(key)?;
    let key = key.clone();
    Some(Keyed { key, item })
}

fn version_of(key: &Key, item: &Item<Body>) -> Version {
    let (stream, id) = (key.stream.name(), key.id.to_string());
    Version {
        hash: entry_hash(&stream, &id, &item.hlc.to_string()),
        is_deleted: item.body.deleted,
    }
}
