//! The two logs of a plane, as a caller knows them.

use crate::protocol::log::{Cursor, History, PlaneAnswer};

use super::change_log::View;

/// Something for each of the planes that both sides carry.
#[derive(Debug, Clone)]
pub(super) struct Planes<T> {
    pub(super) records: Option<T>,
    pub(super) rows: Option<T>,
}

impl<T> Default for Planes<T> {
    fn default() -> Self {
        Self {
            records: None,
            rows: None,
        }
    }
}

impl<T> Planes<T> {
    /// The same for both.
    pub(super) fn both(one: T) -> Self
    where
        T: Clone,
    {
        Self {
            records: Some(one.clone()),
            rows: Some(one),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.records.iter().chain(&self.rows)
    }

    /// The same, lent.
    pub(super) fn as_ref(&self) -> Planes<&T> {
        Planes {
            records: self.records.as_ref(),
            rows: self.rows.as_ref(),
        }
    }

    /// Something else for each plane.
    pub(super) fn map<U>(self, of: impl Fn(T) -> U) -> Planes<U> {
        Planes {
            records: self.records.map(&of),
            rows: self.rows.map(of),
        }
    }

    /// Something else for each plane that is in both.
    pub(super) fn zip<U, V>(self, other: Planes<U>, both: impl Fn(T, U) -> V) -> Planes<V> {
        Planes {
            records: self.records.zip(other.records).map(|(a, b)| both(a, b)),
            rows: self.rows.zip(other.rows).map(|(a, b)| both(a, b)),
        }
    }
}

/// The two logs of a plane, as far as they are known.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// Where the own log was last seen to end: a log that has not reached that is another one.
    pub(super) own: Option<Cursor>,
    /// The peer's log, in all of its generations.
    pub(super) id: String,
    /// Its history.
    pub(super) history: History,
    /// How far the own log went to the peer: what of it was not taken in waits here.
    pub(super) have: u64,
    /// How far the peer has noted that. What it refuses it does not pass before this side has noted that it waits: the
    /// answer that says so may be lost.
    pub(super) confirmed: u64,
    /// How far this side has taken in the peer's log.
    pub(super) cursor: Option<Cursor>,
    /// How far that is noted in the store.
    pub(super) noted: Option<Cursor>,
    /// Whether anything came in since then: what is not noted would come again after a restart.
    pub(super) has_unnoted: bool,
}

impl Pair {
    /// What is known after the first answer.
    pub(super) fn begin<B>(own: &View<B>, told: PlaneAnswer) -> Self {
        Self {
            own: own.history.head().cloned(),
            noted: told.cursor.clone(),
            has_unnoted: false,
            id: told.id,
            history: told.history,
            have: told.have,
            confirmed: told.have,
            cursor: told.cursor,
        }
    }

    /// Whether the own log is the one that the peer was told of.
    pub(super) fn is_of<B>(&self, own: &View<B>) -> bool {
        self.own
            .as_ref()
            .is_none_or(|before| own.history.has(before))
    }

    /// Whether the peer's log was taken in up to somewhere that lies `far` from what is noted, or in another stretch of
    /// its history: that of a log that was put back may know nothing of the one before.
    pub(super) fn is_far_from_noted(&self, upto: &Cursor, far: u64) -> bool {
        self.noted.as_ref().is_none_or(|noted| {
            noted.generation != upto.generation || noted.seq.abs_diff(upto.seq) >= far
        })
    }

    /// What is known after an answer that says `told`, if all that came with it is taken in.
    pub(super) fn hear(&mut self, told: &PlaneAnswer) {
        self.have = told.have;
        self.confirmed = told.have;
        self.id.clone_from(&told.id);
        self.history.clone_from(&told.history);
        self.cursor.clone_from(&told.cursor);
    }

    /// Whether the peer's log is not the one that a page was made for: what was left out of it because it had come from
    /// there may not be there any more. The peer has not noted that page.
    pub(super) fn is_of_another(&self, told: &PlaneAnswer) -> bool {
        let head = self.history.head();
        head.is_some_and(|head| !told.history.has(head))
    }

    /// Whether both know the same of the peer.
    pub(super) fn knows_the_same(&self, other: &Self) -> bool {
        self.have == other.have
            && self.confirmed == other.confirmed
            && self.id == other.id
            && self.history == other.history
            && self.cursor == other.cursor
    }

    /// Up to which number this side has taken in the peer's log.
    pub(super) fn taken(&self) -> u64 {
        self.cursor.as_ref().map_or(0, |cursor| cursor.seq)
    }
}
