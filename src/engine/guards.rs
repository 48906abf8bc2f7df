//! What keeps an exchange by watermarks safe where their assumptions do not hold.
//!
//! A watermark stands for all that its node wrote up to it. That is so while every node's timestamps reach every
//! store in their order, each node id is in one place, clocks never go back, and a store and the state beside it
//! are of one age. A machine without fault can break each of these: its clock is set right, it is cloned, its
//! database is put back. So an engine does, once, before its first round:
//!
//! - its clock hears of all that is known here, and stamps later than that;
//! - of what the own watermarks say was taken in, only what the own stores still hold counts;
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
    /// Whether the first round has begun.
    looked: bool,
    /// The own node, if the clock says it.
    node: Option<NodeId>,
    /// Of the own node, what the peer is known to have got from here. Without state nothing else remembers it.
    reached: Watermarks,
    /// How many late timestamps were seen, of records and of rows.
    late: (u64, u64),
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

    /// Notes what is persisted after a round.
    pub(super) fn note_reached(&mut self, peer: &Watermarks) {
        if let Some(node) = &self.node {
            self.reached.set(node.clone(), peer.get(node).cloned());
        }
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
    /// What counts of the persisted watermarks, which are brought down to it: own and peer's.
    ///
    /// # Errors
    /// What bringing them down failed with. What else fails is warned of.
    pub(super) async fn guarded(
        &self,
        sweep: &mut Sweep<S::Body>,
        (own, peer): (Watermarks, Watermarks),
    ) -> Result<(Watermarks, Watermarks)> {
        let (mut own_after, mut peer_after) = (own.clone(), peer.clone());
        let mut guards = std::mem::take(&mut sweep.guards);
        if !guards.looked {
            let stamp = self.own_stamp().await;
            let held = self.own_coverage().await;
            if let Some(held) = &held {
                self.confirm(&mut own_after, held).await;
            }
            if let Some(stamp) = &stamp {
                self.distrust_a_clock_behind(stamp, &mut peer_after);
            }
            let known = [Some(&own), Some(&peer), held.as_ref()];
            let skew = self.options.max_clock_skew_ms;
            hear(&self.side, known.into_iter().flatten(), skew).await;
            guards.node = stamp.map(|stamp| stamp.node_id);
        }
        let (late, count) = late_of(&self.side, guards.late);
        let offered_again = late
            .iter()
            .filter(|hlc| guards.node.as_ref().is_none_or(|node| hlc.node_id == *node));
        for hlc in offered_again {
            peer_after.lower_below(hlc);
            guards.reached.lower_below(hlc);
            sweep.offer_again(hlc);
        }
        let written = self
            .write_state((&own, &own_after), (&peer, &peer_after))
            .await;
        if written.is_ok() {
            guards.looked = true;
            guards.late = count;
        }
        sweep.guards = guards;
        written.map(|()| (own_after, peer_after))
    }

    async fn own_stamp(&self) -> Option<Hlc> {
        let stamp = self.side.clock().next().await;
        stamp.unwrap_or_else(|error| {
            let message = "the clock does not say whose it is";
            self.side.log().warn(message, Some(&error));
            None
        })
    }

    async fn own_coverage(&self) -> Option<Watermarks> {
        let held = coverage(&self.side).await;
        held.unwrap_or_else(|error| {
            let message =
                "getNodeWatermarks failed; what this side has taken in cannot be confirmed";
            self.side.log().warn(message, Some(&error));
            None
        })
    }

    /// Brings the own watermarks down to what the own stores hold. A newer version of another node may have taken
    /// the place of what is missing: then the peer has nothing to send again.
    async fn confirm(&self, own: &mut Watermarks, held: &Watermarks) {
        let is_ahead = |(node, hlc)| held.get(node).is_some_and(|newest| newest > hlc);
        let below = if own.iter().any(is_ahead) {
            self.newest_upto(own).await
        } else {
            None
        };
        let all: Vec<_> = own.iter().map(|(_, hlc)| hlc.clone()).collect();
        for hlc in all {
            let node = &hlc.node_id;
            let newest = held.get(node);
            let confirmed = if newest > Some(&hlc) {
                // What was written here since says nothing of what is before it.
                match &below {
                    Some(below) => below.get(node),
                    None => Some(&hlc),
                }
            } else {
                newest
            };
            if confirmed < Some(&hlc) {
                own.set(node.clone(), confirmed.cloned());
            }
        }
    }

    /// Per node of `marks` the newest of what the own stores hold up to there, if all of them can say it.
    async fn newest_upto(&self, marks: &Watermarks) -> Option<Watermarks> {
        let found = newest_upto(&self.side, marks).await;
        found.unwrap_or_else(|error| {
            let message = "what this side has taken in could not be confirmed";
            self.side.log().warn(message, Some(&error));
            None
        })
    }

    /// A clock that stamps before what was shipped of its node was set back, or is behind what it heard before a
    /// restart. What was stamped like that may be of an earlier start, and is not before what a peer would have
    /// refused as too far ahead.
    fn distrust_a_clock_behind(&self, stamp: &Hlc, peer: &mut Watermarks) {
        let Some(shipped) = peer.get(&stamp.node_id).filter(|shipped| stamp <= *shipped) else {
            return;
        };
        let skew = self.options.max_clock_skew_ms.unwrap_or(u64::MAX);
        let wall_time = shipped.wall_time.saturating_sub(skew);
        let from = Hlc::new(wall_time, 0, stamp.node_id.clone()).min(stamp.clone());
        self.side.log().warn(
            &format!(
                "the clock of node {:?} is behind what the node has shipped before; what it wrote since then is \
                 offered again. Give createHLCClock the node's stores as its `state`, so that it goes on where it was",
                stamp.node_id
            ),
            None,
        );
        peer.lower_below(&from);
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

/// Lets the clock of a side hear of the greatest timestamp that is known, so that it stamps later. One that lies too
/// far in the future is not heard: a clock that is wrong would stay so.
pub(super) async fn hear<'a, S: Side>(
    side: &S,
    known: impl Iterator<Item = &'a Watermarks>,
    max_skew_ms: Option<u64>,
) {
    let now_ms = side.clock().app_ms();
    let stamps = known.flat_map(|marks| marks.iter().map(|(_, hlc)| hlc));
    let heard = stamps.filter(|hlc| !too_far_ahead(hlc, now_ms, max_skew_ms));
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
