//! An item on its way in, and what became of it.

use crate::error::Error;
use crate::protocol::item::{Item, ItemKind};

use super::order_guard::OrderGuard;
use super::ports::Outcome;

/// An item on its way in.
#[derive(Debug)]
pub struct Arrival<B> {
    /// The item.
    pub item: Item<B>,
    /// What became of it.
    pub fate: Fate,
    /// The version that it met here, as it was, if that is one that [the other side was not sent](OrderGuard::noting).
    pub met: Option<Item<B>>,
}

/// Where an arrival stands.
#[derive(Debug)]
pub enum Fate {
    /// Nothing was done with it yet.
    Waiting,
    /// The channel does not carry its kind: it is left out, and holds nothing up.
    Dropped,
    /// It was shown to its store, or has to wait behind an item that was.
    Settled(Outcome),
}

impl<B> Arrival<B> {
    /// An item that nothing was done with.
    pub fn new(item: Item<B>) -> Self {
        Self {
            item,
            fate: Fate::Waiting,
            met: None,
        }
    }

    /// Whether it was stored before, or a newer version of it is.
    pub fn is_stale(&self) -> bool {
        matches!(self.fate, Fate::Settled(Outcome::Stale))
    }

    /// Whether the item is new here.
    pub fn is_applied(&self) -> bool {
        matches!(self.fate, Fate::Settled(Outcome::Applied))
    }

    /// Whether the item, or a newer version of it, is stored here.
    pub fn is_here(&self) -> bool {
        matches!(self.fate, Fate::Settled(Outcome::Applied | Outcome::Stale))
    }

    /// Why the item could not be stored, if that was tried.
    pub fn failure(&self) -> Option<&Error> {
        match &self.fate {
            Fate::Settled(Outcome::Failed(error)) => Some(error),
            _ => None,
        }
    }

    pub(super) fn settle(&mut self, outcome: Outcome, guard: &mut OrderGuard) {
        if matches!(outcome, Outcome::Failed(_)) {
            guard.failed(&self.item.hlc.node_id);
        }
        self.fate = Fate::Settled(outcome);
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.fate, Fate::Waiting)
    }

    pub(super) fn is_record(&self) -> bool {
        matches!(self.item.kind, ItemKind::Record(_))
    }
}
