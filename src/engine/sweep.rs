//! What a caller remembers between the rounds of one sweep.
//!
//! A sweep offers everything once. What was received is advertised as seen, held or not; what was
//! shipped, or is held here, is not offered again. So an item that cannot be taken in, or whose object
//! is lost, fills no second page. The sweep ends with the round after which neither side has more; the
//! next one starts from the persisted watermarks and tries again what was held. None of this is
//! persisted: after a restart a sweep begins.

use std::collections::{HashMap, HashSet};

use crate::protocol::delta::{Ask, Backlog, ContiguousPrefix};
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

/// What a round found out.
pub(super) struct Learned {
    /// The page that was offered: what went, and where each node stopped.
    pub shipped: ContiguousPrefix,
    /// Everything that the answer held.
    pub received: Vec<Hlc>,
    /// What of it is here whole.
    pub taken_in: ContiguousPrefix,
    /// Nodes that the strict order stops.
    pub gapped: HashSet<NodeId>,
    /// What the items that were shipped follow on.
    pub shipped_after: Watermarks,
    /// What the peer says it holds.
    pub coverage: Option<Watermarks>,
    /// When it began, in milliseconds since the epoch.
    pub began_ms: u64,
    /// The last item of the page that was offered.
    pub horizon: Option<Hlc>,
    /// Whether the page left items out.
    pub more: bool,
    /// Whether a table could not be scanned.
    pub blind: bool,
    /// Whether this side keeps logs. What a page left out may then have come behind what the peer says that it holds, and
    /// was no news to the log when it was looked at: it is offered, whatever the peer says.
    pub keeps_logs: bool,
}

impl Learned {
    /// Whether everything earlier that the peer lacks was on the page that was offered.
    fn is_before_what_was_left_out(&self, hlc: &Hlc) -> bool {
        !self.more || self.horizon.as_ref().is_some_and(|end| hlc <= end)
    }
}

/// What is known after a round.
pub(super) struct Known {
    /// Own watermarks to persist.
    pub own: Watermarks,
    /// Peer watermarks to persist.
    pub peer: Watermarks,
    /// The peer holds less than what was shipped follows on.
    pub peer_lost: bool,
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

    /// Takes in what a round found out, given the watermarks that stand.
    pub(super) fn learn(&mut self, own: &Watermarks, peer: &Watermarks, round: Learned) -> Known {
        let mut own_after = own.clone();
        for (node, reached) in round.taken_in.unbroken().iter() {
            if !self.broken.contains(node) {
                own_after.advance(reached);
            }
        }
        let known = self.known_after(peer, &round);
        self.shipped.merge(&round.shipped.unbroken());
        self.received.merge(&newest(&round.received));
        for (node, gap) in round.shipped.gaps() {
            self.stopped
                .entry(node.clone())
                .or_insert_with(|| gap.clone());
        }
        self.broken.extend(round.taken_in.gaps().keys().cloned());
        self.guards
            .confirm(&mut own_after, &mut self.received, round.coverage.as_ref());
        let peer_lost = self.rewind(&round);
        self.gapped = round.gapped;
        self.blind |= round.blind;
        let peer_after = self.bound_peer(peer, &known);
        self.guards.note_reached(&peer_after);
        self.known_at_peer = Some(known);
        self.offers_all &= round.more;
        Known {
            own: own_after,
            peer: peer_after,
            peer_lost,
        }
    }

    /// What was shipped does not count if it followed on something that the peer does not have: the peer
    /// left it out, and it is offered again behind what is missing.
    fn rewind(&mut self, round: &Learned) -> bool {
        let Some(coverage) = &round.coverage else {
            return false;
        };
        let mut any = false;
        for (node, floor) in round.shipped_after.iter() {
            let was_earlier = |before: &Hlc| before <= floor;
            // A peer that refuses something may say of its node no more than that.
            let gap = round.shipped.gaps().get(node);
            if gap.is_some_and(|gap| self.refused.contains(gap)) {
                continue;
            }
            if coverage.covers(floor) || self.rewound.get(node).is_some_and(was_earlier) {
                continue;
            }
            self.rewound.insert(node.clone(), floor.clone());
            self.shipped.set(node.clone(), coverage.get(node).cloned());
            any = true;
        }
        any
    }

    /// What the peer is known to hold after a round: what it says, or, of a peer that does not say, what
    /// it was sent and what it sent. If the offered page left items out, what the peer sent counts only up to
    /// the end of that page, because those items lie behind it.
    fn known_after(&self, peer: &Watermarks, round: &Learned) -> Watermarks {
        let before = self.known_at_peer.as_ref().unwrap_or(peer);
        let shipped = round.shipped.unbroken();
        let received = || {
            let all = round.received.iter();
            all.filter(|hlc| round.is_before_what_was_left_out(hlc))
        };
        let by_own_account = || {
            let mut known = before.clone();
            known.merge(&shipped);
            received().for_each(|hlc| known.advance(hlc));
            known
        };
        let mut known = match round.coverage.clone() {
            None => by_own_account(),
            Some(coverage) if round.more && (self.offers_all || round.keeps_logs) => {
                let mut known = by_own_account();
                known.lower_to(&coverage);
                known
            }
            Some(coverage) => coverage,
        };
        let guards = &self.guards;
        guards.bound(&mut known, [before, &shipped], received(), round.began_ms);
        known
    }

    /// The peer watermarks to persist: never past an item that is held on its way out or that the peer may lack, and
    /// not up at all if a table could not be scanned.
    fn bound_peer(&self, persisted: &Watermarks, known: &Watermarks) -> Watermarks {
        let bound = |(node, hlc): (&NodeId, &Hlc)| {
            let before = persisted.get(node);
            let mut reached = Some(hlc);
            let lacking = self.superseded.perhaps_lacking();
            let lacking = lacking.filter(|hlc| hlc.node_id == *node);
            let stop = self.stopped.get(node).into_iter().chain(lacking).min();
            if let Some(stop) = stop.filter(|stop| hlc >= *stop) {
                let known_before_stop = [before, self.shipped.get(node)].into_iter().flatten();
                reached = known_before_stop.filter(|hlc| *hlc < stop).max();
            }
            if self.blind {
                reached = reached.min(before);
            }
            reached.map(|hlc| (node.clone(), hlc.clone()))
        };
        known.iter().filter_map(bound).collect()
    }
}

fn newest(hlcs: &[Hlc]) -> Watermarks {
    let mut newest = Watermarks::default();
    for hlc in hlcs {
        newest.advance(hlc);
    }
    newest
}
