//! Which nodes are stopped while items are taken in, and whether a failure stops one: the strict order and the loose one.

use std::collections::HashSet;

use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::Item;
use crate::protocol::log::{Key, key_of_record};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::ports::Order;

/// Which nodes are stopped, and what stops one.
#[derive(Debug)]
pub struct OrderGuard {
    pub(super) order: Order,
    /// Whether rows of apps that are not registered are refused without asking the store.
    pub(super) known_apps_only: bool,
    stopped: HashSet<NodeId>,
    /// Up to where the other side was sent what is here, if what it was not sent is to be noted where an item meets it.
    sent: Option<Watermarks>,
    /// The records of which that is noted in any case.
    barred: HashSet<Key>,
    /// The versions of records that were read here a moment ago, to be sent.
    went: HashSet<(Hlc, Text)>,
}

impl OrderGuard {
    /// That of a caller: a failure stops its node only if `strict`; `stopped` are stopped already.
    pub fn of_caller(strict: bool, stopped: HashSet<NodeId>) -> Self {
        Self::new(
            if strict { Order::Strict } else { Order::Loose },
            false,
            stopped,
        )
    }

    /// That of an answering side: others pull from it, so nothing may pass a failure; `stopped` are
    /// stopped already.
    pub fn of_responder(stopped: HashSet<NodeId>) -> Self {
        Self::new(Order::Strict, true, stopped)
    }

    fn new(order: Order, known_apps_only: bool, stopped: HashSet<NodeId>) -> Self {
        Self {
            order,
            known_apps_only,
            stopped,
            sent: None,
            barred: HashSet::new(),
            went: HashSet::new(),
        }
    }

    /// The same, which knows that the records of these items are here: a peer sends them back.
    #[must_use]
    pub fn echoing<B>(mut self, went: &[Item<B>]) -> Self {
        let versions = went.iter().filter_map(version_of);
        self.went = versions
            .map(|(hlc, id)| (hlc.clone(), id.clone()))
            .collect();
        self
    }

    /// The same, which notes of the records that items meet those that the other side was not `sent`, and the `barred`.
    #[must_use]
    pub fn noting(mut self, sent: Watermarks, barred: HashSet<Key>) -> Self {
        self.sent = Some(sent);
        self.barred = barred;
        self
    }

    /// Whether the items of a node wait behind one that failed.
    pub(super) fn holds_back(&self, node: &NodeId) -> bool {
        self.stopped.contains(node)
    }

    /// Whether it is noted of the records that items meet which of them the other side was not sent.
    pub(super) fn notes_unsent(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether an item meets a version that the other side was not sent, if there is `stored` one.
    pub(super) fn meets_unsent<B>(&self, item: &Item<B>, stored: Option<&Hlc>) -> bool {
        let (Some(sent), Some(stored)) = (&self.sent, stored) else {
            return false;
        };
        let is_barred = || key_of_record(item).is_some_and(|key| self.barred.contains(&key));
        *stored != item.hlc && (!sent.covers(stored) || is_barred())
    }

    /// Whether the peer sends back what it was sent just now.
    pub(super) fn is_echo<B>(&self, item: &Item<B>) -> bool {
        let version = version_of(item).filter(|_| !self.went.is_empty());
        version.is_some_and(|(hlc, id)| self.went.contains(&(hlc.clone(), id.clone())))
    }

    /// An item of this node was not taken in.
    pub(super) fn failed(&mut self, node: &NodeId) {
        if self.order == Order::Strict {
            self.stopped.insert(node.clone());
        }
    }

    /// The nodes that are stopped now.
    pub fn into_stopped(self) -> HashSet<NodeId> {
        self.stopped
    }
}

/// The version of a record that an item is.
fn version_of<B>(item: &Item<B>) -> Option<(&Hlc, &Text)> {
    item.kind.record_id().map(|id| (&item.hlc, id))
}
