//! What an answering side has in memory of one of its logs, so that a caller with nothing to do costs no question and no
//! commit.
//!
//! Two things are kept:
//!
//! - **The log as it was read last**: where it ends, its history, what it holds, and how far it has taken in the logs of
//!   callers. It counts for as long as the store [says](super::freshness) that it still holds it.
//! - **How far callers' logs were taken in without items**: a caller that has taken in what was sent from
//!   here says so with its next request, and what its own log has of it is passed over. That is noted in the store once
//!   a minute, and with the next item that comes. What is forgotten in between, because the program ended, is looked at
//!   once more by the caller, and nothing travels: it came from here.
//!
//! What is old is understated, which costs a look and loses nothing. A store whose changes may go unnoticed for a while
//! is asked whenever a caller knows of more than memory does: then its log may have been lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::lock::Mutex as AsyncMutex;

use crate::protocol::log::{Cursor, Generation, History, Streams};

use super::change_log::{Advance, After, Look, Others, View};
use super::freshness::Freshness;

/// At most this many callers' logs are remembered; those of a hostile caller are not remembered for ever.
const REMEMBERED: usize = 4096;

/// How far a caller's log was taken in without items is noted at most this often.
const A_MINUTE_MS: u64 = 60_000;

/// The store is told so often that a caller is still there.
const AN_HOUR_MS: u64 = 60 * A_MINUTE_MS;

/// See the [module page](self).
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: Mutex<LogMemory>,
    /// Has it who asks for all others whether anything is new.
    pub(super) asking: AsyncMutex<()>,
}

#[derive(Debug, Default)]
struct LogMemory {
    log: Option<KnownLog>,
    callers: HashMap<Generation, CallerLog>,
}

/// A log as it was read last.
#[derive(Debug)]
struct KnownLog {
    fresh: Freshness,
    read_ms: u64,
    id: String,
    head: u64,
    history: History,
    streams: Arc<Streams>,
    /// How far other logs were taken in; `None` for one that was never heard of.
    others: HashMap<Generation, Option<u64>>,
}

/// What is noted of a caller's log.
#[derive(Debug)]
struct CallerLog {
    /// When the store was told last, unless it is to be told next time.
    told_ms: Option<u64>,
    untold: Option<Untold>,
}

/// How far a log was taken in, as the store was not told yet.
#[derive(Debug)]
struct Untold {
    /// The own log.
    id: String,
    /// What it follows on, in the store.
    follows: u64,
    upto: u64,
    /// What the own log must have.
    presumes: Option<Cursor>,
}

/// What becomes of what is to be noted of a caller's log.
#[derive(Debug)]
pub(super) enum Noting {
    /// Nothing has to be noted.
    Nothing,
    /// Memory has it.
    Remembered,
    /// The store has to note this.
    InStore(Advance),
}

/// Whether a look wants more than to know whether anything is new.
fn asks_more(look: &Look) -> bool {
    !look.want.is_empty() || look.waiting_for.is_some() || look.lacking_at.is_some()
}

fn is_within(now_ms: u64, before_ms: u64, span_ms: u64) -> bool {
    now_ms >= before_ms && now_ms - before_ms < span_ms
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, LogMemory> {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }

    /// What a look would find, with the whole history, if memory knows that it would find nothing new.
    pub(super) fn view<B>(
        &self,
        fresh: Option<Freshness>,
        now_ms: u64,
        look: &Look,
    ) -> Option<View<B>> {
        let Others::Of(asked) = &look.others else {
            return None;
        };
        let known = self.known();
        let log = known.log.as_ref().filter(|_| !asks_more(look))?;
        if Some(log.fresh) != fresh || !log.is_seen(&look.after) || log.is_outdated(now_ms) {
            return None;
        }
        let mut others = Vec::with_capacity(asked.len());
        for generation in asked {
            let seq = *log.others.get(generation)?;
            let generation = generation.clone();
            others.extend(seq.map(|seq| Cursor { generation, seq }));
        }
        Some(View {
            id: log.id.clone(),
            head: log.head,
            history: log.history.clone(),
            others,
            after: log.head,
            items: Vec::new(),
            upto: log.head,
            more: false,
            wanted: Vec::new(),
            waiting: Vec::new(),
            elsewhere: Vec::new(),
            streams: Arc::clone(&log.streams),
            lacking: None,
        })
    }

    /// Whether memory knows all that is asked, but is too old to count.
    pub(super) fn is_worth_asking_once(
        &self,
        fresh: Option<Freshness>,
        now_ms: u64,
        look: &Look,
    ) -> bool {
        let known = self.known();
        let log = known.log.as_ref().filter(|_| !asks_more(look));
        let is_worth = |log: &KnownLog| {
            Some(log.fresh) == fresh && log.is_seen(&look.after) && log.is_outdated(now_ms)
        };
        log.is_some_and(is_worth)
    }

    /// What is asked of other logs, and all that memory knows of them if it is too old to count: one question then is one
    /// for all callers.
    pub(super) fn with_outdated(
        &self,
        (fresh, now_ms): (Option<Freshness>, u64),
        asked: &Others,
    ) -> Others {
        let Others::Of(asked) = asked else {
            return asked.clone();
        };
        let known = self.known();
        let is_outdated = |log: &&KnownLog| Some(log.fresh) == fresh && log.is_outdated(now_ms);
        let before = known.log.as_ref().filter(is_outdated).into_iter();
        let before = before.flat_map(|log| log.others.keys());
        let more = before.filter(|generation| !asked.contains(generation));
        Others::Of(asked.iter().chain(more).cloned().collect())
    }

    /// Keeps what a look with the whole history found, before which the store was as `fresh` as that.
    pub(super) fn keep<B>(
        &self,
        (fresh, read_ms): (Option<Freshness>, u64),
        asked: &Others,
        view: &View<B>,
    ) {
        let (Some(fresh), Others::Of(asked)) = (fresh, asked) else {
            return;
        };
        let mut known = self.known();
        let before = known.log.take();
        let is_same = |log: &KnownLog| {
            log.fresh == fresh
                && log.id == view.id
                && log.head == view.head
                && log.read_ms <= read_ms
                && !log.is_outdated(read_ms)
        };
        let mut log = before.filter(is_same).unwrap_or_else(|| KnownLog {
            fresh,
            read_ms,
            id: view.id.clone(),
            head: view.head,
            history: view.history.clone(),
            streams: Arc::clone(&view.streams),
            others: HashMap::new(),
        });
        if log.others.len() + asked.len() > REMEMBERED {
            log.others.clear();
        }
        for generation in asked {
            let found = view.others.iter();
            let found = found.filter(|cursor| cursor.generation == *generation);
            let seq = found.map(|cursor| cursor.seq).max();
            log.others.insert(generation.clone(), seq);
        }
        known.log = Some(log);
    }

    /// The store is written to by this side.
    pub(super) fn forget_log(&self) {
        self.known().log = None;
    }

    /// The store has noted this of other logs.
    pub(super) fn hear(&self, noted: &[Cursor]) {
        let mut known = self.known();
        for cursor in noted {
            if let Some(caller) = known.callers.get_mut(&cursor.generation) {
                caller.untold.take_if(|untold| untold.upto <= cursor.seq);
            }
        }
    }

    /// Adds to what the store has noted of other logs what it was not told yet.
    pub(super) fn add_untold<B>(&self, view: &mut View<B>, asked: &Others) {
        let Others::Of(asked) = asked else { return };
        let known = self.known();
        for generation in asked {
            let caller = known.callers.get(generation);
            let untold = caller.and_then(|caller| caller.untold.as_ref());
            let Some(untold) = untold.filter(|untold| untold.counts(view)) else {
                continue;
            };
            let mut others = view.others.iter_mut();
            let noted = others.find(|cursor| cursor.generation == *generation);
            let seq = untold.upto;
            match noted {
                Some(noted) => noted.seq = noted.seq.max(seq),
                None => view.others.push(Cursor {
                    generation: generation.clone(),
                    seq,
                }),
            }
        }
    }

    /// Notes how far a caller's log was taken in with a request that brought nothing, by the whole own history and by what
    /// is noted of other logs: in the store, and with what that was not told yet. A store notes nothing else by the same
    /// two. Where a store is shared with other processes, it is told at once of what has moved: the caller may ask one of
    /// them next.
    pub(super) fn note(
        &self,
        advance: &Advance,
        (id, history): (&str, &History),
        (stored, all): (&[Cursor], &[Cursor]),
        (now_ms, is_shared): (u64, bool),
    ) -> Noting {
        let reached = |others: &[Cursor]| advance.history.common(others).unwrap_or_default();
        let presumed = advance.presumes.as_ref();
        let lacks = presumed.is_some_and(|presumed| !history.has(presumed));
        if reached(all) < advance.follows || lacks {
            return Noting::Nothing;
        }
        let upto = &advance.upto;
        let mut noted = all.iter();
        let noted = noted.find(|cursor| cursor.generation == upto.generation);
        let moves = noted.is_none_or(|noted| noted.seq < upto.seq);
        let span = if moves { A_MINUTE_MS } else { AN_HOUR_MS };
        let mut known = self.known();
        let caller = known.callers.get_mut(&upto.generation);
        let caller = caller.filter(|caller| {
            let told_ms = caller.told_ms;
            told_ms.is_some_and(|told_ms| is_within(now_ms, told_ms, span))
        });
        let caller = caller.filter(|_| !(is_shared && moves));
        let Some(caller) = caller else {
            drop(known);
            return Noting::InStore(self.with_untold(advance.clone()));
        };
        if !moves {
            return Noting::Nothing;
        }
        let before = caller.untold.take().filter(|before| before.id == id);
        caller.untold = Some(Untold {
            id: id.to_owned(),
            follows: before.map_or_else(|| reached(stored), |before| before.follows),
            upto: upto.seq,
            presumes: advance.presumes.clone(),
        });
        Noting::Remembered
    }

    /// The same for the store, which was not told of all that it follows on.
    pub(super) fn with_untold(&self, mut advance: Advance) -> Advance {
        let known = self.known();
        for cursor in &advance.history.0 {
            let caller = known.callers.get(&cursor.generation);
            if let Some(untold) = caller.and_then(|caller| caller.untold.as_ref()) {
                advance.follows = advance.follows.min(untold.follows);
            }
        }
        advance
    }

    /// Items of these logs came that may be passed later: the store is told of the next number at once, so that they do not
    /// come again after a restart.
    pub(super) fn came(&self, history: &History) {
        let mut known = self.known();
        for cursor in &history.0 {
            if let Some(caller) = known.callers.get_mut(&cursor.generation) {
                caller.told_ms = None;
            }
        }
    }

    /// The store has been told of this.
    pub(super) fn told(&self, upto: &Generation, now_ms: u64) {
        let mut known = self.known();
        if known.callers.len() >= REMEMBERED {
            known.callers.clear();
        }
        let untold = known.callers.remove(upto).and_then(|caller| caller.untold);
        let told_ms = Some(now_ms);
        let caller = CallerLog { told_ms, untold };
        known.callers.insert(upto.clone(), caller);
    }
}

impl KnownLog {
    /// Whether one that has seen the log up to here has seen all of it, as far as memory knows.
    fn is_seen(&self, after: &After) -> bool {
        match after {
            After::Seq(seq) => *seq >= self.head,
            // One that knows of more than memory does must not be told that it is gone.
            After::Common(cursors) if self.fresh.is_shared() => {
                cursors.iter().eq(self.history.head())
            }
            After::Common(cursors) => self.history.common(cursors).unwrap_or_default() == self.head,
        }
    }

    /// Whether others may have written since longer than may go unnoticed.
    fn is_outdated(&self, now_ms: u64) -> bool {
        let unnoticed_ms = self.fresh.unnoticed_ms;
        unnoticed_ms.is_some_and(|span_ms| !is_within(now_ms, self.read_ms, span_ms))
    }
}

impl Untold {
    /// Whether the own log is still the one that has what it was left out for.
    fn counts<B>(&self, view: &View<B>) -> bool {
        let presumed = self.presumes.as_ref();
        let has = |presumed| view.history.has(presumed);
        self.id == view.id && presumed.is_none_or(has)
    }
}

#[cfg(test)]
mod tests;
