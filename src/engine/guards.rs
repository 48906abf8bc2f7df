//! What keeps an exchange by watermarks safe where their assumptions do not hold.
//!
//! A watermark stands for all that its node wrote up to it. That is so while every node's timestamps reach every
//! store in their order, each node id is in one place, clocks never go back, and a store and the state beside it
//! are of one age. A machine without fault can break each of these: its clock is set right, it is cloned, its
//! database is put back. So an engine does, once, before its first round:
//!
//! - its clock hears of all that is known here, and stamps later than that;
//! - of what the own watermarks say was taken in, only what the own stores still hold counts, if the peer has more;
//! - if the clock has stamped before what the peer was shipped of the own node, the own node is offered again from as
//!   far back as such a clock can have been.
//!
//! And in every round:
//!
//! - of what the peer says that it holds of the own node, only what was shipped from here counts: another machine may
//!   have brought the rest there under the same id;
//! - what a store was given late is offered again.
//!
//! To offer again costs a page: the peer has it, and says so by its coverage. To believe too much loses it.

use crate::error::{Error, ErrorKind};
use crate::protocol::hlc::{Hlc, NodeId, too_far_ahead};
use crate::protocol::log::LogPositions;
use crate::protocol::watermarks::Watermarks;

use super::node_ids::NodeIds;
use super::ports::{AppRows, Clock, Late, Log, Records, Side};

/// What an engine remembers for its guards, for as long as it lives.
#[derive(Debug, Default)]
pub struct Guards {
    /// Whether the stores were looked at.
    pub(super) looked: bool,
    /// Whether the clock has not yet heard of what a page met.
    pub(super) hears: bool,
    /// The own node, if the clock says it.
    pub(super) node: Option<NodeId>,
    /// Of the own node, what the peer is known to have got from here. Without state nothing else remembers it.
    pub(super) reached: Watermarks,
    /// How many late timestamps were seen, of records and of rows.
    pub(super) late: (u64, u64),
    /// What is offered again, from these timestamps on, until that is persisted.
    pub(super) offered_again: Vec<Hlc>,
    /// Nodes of which the own stores hold less than was taken in, with what they hold.
    pub(super) doubted: Vec<(NodeId, Option<Hlc>)>,
    /// How far logs were looked at, and whether the state keeps that, once it was asked.
    pub(super) logs: Option<(LogPositions, bool)>,
    /// The nodes that items came of.
    pub(super) nodes: NodeIds,
    /// Whether the peer holds something that was taken for seen.
    asks_again: bool,
}

impl Guards {
    /// Of what the peer says that it holds, what counts: of the own node no more than was `shipped` from here, or was
    /// `received` from there while everything earlier was shipped, by a round that began at `began_ms`.
    pub(super) fn bound<'a>(
        &'a self,
        claimed: &mut Watermarks,
        shipped: [&'a Watermarks; 2],
        received: impl Iterator<Item = &'a Hlc>,
        began_ms: u64,
    ) {
        let Some(node) = &self.node else {
            return;
        };
        let shipped = shipped.into_iter().chain([&self.reached]);
        // What is stamped here while the round runs is not earlier than its begin.
        let received = received.filter(|hlc| hlc.node_id == *node && hlc.wall_time < began_ms);
        let reached = shipped.filter_map(|marks| marks.get(node)).chain(received);
        let counts = claimed.get(node).min(reached.max()).cloned();
        claimed.set(node.clone(), counts);
    }

    /// Brings `own` watermarks, and what was `received`, down to what the own stores hold, if the peer holds more or
    /// cannot say: a newer version of another node may have taken the place of what is missing, and then there is
    /// nothing to ask for.
    pub(super) fn confirm(
        &mut self,
        own: &mut Watermarks,
        received: &mut Watermarks,
        coverage: Option<&Watermarks>,
    ) {
        for (node, held) in &self.doubted {
            if coverage.is_none_or(|peer| peer.get(node) > held.as_ref()) {
                own.set(node.clone(), held.clone());
                received.set(node.clone(), held.clone());
                self.asks_again = true;
            }
        }
    }

    /// Whether the clock has to hear of what the first page met, in stores that cannot say what they hold. Says so once.
    pub(super) fn hears_of_the_page(&mut self) -> bool {
        std::mem::take(&mut self.hears)
    }

    /// Something has to be asked for again.
    pub(super) fn ask_again(&mut self) {
        self.asks_again = true;
    }

    /// Whether something has to be asked for again. Says so once.
    pub(super) fn asks_again(&mut self) -> bool {
        std::mem::take(&mut self.asks_again)
    }

    /// Notes what the peer is known to hold.
    pub(super) fn note_reached(&mut self, peer: &Watermarks) {
        if let Some(node) = &self.node {
            self.reached.set(node.clone(), peer.get(node).cloned());
        }
    }

    /// The watermarks of a round are persisted. Until then what was found out stands.
    pub(super) fn persisted(&mut self) {
        self.offered_again.clear();
        self.doubted.clear();
    }
}

/// Lets the clock of a side hear of the greatest timestamp that is known, so that it stamps later. What is past by the
/// system's clock needs no hearing. What lies too far in the future is not heard: a clock that is wrong would stay so.
pub(super) async fn hear<'a, S: Side>(
    side: &S,
    known: impl Iterator<Item = &'a Watermarks>,
    max_skew_ms: Option<u64>,
) {
    let now_ms = side.clock().app_ms();
    let stamps = known.flat_map(|marks| marks.iter().map(|(_, hlc)| hlc));
    let heard =
        stamps.filter(|hlc| hlc.wall_time >= now_ms && !too_far_ahead(hlc, now_ms, max_skew_ms));
    if let Some(greatest) = heard.max()
        && let Err(error) = side.clock().receive(greatest).await
    {
        let message = "the clock could not be told of what is known already";
        side.log().warn(message, Some(&error));
    }
}

/// What the stores of a side were given late, after the first so many times, and how many times that is now. Says so
/// once for each store and node.
pub(super) fn late_of<S: Side>(side: &S, known: (u64, u64)) -> (Vec<Hlc>, (u64, u64)) {
    let records = side
        .records()
        .map_or_else(Late::default, |records| records.late(known.0));
    let rows = side
        .rows()
        .map_or_else(Late::default, |rows| rows.late(known.1));
    for node in records.untold.iter().chain(&rows.untold) {
        let error = Error::new(
            ErrorKind::StaleTimestamp,
            "store a version",
            "stamp each version when it is stored, with the one clock of its node",
        );
        side.log().warn(
            &format!(
                "node {node:?} stored a version that is stamped at or before what it had stored already; a peer that \
                 goes by watermarks may take it for seen"
            ),
            Some(&error),
        );
    }
    let count = (known.0.max(records.count), known.1.max(rows.count));
    let stamps = records.stamps.into_iter().chain(rows.stamps);
    (stamps.collect(), count)
}
