//! The peers that a process has heard of through a store, so that one that says nothing new costs no look into it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::engine::change_log::{Heard, Proof, Recognized};
use crate::engine::purge::{Kind, NotedPeer, find, has_missed};
use crate::protocol::log::{Cursor, Generation};

/// How far a known peer got is written at once, and then at most so often: what is not yet written is known to this process,
/// and if it ends before, less is purged until the next round.
const A_MINUTE_MS: u64 = 60_000;

/// A known peer that is heard of is noted again at most so often: a round with nothing to do writes nothing.
const AN_HOUR_MS: u64 = 3_600_000;

/// What is to be done of a peer that was heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is not known here yet: it must be written before anything is said to it.
    New,
    /// It is to be written now. If that fails, it is tried again.
    Later,
    /// Nothing: what is written is new enough.
    Not,
}

/// A peer as this process knows it.
#[derive(Debug, Clone)]
struct Remembered {
    known: NotedPeer,
    /// As it is written.
    written: NotedPeer,
    /// When it was last written how far it got, if this process has done so.
    told_ms: Option<u64>,
}

/// What is to be written of a peer: what is to be removed, and what takes its place.
#[derive(Debug, Clone)]
pub struct PeerChange {
    /// As it was written before.
    pub before: Option<NotedPeer>,
    /// As it is now.
    pub now: NotedPeer,
}

/// See the [module page](self).
#[derive(Debug, Default)]
pub struct KnownPeers(Mutex<RememberedPeers>);

#[derive(Debug, Default)]
struct RememberedPeers {
    /// The newest stretch of the own log. Where another one has begun, the database was put back, perhaps: what was noted and
    /// proved before holds no more.
    own: Option<Generation>,
    /// The peers, by the ids of their logs.
    by_id: HashMap<String, Vec<Remembered>>,
}

impl RememberedPeers {
    /// The own log ends here now. Everything is forgotten if that is in another stretch.
    fn is_at(&mut self, own: Option<&Cursor>) {
        let Some(own) = own else { return };
        if self.own.as_ref() != Some(&own.generation) {
            self.own = Some(own.generation.clone());
            self.by_id.clear();
        }
    }
}

impl KnownPeers {
    /// Hears of a peer. Returns what is to be done of it, and what is known of the peer if it is known here.
    pub(super) fn hear_of(&self, heard: &Heard, now_ms: u64) -> (Due, Recognized) {
        let mut memory = self.memory();
        memory.is_at(heard.own.as_ref());
        let all = &mut memory.by_id;
        let name = heard.id.as_deref().unwrap_or_default();
        let remembered = all.get_mut(name).map(Vec::as_mut_slice).unwrap_or_default();
        let is_it = |one: &&mut Remembered| one.known.is(heard);
        let found = remembered.iter_mut().filter(is_it);
        let Some(found) = found.max_by_key(|one| one.known.proved) else {
            return (Due::New, Recognized::default());
        };
        found.known.learn(heard);
        let since = now_ms.abs_diff(found.written.heard_ms);
        let is_news = found.known.is_news_beside(&found.written);
        let may_tell = |told_ms: u64| now_ms.abs_diff(told_ms) >= A_MINUTE_MS;
        let is_due = since >= AN_HOUR_MS || (is_news && found.told_ms.is_none_or(may_tell));
        let due = if is_due { Due::Later } else { Due::Not };
        (due, found.known.known())
    }

    /// What was written is known to this process.
    pub(super) fn remember(&self, written: NotedPeer) {
        let mut memory = self.memory();
        let of_id = memory.by_id.entry(written.id.clone()).or_default();
        let before = of_id.iter().find(|one| is_same(&one.written, &written));
        let told_ms = before.and_then(|before| {
            let is_news = written.is_news_beside(&before.written);
            if is_news {
                Some(written.heard_ms)
            } else {
                before.told_ms
            }
        });
        of_id.retain(|one| !is_same(&one.written, &written));
        of_id.push(Remembered {
            known: written.clone(),
            written,
            told_ms,
        });
    }

    /// Brings what is noted up to what this process knows and has not written yet, if the own log ends at `own`. Returns what
    /// is to be written.
    pub(super) fn bring_up(
        &self,
        noted: &mut [NotedPeer],
        own: Option<&Cursor>,
    ) -> Vec<PeerChange> {
        let mut memory = self.memory();
        memory.is_at(own);
        let head = own.map_or(0, |own| own.seq);
        let all = memory.by_id.values().flatten();
        let pending = all.filter(|one| one.known != one.written && one.known.proved <= head);
        let mut changes = Vec::new();
        for one in pending {
            // Another process may have written more, or forgotten it.
            let mut same = noted.iter_mut();
            let same = same.find(|noted| is_same(noted, &one.written));
            let is_news = |noted: &&mut NotedPeer| {
                noted.proved <= one.known.proved && one.known.is_news_beside(noted)
            };
            if let Some(noted) = same.filter(is_news) {
                changes.push(PeerChange {
                    before: Some(noted.clone()),
                    now: one.known.clone(),
                });
                noted.clone_from(&one.known);
            }
        }
        changes
    }

    /// Nothing is known any more but what is written.
    pub(super) fn forget(&self) {
        self.memory().by_id.clear();
    }

    fn memory(&self) -> MutexGuard<'_, RememberedPeers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_same(a: &NotedPeer, b: &NotedPeer) -> bool {
    (a.kind, a.since_ms, &a.id) == (b.kind, b.since_ms, &b.id)
}

/// What is to be written of a peer that is heard of at a time, by what is noted, and what is known of it. `purged` is the
/// greatest number of a tombstone that was purged, and the own log ends at `own`.
pub(super) fn change_of(
    noted: &mut [NotedPeer],
    heard: &Heard,
    own: Option<&Cursor>,
    (purged, now_ms): (u64, u64),
) -> (PeerChange, Recognized) {
    let generation = |cursor: Option<&Cursor>| cursor.map(|cursor| cursor.generation.clone());
    let mut heard = heard.clone();
    if generation(heard.own.as_ref()) != generation(own) {
        // It was put back in this moment, perhaps. The next round proves it again.
        heard.proof = Proof::None;
    }
    let heard = &heard;
    if let Some(found) = find(noted.iter_mut(), heard) {
        let before = found.clone();
        found.learn(heard);
        found.heard_ms = now_ms;
        let change = PeerChange {
            before: Some(before),
            now: found.clone(),
        };
        return (change, found.known());
    }
    let (kind, id) = match &heard.id {
        Some(id) => (Kind::Logged, id.as_str()),
        None => (Kind::Plain, ""),
    };
    let mut now = NotedPeer::new(kind, id, heard.history.head().cloned(), now_ms);
    now.learn(heard);
    let known = Recognized {
        has_missed: has_missed(heard, purged),
        ..now.known()
    };
    (PeerChange { before: None, now }, known)
}

/// The name of the stretch of its log that a peer was last known to be in.
pub(super) fn generation_of(known: &NotedPeer) -> &str {
    let reached = known.reached.as_ref();
    reached.map_or("", |reached| reached.generation.name())
}

/// The milliseconds since the epoch, by the clock of the system.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
