//! An item on its way in, and which nodes are stopped.

use std::collections::HashSet;

use crate::error::Error;
use crate::protocol::hlc::NodeId;
use crate::protocol::item::Item;

/// An item on its way in.
#[derive(Debug)]
pub struct Arrival<B> {
    /// The item.
    pub item: Item<B>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an arrival.
#[derive(Debug)]
pub enum Outcome {
    /// Not looked at yet.
    Waiting,
    /// It is stored now and was not before.
    Applied,
    /// What is stored is as new, or newer.
    Stale,
    /// It could not be stored.
    Failed(Error),
    /// An earlier item of its node failed, and nothing may pass it.
    Behind,
    /// The channel does not carry its kind: it is left out, and holds nothing up.
    Dropped,
}

impl<B> Arrival<B> {
    /// An item that nobody has looked at.
    pub fn new(item: Item<B>) -> Self {
        Self {
            item,
            outcome: Outcome::Waiting,
        }
    }

    /// Notes what became of the item.
    pub fn settle(&mut self, outcome: Outcome, line: &mut Line) {
        if matches!(outcome, Outcome::Failed(_)) {
            line.failed(&self.item.hlc.node_id);
        }
        self.outcome = outcome;
    }

    /// Whether the item, or a newer version of it, is stored here.
    pub fn is_here(&self) -> bool {
        matches!(self.outcome, Outcome::Applied | Outcome::Stale)
    }
}

/// Which nodes are stopped, and what stops one.
#[derive(Debug, Default)]
pub struct Line {
    strict: bool,
    known_apps_only: bool,
    stopped: HashSet<NodeId>,
}

impl Line {
    /// The line of a caller: a failure stops its node only if `strict`; `stopped` are stopped already.
    pub fn of_caller(strict: bool, stopped: HashSet<NodeId>) -> Self {
        Self {
            strict,
            known_apps_only: false,
            stopped,
        }
    }

    /// The line of an answering side: others pull from it, so nothing may pass a failure; `stopped` are
    /// stopped already.
    pub fn of_responder(stopped: HashSet<NodeId>) -> Self {
        Self {
            strict: true,
            known_apps_only: true,
            stopped,
        }
    }

    /// Whether rows of apps that are not registered fail without being shown to the store.
    pub fn known_apps_only(&self) -> bool {
        self.known_apps_only
    }

    /// Whether a failure stops its node.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// Whether items of this node have to wait.
    pub fn holds_back(&self, node: &NodeId) -> bool {
        self.stopped.contains(node)
    }

    /// Notes that an item of this node failed.
    pub fn failed(&mut self, node: &NodeId) {
        if self.strict {
            self.stopped.insert(node.clone());
        }
    }

    /// The nodes that are stopped now.
    pub fn into_stopped(self) -> HashSet<NodeId> {
        self.stopped
    }
}
