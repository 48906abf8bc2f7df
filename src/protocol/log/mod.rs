//! Replication by sequence: how two stores that keep a change log find what still has to travel.
//!
//! A store notes every version that it takes in under the next number of its log ([`cursor`]). What another
//! store lacks is what follows the number up to which it has taken this log in. A timestamp decides which
//! version wins, and nothing else: clocks may go back, two machines may share a node id, and still nothing is
//! passed over.
//!
//! A number means something only within one history. A file that was copied, restored or lost has another one,
//! so the numbers are told apart by [`Generation`]s, and whatever two sides cannot prove to have in common
//! travels again. Beside it each side keeps the count and the sum of the hashes of all that it holds
//! ([`digest`]): two sides whose digests are equal hold the same versions.
//!
//! ```text
//! caller                                                    answering side
//!   entries of its log after what the peer has ── Request ──▶  take in, note how far
//!   take in, note how far                     ◀── Answer ───  entries of its log after what the caller has,
//!   compare digests                                           how far it has the caller's log, its digest
//! ```

mod canonical;
mod compare;
mod cursor;
mod digest;
mod digests;
mod message;
mod positions;
mod streams;

pub use canonical::canonical_body;
pub use compare::{FANOUT, Found, LEAF, Range, Reply, Span, split};
pub use cursor::{Cursor, Generation, History};
pub use digest::{Digest, entry_hash};
pub use digests::Digests;
pub use message::{LogAnswer, LogRequest, Overtaken, PlaneAnswer, PlaneRequest, Seen, WireKey};
pub use positions::LogPositions;
pub use streams::Streams;

use super::item::{Item, ItemKind, NoItem, Table, without_time};
use super::text::Text;
use crate::error::Error;

/// The items that are kept under one name: the shared records, or a table of an app.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Shared records.
    Records,
    /// The rows of a table.
    Rows(Table),
}

impl Stream {
    /// Where an item belongs.
    pub fn of(kind: &ItemKind) -> Self {
        match kind {
            ItemKind::Record(_) => Self::Records,
            ItemKind::Row(table) => Self::Rows(table.clone()),
        }
    }

    /// What an item is that belongs there; a record has this id.
    pub fn kind(&self, id: impl FnOnce() -> Text) -> ItemKind {
        match self {
            Self::Records => ItemKind::Record(id()),
            Self::Rows(table) => ItemKind::Row(table.clone()),
        }
    }

    /// The field of its items that says when they were written.
    pub fn time_field(&self) -> &'static str {
        match self {
            Self::Records => "updatedAt",
            Self::Rows(_) => "timestamp",
        }
    }

    /// The fault of an item of it that has no timestamp.
    pub fn without_time(&self) -> Error {
        match self {
            Self::Records => without_time(),
            Self::Rows(_) => NoItem::Timestamp.fault(),
        }
    }

    /// The name by which stores and hashes know it. Apps and tables are told apart by a character that no name
    /// of theirs has.
    pub fn name(&self) -> String {
        match self {
            Self::Records => String::new(),
            Self::Rows(table) => format!("{}\u{1f}{}", table.app, table.name),
        }
    }
}

impl Stream {
    /// The stream of a name.
    pub fn named(name: &str) -> Self {
        match name.split_once('\u{1f}') {
            None => Self::Records,
            Some((app, table)) => Self::Rows(Table {
                app: Text::from(app),
                name: Text::from(table),
            }),
        }
    }
}

/// An item, whichever version of it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Where it is kept.
    pub stream: Stream,
    /// Its id, or the columns that tell a row apart.
    pub id: Text,
}

/// The key of a record; those of rows are not in the items.
pub fn key_of_record<B>(item: &Item<B>) -> Option<Key> {
    let id = item.kind.record_id()?.clone();
    let stream = Stream::Records;
    Some(Key { stream, id })
}

/// An item with the key under which logs know it.
#[derive(Debug, Clone)]
pub struct Keyed<B> {
    /// Its key.
    pub key: Key,
    /// The item.
    pub item: Item<B>,
}
