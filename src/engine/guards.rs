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

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, NodeId, too_far_ahead};
use crate::protocol::watermarks::Watermarks;

use super::caller::Engine;
use super::outbound::coverage;
use super::ports::{AppRows, Blobs, Clock, Events, Exchange, Late, Log, Records, Side, State};
use super::sweep::{Learned, Sweep};

/// What an engine remembers for its guards, for as long as it lives.
#[derive(Debug, Default)]
pub struct Guards {
    /// Whether the stores were looked at.
    looked: bool,
    /// Whether the clock has not yet heard of what a page met.
    hears: bool,
    /// The own node, if the clock says it.
    node: Option<NodeId>,
    /// Of the own node, what the peer is known to have got from here. Without state nothing else remembers it.
    reached: Watermarks,
    /// How many late timestamps were seen, of records and of rows.
    late: (u64, u64),
    /// What is offered again, from these timestamps on, until that is persisted.
    offered_again: Vec<Hlc>,
    /// Nodes of which the own stores hold less than was taken in, with what they hold.
    doubted: Vec<(NodeId, Option<Hlc>)>,
    /// Whether the peer holds something of such a node.
    asks_again: bool,
}

impl Guards {
    /// Of what the peer says that it holds, what counts: of the own node no more than was `shipped` from here, or
    /// `received` from there while everything earlier was shipped.
    pub(super) fn bound(&self, claimed: &mut Watermarks, before: &Watermarks, round: &Learned) {
        let Some(node) = &self.node else {
            return;
        };
        let shipped = round.shipped.unbroken();
        let reached = [before, &self.reached, &shipped].map(|marks| marks.get(node));
        let received = round.received.iter().filter(|hlc| {
            hlc.node_id == *node && round.is_before_what_was_left_out(hlc)
                // What is stamped here while the round runs is not earlier than this.
                && hlc.wall_time < round.began_ms
        });
        let reached = reached.into_iter().flatten().chain(received).max();
        let counts = claimed.get(node).min(reached).cloned();
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

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// What counts of the persisted `peer` watermarks. The first round looks at clock and stores before that.
    pub(super) async fn guarded(
        &self,
        sweep: &mut Sweep<S::Body>,
        own: &Watermarks,
        mut peer: Watermarks,
    ) -> Watermarks {
        let mut guards = std::mem::take(&mut sweep.guards);
        if !guards.looked {
            self.look(&mut guards, own, &peer).await;
        }
        let (late, count) = late_of(&self.side, guards.late);
        guards.late = count;
        let is_own = |hlc: &Hlc| guards.node.as_ref().is_none_or(|node| hlc.node_id == *node);
        for hlc in late.into_iter().filter(is_own).collect::<Vec<_>>() {
            sweep.offer_again(&hlc);
            guards.offered_again.push(hlc);
        }
        for hlc in &guards.offered_again {
            peer.lower_below(hlc);
            guards.reached.lower_below(hlc);
        }
        sweep.guards = guards;
        peer
    }

    /// Looks at the clock and at the stores. What fails is warned of.
    async fn look(&self, guards: &mut Guards, own: &Watermarks, peer: &Watermarks) {
        let stamp = self.side.clock().next().await.unwrap_or_else(|error| {
            let message = "the clock does not say whose it is";
            self.side.log().warn(message, Some(&error));
            None
        });
        let held = match coverage(&self.side).await {
            Ok(held) => {
                guards.looked = true;
                held
            }
            Err(error) => {
                let message = "getNodeWatermarks failed; what was taken in is confirmed later";
                self.side.log().warn(message, Some(&error));
                None
            }
        };
        if let Some(held) = &held {
            guards.doubted = self.doubted(own, held).await;
        }
        let behind = stamp.as_ref().map(|stamp| self.clock_behind(stamp, peer));
        guards.offered_again.extend(behind.flatten());
        let known = [Some(own), Some(peer), held.as_ref()];
        let skew = self.options.max_clock_skew_ms;
        hear(&self.side, known.into_iter().flatten(), skew).await;
        guards.hears = held.is_none();
        guards.node = stamp.map(|stamp| stamp.node_id);
    }

    /// The nodes of which the own stores hold less than the `own` watermarks say, with what they hold.
    async fn doubted(&self, own: &Watermarks, held: &Watermarks) -> Vec<(NodeId, Option<Hlc>)> {
        let is_ahead = |(node, hlc)| held.get(node).is_some_and(|newest| newest > hlc);
        let below = if own.iter().any(is_ahead) {
            newest_upto(&self.side, own).await
        } else {
            Ok(None)
        };
        let below = below.unwrap_or_else(|error| {
            let message = "what this side has taken in could not be confirmed";
            self.side.log().warn(message, Some(&error));
            None
        });
        let mut doubted = Vec::new();
        for (node, hlc) in own.iter() {
            let newest = held.get(node);
            let confirmed = match &below {
                // What was written here since says nothing of what is before it.
                Some(below) if newest > Some(hlc) => below.get(node),
                _ => newest,
            };
            if confirmed < Some(hlc) {
                doubted.push((node.clone(), confirmed.cloned()));
            }
        }
        doubted
    }

    /// A clock that stamps before what was shipped of its node was set back, or forgot what it heard before a restart.
    /// Returns from where on its node is offered again: what was stamped like that may be of an earlier start, and is
    /// not before what a peer would have refused as too far ahead. A clock that is ahead of its node's timestamps is
    /// past them with its next one.
    fn clock_behind(&self, stamp: &Hlc, peer: &Watermarks) -> Option<Hlc> {
        let now_ms = self.side.clock().app_ms();
        let is_behind = |shipped: &&Hlc| stamp <= *shipped && shipped.wall_time >= now_ms;
        let shipped = peer.get(&stamp.node_id).filter(is_behind)?;
        self.side.log().warn(
            &format!(
                "the clock of node {:?} is behind what the node has shipped before; what it wrote since then is \
                 offered again. Give createHLCClock the node's stores as its `state`, so that it goes on where it was",
                stamp.node_id
            ),
            None,
        );
        let skew = self.options.max_clock_skew_ms.unwrap_or(u64::MAX);
        let wall_time = shipped.wall_time.saturating_sub(skew);
        Some(Hlc::new(wall_time, 0, stamp.node_id.clone()).min(stamp.clone()))
    }
}

async fn newest_upto<S: Side>(side: &S, marks: &Watermarks) -> Result<Option<Watermarks>> {
    let mut newest = Watermarks::default();
    if let Some(records) = side.records() {
        match records.newest_upto(marks).await? {
            Some(found) => newest.merge(&found),
            None => return Ok(None),
        }
    }
    if let Some(rows) = side.rows() {
        for table in rows.tables().await? {
            match rows.newest_upto(&table, marks).await? {
                Some(found) => newest.merge(&found),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(newest))
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
