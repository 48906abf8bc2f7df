//! Which tombstones may be removed for good.
//!
//! A tombstone keeps what it deleted from coming back, so it may go only once every known side has seen it: each of them
//! then keeps what it deleted from the sides that it knows itself, which this side may not. Each side notes the peers that
//! it hears of, in either role, before anything is sent to them, and for each the greatest number of the own log up to
//! which that is proved:
//!
//! - Where the digests of both sides are equal, the peer holds every tombstone that is here. The two are [even] then.
//! - Once a side has purged, the digests of what is alive count as well, and only between two sides that were even before:
//!   they prove that nothing was lost on the way, and the peer has seen as much of the own log as it says that it has taken
//!   in, if nothing of it waits.
//!
//! Two sides that were never even compare everything, tombstones too. So a side that comes back without its past gives
//! and gets every tombstone that is left.
//!
//! [even]: NotedPeer::streams
//!
//! A peer is known by the id of its log and a position in its history: a file that was put back to before that position
//! is another peer, of which nothing is proved, and the one from before stays noted. So a tombstone stays longer than it
//! must wherever it cannot be told.
//!
//! Of each node the newest item of a stream stays in any case: peers without logs go by the greatest timestamp that is
//! held of a node.

use serde::Deserialize;

use super::change_log::{Heard, Proof, Recognized};
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{Cursor, Key};

/// How peers can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By its log.
    Logged,
    /// Not at all: they keep none.
    Plain,
    /// It is not known whether there are any: the store held something before peers were noted.
    Earlier,
}

impl Kind {
    /// Its name, by which peers that have no other are forgotten.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logged => "log",
            Self::Plain => "withoutLog",
            Self::Earlier => "earlier",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Self {
        match name {
            "withoutLog" => Self::Plain,
            "earlier" => Self::Earlier,
            _ => Self::Logged,
        }
    }
}

/// A peer that was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedPeer {
    /// How it is told apart.
    pub kind: Kind,
    /// The id of its log; empty if it keeps none.
    pub id: String,
    /// A position of its log that it has had; none if that was empty.
    pub reached: Option<Cursor>,
    /// The number of the own log up to which it is proved to have seen everything.
    pub proved: u64,
    /// The streams that this is about; none if both sides never held the same.
    pub streams: Option<Vec<String>>,
    /// When it was first heard of, in milliseconds since the epoch.
    pub since_ms: u64,
    /// When it was last heard of, as far as that was noted.
    pub heard_ms: u64,
}

impl NotedPeer {
    /// A peer of which nothing is known yet.
    pub fn new(kind: Kind, id: &str, reached: Option<Cursor>, now_ms: u64) -> Self {
        Self {
            kind,
            id: id.to_owned(),
            reached,
            proved: 0,
            streams: None,
            since_ms: now_ms,
            heard_ms: now_ms,
        }
    }

    /// Whether it is the peer that `heard` speaks of: the log of that has gone on from this position.
    pub fn is(&self, heard: &Heard) -> bool {
        let reached = self.reached.as_ref();
        match &heard.id {
            Some(id) => {
                self.kind == Kind::Logged
                    && self.id == *id
                    && reached.is_none_or(|reached| heard.history.has(reached))
            }
            None => self.kind == Kind::Plain,
        }
    }

    /// Takes in what is heard of it: where its log is now, and what was proved. A later request may tell only the newest
    /// stretches of its history.
    pub fn learn(&mut self, heard: &Heard) {
        if let Some(head) = heard.history.head() {
            self.reached = Some(head.clone());
        }
        match heard.proof {
            Proof::Same(end) if end >= self.proved => {
                self.proved = end;
                if self.streams.as_ref() != Some(&heard.common) {
                    self.streams = Some(heard.common.clone());
                }
            }
            Proof::Alive(taken_in) if self.is_even(&heard.common) => {
                self.proved = self.proved.max(taken_in);
            }
            // The peer knows that it was so, and what was proved before was of other streams.
            Proof::Alive(taken_in) => {
                self.proved = taken_in;
                self.streams = Some(heard.common.clone());
            }
            _ => {}
        }
    }

    /// Whether both sides once held the same, tombstones too, of all of these streams.
    fn is_even(&self, common: &[String]) -> bool {
        let is_known = |known: &Vec<String>| common.iter().all(|name| known.contains(name));
        self.streams.as_ref().is_some_and(is_known)
    }

    /// What is known of it.
    pub fn known(&self) -> Recognized {
        Recognized {
            has_missed: false,
            even: self.streams.clone(),
        }
    }

    /// Whether this is worth writing, if `written` is what is written of it.
    pub fn is_news_beside(&self, written: &Self) -> bool {
        let stretch = |known: &Self| {
            let reached = known.reached.as_ref();
            reached.map(|reached| reached.generation.clone())
        };
        self.proved != written.proved
            || self.streams != written.streams
            || stretch(self) != stretch(written)
    }

    /// Whether it has seen what has this number, of a stream.
    pub fn has_seen(&self, stream: &str, seq: u64) -> bool {
        let known = self.streams.iter().flatten();
        seq <= self.proved && known.into_iter().any(|known| known == stream)
    }
}

/// Of several peers the one that was heard of: if its log has gone on from more than one position, the one of which most
/// is proved.
pub fn find<'a>(
    known: impl Iterator<Item = &'a mut NotedPeer>,
    heard: &Heard,
) -> Option<&'a mut NotedPeer> {
    known
        .filter(|one| one.is(heard))
        .max_by_key(|one| one.proved)
}

/// Whether a peer that was not known took part before, and has missed what was `purged` up to a number since.
pub fn has_missed(heard: &Heard, purged: u64) -> bool {
    heard.has.is_some_and(|has| has > 0 && has < purged)
}

/// Which tombstones are to be removed: one batch of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Purge {
    /// Only those that were written before.
    pub before: Hlc,
    /// Nothing is removed; it is only told what would be.
    pub is_dry: bool,
    /// Peers that keep nothing any longer: ids of logs, or the names of kinds.
    pub forget: Vec<String>,
    /// So are those that were not heard of for this long, in milliseconds.
    pub forget_unseen_for_ms: Option<u64>,
    /// Where the batch before ended in the log.
    pub after: u64,
    /// The most tombstones of a batch.
    pub limit: usize,
}

impl Purge {
    /// Whether a peer keeps nothing any longer.
    pub fn forgets(&self, known: &NotedPeer, now_ms: u64) -> bool {
        let name = match known.kind {
            Kind::Logged => &known.id,
            kind => kind.name(),
        };
        let is_long_gone = |most: u64| now_ms.saturating_sub(known.heard_ms) > most;
        self.forget.iter().any(|id| id == name)
            || self.forget_unseen_for_ms.is_some_and(is_long_gone)
    }
}

/// Why a tombstone stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is not old enough.
    Young,
    /// A peer may not have seen it.
    Unseen,
    /// It waits to go to a peer.
    Waiting,
    /// It is the newest item of its node in its stream.
    Newest,
    /// Another table of the database refers to its table.
    Referenced,
}

/// A tombstone, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Tombstone<'a> {
    /// Its stream.
    pub stream: &'a str,
    /// Its number in the log.
    pub seq: u64,
    /// When it was written.
    pub hlc: &'a Hlc,
    /// Whether it waits for a peer.
    pub waits: bool,
    /// Whether it is the newest item of its node in its stream.
    pub is_newest: bool,
    /// Whether another table refers to its own.
    pub is_referenced: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Default)]
pub struct Purged {
    /// What was removed, or would be.
    pub removed: Vec<(Key, Hlc)>,
    /// What stays, by its reasons.
    pub kept: Vec<Reason>,
    /// The peers, how many of these tombstones each of them keeps, and whether it is forgotten.
    pub peers: Vec<(NotedPeer, u64, bool)>,
    /// Where the next batch begins; none if this was the last.
    pub next: Option<u64>,
}

impl Purged {
    /// Begins a batch with all that is `known`.
    pub fn begin(purge: &Purge, known: Vec<NotedPeer>, now_ms: u64) -> Self {
        let told = |known: NotedPeer| {
            let is_forgotten = purge.forgets(&known, now_ms);
            (known, 0, is_forgotten)
        };
        Self {
            peers: known.into_iter().map(told).collect(),
            ..Self::default()
        }
    }

    /// Decides on a tombstone. Returns whether it may go; if not, the reason is noted.
    pub fn lets_go(&mut self, purge: &Purge, tombstone: Tombstone<'_>) -> bool {
        let reason = self.reason_to_keep(purge, tombstone);
        self.kept.extend(reason);
        reason.is_none()
    }

    fn reason_to_keep(&mut self, purge: &Purge, tombstone: Tombstone<'_>) -> Option<Reason> {
        if *tombstone.hlc >= purge.before {
            return Some(Reason::Young);
        }
        let mut is_unseen = false;
        for (known, keeps, is_forgotten) in &mut self.peers {
            if !*is_forgotten && !known.has_seen(tombstone.stream, tombstone.seq) {
                *keeps += 1;
                is_unseen = true;
            }
        }
        if is_unseen {
            return Some(Reason::Unseen);
        }
        [
            (tombstone.waits, Reason::Waiting),
            (tombstone.is_newest, Reason::Newest),
            (tombstone.is_referenced, Reason::Referenced),
        ]
        .into_iter()
        .find_map(|(holds, reason)| holds.then_some(reason))
    }
}
