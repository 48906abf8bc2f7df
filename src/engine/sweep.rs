//! What a caller remembers between the rounds of one sweep.
//!
//! A sweep offers everything once. What was received is advertised as seen, held or not; what was
//! shipped, or is held here, is not offered again. So an item that cannot be taken in, or whose object
//! is lost, fills no second page. The sweep ends with the round after which neither side has more; the
//! next one starts from the persisted watermarks and tries again what was held. None of this is
//! persisted: after a restart a sweep begins.

use std::collections::{HashMap, HashSet};

use crate::protocol::delta::{Ask, Backlog};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::guards::Guards;
use super::held::{Direction, Held};
use super::outbound::Unordered;
use super::superseded::Superseded;

/// See the [module page](self).
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else, and any of them may hold"
)]
pub struct Sweep<B> {
    /// What was received, taken in or held.
    pub(super) received: Watermarks,
    /// What was shipped.
    pub(super) shipped: Watermarks,
    /// What the peer was last known to hold; `None` before the first round.
    pub(super) known_at_peer: Option<Watermarks>,
    /// Per node the first item that is held on its way out. Nothing of the node follows it.
    pub(super) stopped: HashMap<NodeId, Hlc>,
    /// The timestamps of what the peer refused, and said so.
    pub(super) refused: HashSet<Hlc>,
    /// Nodes of which an item was not taken in: what follows it moves no watermark.
    pub(super) broken: HashSet<NodeId>,
    /// Nodes that the strict order stops on their way in.
    pub(super) gapped: HashSet<NodeId>,
    /// What was shipped and lost at the peer, which is no refusal.
    pub(super) superseded: Superseded,
    /// The keys of objects whose newest items came in and could not be stored.
    pub(super) not_stored: HashSet<Text>,
    /// A table could not be scanned in this sweep: what was shipped may have passed its rows.
    pub(super) blind: bool,
    /// Per node of which the peer turned out to hold less than it had said: what it had said. What was
    /// shipped after that is offered again, and once more only after something still earlier.
    pub(super) rewound: HashMap<NodeId, Hlc>,
    /// At most this many items are asked for, if an answer of the usual size was too large for this side.
    pub(super) answer_limit: Option<usize>,
    /// At most this much may go out in one request, if a larger one was too large for the peer.
    pub(super) most_weight: Option<usize>,
    /// Timestamps whose items are by themselves too large for the peer.
    pub(super) oversized: HashSet<Hlc>,
    /// What has no valid timestamp at this side. It outlasts the sweep.
    pub(super) unordered: Unordered<B>,
    /// Whether this is not the first round of the sweep.
    pub(super) begun: bool,
    /// Whether the peer said last that it has more.
    pub(super) peer_has_more: bool,
    /// Whether a sweep ended before this one. What is persisted is then what that one left, and the engine knows why.
    pub(super) follows: bool,
    /// What the peer says that it holds does not count until everything is offered that it is not known to have got: it
    /// may lack what is before that.
    pub(super) offers_all: bool,
    /// Everything that is held, first of its node and direction.
    pub(super) held: Vec<Held<B>>,
    /// Up to where the peer had been sent what is here before this sweep, or had sent it. An item that meets a later
    /// version here is in conflict with it: also one that was sent since may have lost to what comes pages later.
    pub(super) sent: Watermarks,
    /// What a full pass over the records found.
    pub(super) backlog: Backlog<Text>,
    /// See there. They outlast the sweep.
    pub(super) guards: Guards,
}

impl<B> Default for Sweep<B> {
    fn default() -> Self {
        Self {
            received: Watermarks::default(),
            shipped: Watermarks::default(),
            known_at_peer: None,
            stopped: HashMap::new(),
            refused: HashSet::new(),
            broken: HashSet::new(),
            gapped: HashSet::new(),
            superseded: Superseded::default(),
            not_stored: HashSet::new(),
            blind: false,
            rewound: HashMap::new(),
            answer_limit: None,
            most_weight: None,
            oversized: HashSet::new(),
            unordered: Unordered::default(),
            begun: false,
            peer_has_more: false,
            follows: false,
            offers_all: false,
            held: Vec::new(),
            sent: Watermarks::default(),
            backlog: Backlog::default(),
            guards: Guards::default(),
        }
    }
}

impl<B> Sweep<B> {
    /// Ends this sweep: the next one begins at what is persisted.
    pub(super) fn end(&mut self) {
        // What the peer refused is offered again, whatever else of that time it has, and so is what it may lack.
        let mut held = self.held.iter();
        let offers_all = !self.refused.is_empty()
            || self.superseded.perhaps_lacking().next().is_some()
            || held.any(|held| self.is_hidden(held));
        let unordered = std::mem::take(&mut self.unordered);
        let superseded = std::mem::take(&mut self.superseded).after();
        let guards = std::mem::take(&mut self.guards);
        *self = Self {
            superseded,
            unordered,
            offers_all,
            guards,
            follows: true,
            ..Self::default()
        };
    }

    /// A round of it has begun. The engine before this one may have ended before something that the peer refused, while
    /// the peer says that it holds what shares its timestamp: so the first sweep of an engine offers everything beyond
    /// what was persisted, if anything is.
    ///
    /// What the peer has now, by its watermarks, was sent before.
    pub(super) fn begin(&mut self, keeps_state: bool, peer: &Watermarks) {
        if !self.begun {
            self.sent.merge(peer);
            self.offers_all |= keeps_state && !self.follows;
            self.begun = true;
        }
    }

    /// Notes that an item is held, unless it is known already.
    pub(super) fn hold(&mut self, held: Held<B>) -> bool {
        let is_new = !self
            .held
            .iter()
            .any(|known| known.is_of(held.direction, &held.kind, &held.hlc));
        if is_new {
            self.held.push(held);
        }
        is_new
    }

    /// An answer with at most `limit` items was too large for this side. Returns whether fewer can be asked for.
    pub(super) fn ask_for_less(&mut self, limit: usize) -> bool {
        self.answer_limit = Some((limit / 2).max(1));
        limit > 1
    }

    /// What was stamped like this may not be at the peer, whatever is known: its node is offered again from there on.
    pub(super) fn offer_again(&mut self, hlc: &Hlc) {
        if let Some(known) = &mut self.known_at_peer {
            known.lower_below(hlc);
        }
        self.shipped.lower_below(hlc);
        self.backlog.forget();
        // What is held later does not keep its node from being offered from there on: it is tried again behind that.
        if self
            .stopped
            .get(&hlc.node_id)
            .is_some_and(|stop| stop > hlc)
        {
            self.stopped.remove(&hlc.node_id);
        }
    }

    /// Everything is offered, whatever the peer was sent and says that it holds.
    pub(super) fn offer_all(&mut self) {
        self.known_at_peer = None;
        self.shipped = Watermarks::default();
        self.backlog.forget();
        self.offers_all = true;
    }

    /// Forgets what stopped nodes on their way out, so that the next round tries it again. Returns whether
    /// anything did.
    pub(super) fn try_outbound_again(&mut self) -> bool {
        let waits_here =
            |held: &Held<B>| held.direction == Direction::Outbound && !held.node_id.is_empty();
        let (again, rest): (Vec<_>, Vec<_>) = self.held.drain(..).partition(waits_here);
        self.held = rest;
        for held in &again {
            // What the peer refused has to be sent again.
            let at_peer = self
                .known_at_peer
                .as_ref()
                .and_then(|known| known.get(&held.node_id));
            let reached = self.shipped.get(&held.node_id).min(at_peer).cloned();
            self.shipped.set(held.node_id.clone(), reached);
            if self.refused.remove(&held.hlc) | self.is_hidden(held) {
                // Another item of that timestamp, or of a later one, is there, for which the peer answers.
                self.offers_all = true;
                self.shipped.lower_below(&held.hlc);
                if let Some(known) = &mut self.known_at_peer {
                    known.lower_below(&held.hlc);
                }
            }
            self.stopped.remove(&held.node_id);
            self.oversized.remove(&held.hlc);
        }
        self.superseded.keep();
        !again.is_empty()
    }

    /// Whether the item is held on its way out although the peer's watermark is past it: it came late here.
    fn is_hidden(&self, held: &Held<B>) -> bool {
        let at_peer = self.known_at_peer.as_ref();
        held.direction == Direction::Outbound
            && at_peer.is_some_and(|known| known.covers(&held.hlc))
    }

    /// Whether something is held that this round did not try.
    pub(super) fn has_untried(&self) -> bool {
        self.begun && !self.held.is_empty()
    }

    /// Whether the peer has been sent this item in this sweep, holds less of its node, and nothing newer
    /// explains it.
    pub(super) fn looks_refused(&self, item: &Item<B>) -> bool {
        self.shipped.covers(&item.hlc) && !self.superseded.is_known(item)
    }

    /// What the request says was seen.
    pub(super) fn advertised(&self, own: &Watermarks) -> Watermarks {
        let mut advertised = own.clone();
        advertised.merge(&self.received);
        advertised
    }

    /// What the own stores are asked for, given the persisted `peer` watermarks.
    pub(super) fn ask(&self, peer: &Watermarks, limit: usize) -> Ask {
        Ask {
            seen: self.known_at_peer.as_ref().unwrap_or(peer).clone(),
            skip: self.stopped.keys().cloned().collect(),
            upto: None,
            limit,
        }
    }

    /// Per node of `items` what they follow on, given the persisted `peer` watermarks.
    pub(super) fn floor_of(&self, items: &[Item<B>], peer: &Watermarks) -> Watermarks {
        let known = self.known_at_peer.as_ref().unwrap_or(peer);
        let floors = items.iter().filter_map(|item| {
            let node = &item.hlc.node_id;
            known.get(node).map(|hlc| (node.clone(), hlc.clone()))
        });
        floors.collect()
    }

    /// The question for what the peer refused, if its coverage leaves room for the suspicion.
    pub(super) fn ask_for_refused(&self, limit: usize) -> Option<Ask> {
        let known = self.known_at_peer.as_ref()?;
        if known.covers_all(&self.shipped) {
            return None;
        }
        Some(self.ask(known, limit))
    }
}
