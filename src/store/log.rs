//! The change log of a store, as engines see it. What the methods do is said where the engine
//! [asks for it](crate::engine::change_log).

use std::future::ready;

use super::taken::Taken;
use super::{Json, Later};
use crate::engine::change_log::{Advance, Heard, Look, Note, Recognized, View};
use crate::engine::freshness::Freshness;
use crate::engine::purge::{Purge, Purged};
use crate::error::{Error, ErrorKind};
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span};

/// A store that may keep a change log. One that does not has nothing to add to these answers: it is exchanged with by
/// watermarks.
pub trait LogStore {
    /// Whether it keeps one.
    fn has_log(&self) -> bool {
        false
    }

    /// By what it is known, without a question to the store, that it is as it was read. A store that notices each commit
    /// of any process says so with a version alone. One over a network counts its own writes, and says for how long, of
    /// a second at most, it may not notice those of others. `None` if memory cannot answer.
    fn freshness(&self) -> Option<Freshness> {
        None
    }

    /// Looks at the log.
    fn look(&self, _look: Look) -> Later<'_, View<Json>> {
        no_log()
    }

    /// Takes items in, with what is noted of where they came from.
    fn take_in_from(
        &self,
        _items: Vec<Item<Json>>,
        _origin: Option<Cursor>,
        _advance: Option<Advance>,
    ) -> Later<'_, Vec<Taken>> {
        no_log()
    }

    /// Notes what an exchange came to.
    fn note(&self, _note: Note) -> Later<'_, ()> {
        no_log()
    }

    /// Holds the log against the tables, and mends it.
    fn verify(&self) -> Later<'_, u64> {
        no_log()
    }

    /// Compares ranges with what another side holds of them.
    fn compare(&self, _spans: Vec<Span>) -> Later<'_, Vec<Reply>> {
        no_log()
    }

    /// What the store holds of these ranges.
    fn digests(&self, _ranges: Vec<Range>) -> Later<'_, Vec<Digest>> {
        no_log()
    }

    /// The versions of these ranges.
    fn versions(&self, _ranges: Vec<Range>) -> Later<'_, Vec<Vec<(Key, String)>>> {
        no_log()
    }

    /// Hears of a peer without waiting, if nothing has to be written of it.
    fn recognizes(&self, _heard: &Heard) -> Option<Recognized> {
        Some(Recognized::default())
    }

    /// Hears of a peer.
    fn hear_of(&self, _heard: Heard) -> Later<'_, Recognized> {
        Box::pin(ready(Ok(Recognized::default())))
    }

    /// Removes tombstones: one batch of them.
    fn purge(&self, _purge: Purge) -> Later<'_, Purged> {
        no_log()
    }
}

fn no_log<T: Send + 'static>() -> Later<'static, T> {
    Box::pin(ready(Err(Error::new(
        ErrorKind::Internal,
        "read the change log",
        "this store keeps none; this is a fault of this package, please report it",
    ))))
}
