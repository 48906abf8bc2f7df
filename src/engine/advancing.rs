//! How far the watermarks of both sides go after a round.

use std::collections::HashSet;

use crate::protocol::delta::ContiguousPrefix;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::watermarks::Watermarks;

use super::sweep::Sweep;

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
