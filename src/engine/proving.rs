//! Whether both sides hold the same, and what is done if they do not.

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::log::{Digest, Key};

use super::apply::Arrival;
use super::caller::Engine;
use super::change_log::{After, Look, View};
use super::differences::Thoroughly;
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};
use super::planes::{digest_of, look, streams_of};
use super::ports::{Blobs, Clock, Events, Exchange, Log, Side, State};
use super::reconcile::bars_route;
use super::round::Report;
use super::session::{KnownPeer, RECONCILE_AFTER_MS, Session};

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Compares what both sides hold, and reconciles them if they are not equal. Returns whether more is to be
    /// exchanged, because something was written meanwhile.
    pub(super) async fn prove(
        &self,
        session: &mut Session<S::Body>,
        (theirs, applied): (Option<Digest>, bool),
        out: &Outgoing<S::Body>,
        report: &mut Report<S::Body>,
    ) -> Result<bool> {
        let Some(theirs) = theirs else {
            // The names of both sides' streams have to be known first.
            return Ok(session.common.is_some() && !out.tells_names);
        };
        let behind = if applied {
            let Some(views) = self.look_behind(session).await? else {
                return Ok(true);
            };
            Some(streams_of(&views))
        } else {
            None
        };
        let meant = session.common.as_ref().map(|(_, _, names)| &names[..]);
        let ours = digest_of(behind.as_ref().unwrap_or(&out.streams), meant);
        session.compared = Some((ours, theirs));
        let waits = !session.held.is_empty();
        if ours == theirs {
            report.in_sync = Some(!waits);
            return Ok(false);
        }
        // What waits makes the two differ. Whether anything else does is found out once for each state of both.
        if waits && session.explained == session.compared {
            return Ok(false);
        }
        let now = self.side.clock().system_ms();
        let is_early = session
            .reconciled_ms
            .is_some_and(|before| before <= now && now - before < RECONCILE_AFTER_MS);
        if is_early {
            return Ok(false);
        }
        session.reconciled_ms = Some(now);
        let message = format!(
            "this side holds {} items and the peer {}, and they are not the same ones, although neither has more to \
             send; the two are reconciled",
            ours.count, theirs.count
        );
        if !waits {
            self.side.log().warn(&message, None);
        }
        let how = Thoroughly {
            verify: !waits,
            offer_all: false,
        };
        let differing = match self.differences(how).await {
            Err(error) if bars_route(&error) => {
                let message = "what both sides hold cannot be compared; let the peer's server answer POST \
                               /sync/reconcile as well";
                self.side.log().warn(message, Some(&error));
                return Ok(false);
            }
            Err(error) => {
                session.reconciled_ms = None;
                return Err(error);
            }
            Ok(differing) => differing,
        };
        // What waits is known to differ, and has only its turn.
        let waits_for = |key: &Key| {
            let at = |inbound| session.held.contains_key(&(inbound, key.clone()));
            at(true) || at(false)
        };
        let mut keys = differing.want.iter().chain(&differing.offer);
        let is_news = keys.any(|key| !waits_for(key));
        let found = match self.bring_together(session, differing).await {
            Ok(found) => found,
            Err(error) => {
                session.reconciled_ms = None;
                return Err(error);
            }
        };
        session.explained = session.compared;
        if waits && is_news && found.applied + found.shipped > 0 {
            self.side.log().warn(&message, None);
        }
        report.applied += found.applied;
        report.shipped += found.shipped;
        report.in_sync = Some(found.in_sync);
        Ok(false)
    }

    /// What this side holds behind everything that the peer has or sent; `None` if the app wrote meanwhile.
    pub(super) async fn look_behind(
        &self,
        session: &Session<S::Body>,
    ) -> Result<Option<Planes<View<S::Body>>>> {
        let KnownPeer::Logged(pairs) = &session.peer else {
            return Ok(None);
        };
        let question = |pair: &Pair| Look {
            after: After::Seq(pair.have),
            skip: pair.history.clone(),
            ..Look::default()
        };
        let looks = Planes {
            records: pairs.records.as_ref().map(question),
            rows: pairs.rows.as_ref().map(question),
        };
        let views = look(&self.side, looks).await?;
        let more = views.iter().any(|view| view.more);
        Ok((!more).then_some(views))
    }

    /// An item of the own node that this side did not know, while the peer has everything of this side's log: another
    /// machine writes with the same node id.
    pub(super) fn look_for_a_twin(
        &self,
        session: &mut Session<S::Body>,
        arrivals: &[Arrival<S::Body>],
    ) {
        let Some(own) = session.node.clone() else {
            return;
        };
        if session.told_of_twin || !session.had_items {
            return;
        }
        let is_of_twin =
            |arrival: &&Arrival<S::Body>| arrival.item.hlc.node_id == own && arrival.is_applied();
        if let Some(arrival) = arrivals.iter().find(is_of_twin) {
            session.told_of_twin = true;
            let error = Error::new(
                ErrorKind::DuplicateNodeId,
                "exchange",
                "give each machine a node id of its own; what both wrote is kept",
            );
            let message = format!(
                "{} came from the peer under this machine's own node id {own:?}, and was not written here: another \
                 machine uses that id as well, or this one's data was put back to an older state",
                arrival.item.kind
            );
            self.side.log().warn(&message, Some(&error));
        }
    }
}
