//! What the engine asks of the change log of a store.
//!
//! A store that has one notes each version that it takes in under the next number, however it came: from the app,
//! from a peer, or by a program that writes to its tables. The rules are in [`protocol::log`](crate::protocol::log).

#![allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]

use std::sync::Arc;

use super::freshness::Freshness;
use super::outcome::{Direction, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::log::{
    Cursor, Digest, Generation, History, Key, Keyed, Range, Reply, Span, Streams,
};

/// At most this many items wait for one peer. What would be one more is not passed in the log that it is in.
pub const MOST_WAITING: usize = 10_000;

/// Whose logs are asked after.
#[derive(Debug, Clone)]
pub enum Others {
    /// Those that were taken in last, at most this many.
    Latest(usize),
    /// The ones with these generations.
    Of(Vec<Generation>),
}

impl Default for Others {
    fn default() -> Self {
        Self::Of(Vec::new())
    }
}

/// Where the entries that are wanted begin.
#[derive(Debug, Clone)]
pub enum After {
    /// Behind this number.
    Seq(u64),
    /// Behind what a side has that has taken in as much as these cursors say.
    Common(Vec<Cursor>),
}

/// A look at a log: everything is of one moment.
#[derive(Debug, Clone)]
pub struct Look {
    /// How much of the own history is wanted: this many stretches.
    pub history: usize,
    /// Which other logs it is to say how far it has taken them in of.
    pub others: Others,
    /// Where the wanted entries begin.
    pub after: After,
    /// Versions that are in this history came from there, and are passed over.
    pub skip: History,
    /// At most this many items.
    pub limit: usize,
    /// Items that are wanted by their keys.
    pub want: Vec<Key>,
    /// Nothing is wanted but those of them that lie behind `after` and are not passed over.
    pub only_unsent: bool,
    /// The peer whose waiting items are wanted, and, apart from them, what waits to come in from others.
    pub waiting_for: Option<String>,
    /// The peer for which it is to be counted how much it lacks that has taken in what comes before `after`.
    pub lacking_at: Option<String>,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            history: 4,
            others: Others::default(),
            after: After::Seq(u64::MAX),
            skip: History::default(),
            limit: 0,
            want: Vec::new(),
            only_unsent: false,
            waiting_for: None,
            lacking_at: None,
        }
    }
}

/// What a look at a log found.
#[derive(Debug)]
pub struct View<B> {
    /// Whose log it is, in all of its generations.
    pub id: String,
    /// The last number that was given.
    pub head: u64,
    /// The own history, newest first.
    pub history: History,
    /// How far the others' logs were taken in.
    pub others: Vec<Cursor>,
    /// Where the wanted entries began.
    pub after: u64,
    /// The wanted items in the order of the log, each with its number.
    pub items: Vec<(u64, Keyed<B>)>,
    /// Everything up to this number was looked at.
    pub upto: u64,
    /// Whether anything follows on it that is not to be passed over.
    pub more: bool,
    /// The items that were wanted by their keys, as far as they are there.
    pub wanted: Vec<Keyed<B>>,
    /// What waits, of the peer that was asked for.
    pub waiting: Vec<Waiting>,
    /// What waits to come in from other logs.
    pub elsewhere: Vec<Waiting>,
    /// What it holds, by streams.
    pub streams: Arc<Streams>,
    /// How many items the peer lacks, if that was asked: those behind `after` that are not passed over, and those before
    /// it that wait to go there.
    pub lacking: Option<u64>,
}

impl<B> View<B> {
    /// Whether nothing was written to the log between this look and `before`.
    pub(super) fn is_at(&self, before: &Self) -> bool {
        self.id == before.id && self.head == before.head
    }
}

/// An item that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub key: Key,
    /// On which way.
    pub direction: Direction,
    /// The version, if it is known.
    pub hlc: Option<Hlc>,
    /// Why, as the `code` of an error.
    pub code: String,
    /// Why, in words.
    pub reason: String,
    /// Since when, in milliseconds since the epoch; 0 for one that begins to wait.
    pub since_ms: u64,
    /// How often it was tried.
    pub attempts: u64,
}

/// Where a log of another store is to be noted to be taken in up to.
#[derive(Debug, Clone)]
pub struct Advance {
    /// That log's history, as much of it as may matter. What was noted of it before must reach `follows`.
    pub history: History,
    /// What the items follow on.
    pub follows: u64,
    /// What the own log must have: what came from there was left out.
    pub presumes: Option<Cursor>,
    /// Where it stands behind them.
    pub upto: Cursor,
    /// Only if every one of the items is here now.
    pub only_whole: bool,
}

/// What is noted of an exchange.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// How far another log was taken in.
    pub advance: Option<Advance>,
    /// The peer of which the rest speaks.
    pub peer: String,
    /// What waits now. An item that waited before waits on, one attempt later.
    pub waits: Vec<Waiting>,
    /// What waits no longer.
    pub settled: Vec<(Direction, Key)>,
}

/// What is heard of a peer, for [`purge`](super::purge): what it has not seen deleted stays deleted here.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The id of its log; none if it keeps no log, so that peers cannot be told apart.
    pub id: Option<String>,
    /// The history of its log, newest first.
    pub history: History,
    /// The streams that both sides have, if it is known which these are.
    pub common: Vec<String>,
    /// Where the own log ended then.
    pub own: Option<Cursor>,
    /// What was proved of them just now.
    pub proof: Proof,
    /// Up to which number it has taken in the own log, if it says so.
    pub has: Option<u64>,
    /// Whether the two sides greet each other.
    pub greets: bool,
}

/// What the digests of two sides prove of what the peer has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: they were not compared, or are not equal.
    #[default]
    None,
    /// Both held the same, tombstones too, when the own log ended at this number.
    Same(u64),
    /// Both once held the same, and now the same alive, and the peer had taken in the own log up to this number, with
    /// nothing left to wait.
    Alive(u64),
}

/// What a store knows of a peer that it hears of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recognized {
    /// It took part before, was forgotten or put back, and has missed tombstones that were purged here since.
    pub has_missed: bool,
    /// The streams of which both once held the same, tombstones too, if they ever did.
    pub even: Option<Vec<String>>,
}

/// A change log, as a port. A store without one has nothing to add to these answers.
pub trait ChangeLog<B> {
    /// Whether the store keeps a log. It may begin or cease to do so between two rounds.
    fn has_log(&self) -> bool {
        false
    }

    /// By what it is known that the log is as it was read, without a question to the store; `None` if by nothing: then
    /// each look asks the store.
    fn freshness(&self) -> Option<Freshness> {
        None
    }

    /// Looks at the log.
    async fn look(&self, _look: Look) -> Result<View<B>> {
        Err(no_log())
    }

    /// Takes items in, last writer wins; of two versions with one timestamp the one that is greater in a canonical
    /// form wins. They are noted to have come from `origin`, and `advance` is noted in the same transaction.
    /// Returns what became of each item. An error means that nothing of it is stored.
    async fn take_in(
        &self,
        _items: Vec<Item<B>>,
        _origin: Option<Cursor>,
        _advance: Option<Advance>,
    ) -> Result<Vec<Outcome>> {
        Err(no_log())
    }

    /// Notes what an exchange came to, in one transaction.
    async fn note(&self, _note: Note) -> Result<()> {
        Err(no_log())
    }

    /// Holds the log against the tables, and mends it. Returns how many entries were wrong.
    async fn verify(&self) -> Result<u64> {
        Err(no_log())
    }

    /// Compares ranges with what another side holds of them.
    async fn compare(&self, _spans: Vec<Span>) -> Result<Vec<Reply>> {
        Err(no_log())
    }

    /// What the store holds of these ranges.
    async fn digests(&self, _ranges: Vec<Range>) -> Result<Vec<Digest>> {
        Err(no_log())
    }

    /// The versions of these ranges, in the order of keys.
    async fn versions(&self, _ranges: Vec<Range>) -> Result<Vec<Vec<(Key, String)>>> {
        Err(no_log())
    }

    /// Hears of a peer without waiting, if nothing has to be written of it: it is known here already.
    fn recognizes(&self, _heard: &Heard) -> Option<Recognized> {
        Some(Recognized::default())
    }

    /// Hears of a peer. One that was not known is noted before this answers; how far a known one got may be noted later.
    async fn hear_of(&self, _heard: Heard) -> Result<Recognized> {
        Ok(Recognized::default())
    }
}

fn no_log() -> Error {
    Error::new(
        ErrorKind::Internal,
        "exchange",
        "a store without a change log was asked for it; this is a fault of this package, please report it",
    )
}
