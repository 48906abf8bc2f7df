//! What an engine looks at before its first round, and what it offers again: the acts of its [guards](super::guards).

use crate::error::{Error, Result};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::watermarks::Watermarks;

use super::caller::Engine;
use super::guards::{Guards, hear, late_of};
use super::outbound::coverage;
use super::ports::{AppRows, Blobs, Clock, Events, Exchange, Log, Records, Side, State};
use super::session::Session;
use super::sweep::Sweep;

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
            sweep.offers_all = true;
            guards.offered_again.push(hlc);
        }
        for hlc in &guards.offered_again {
            peer.lower_below(hlc);
            guards.reached.lower_below(hlc);
        }
        sweep.guards = guards;
        peer
    }

    /// Before the first round by logs the clock hears of what the own stores hold, and says whose it is. That is all
    /// that such a round needs of this: a log vouches for itself.
    pub(super) async fn clock_hears(&self, session: &mut Session<S::Body>) {
        if session.clock_has_heard {
            return;
        }
        session.node = self.next_stamp().await.map(|stamp| stamp.node_id);
        if let Some(held) = self.held().await {
            session.clock_has_heard = true;
            hear(&self.side, held.iter(), self.options.max_clock_skew_ms).await;
        }
    }

    async fn next_stamp(&self) -> Option<Hlc> {
        self.side.clock().next().await.unwrap_or_else(|error| {
            let message = "the clock does not say whose it is";
            self.side.log().warn(message, Some(&error));
            None
        })
    }

    /// What the own stores hold, if they can say that at all; `None` if they failed, which is warned of.
    async fn held(&self) -> Option<Option<Watermarks>> {
        let warn = |error: &Error| {
            let message = "getNodeWatermarks failed; the next round asks again what is held here";
            self.side.log().warn(message, Some(error));
        };
        coverage(&self.side).await.inspect_err(warn).ok()
    }

    /// Looks at the clock and at the stores. What fails is warned of.
    async fn look(&self, guards: &mut Guards, own: &Watermarks, peer: &Watermarks) {
        let stamp = self.next_stamp().await;
        let held = self.held().await;
        guards.looked = held.is_some();
        let held = held.flatten();
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
