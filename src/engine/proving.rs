//! Whether both sides hold the same, and what is done if they do not.

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{Cursor, Digest, Key};

use super::arrival::Arrival;
use super::caller::Engine;
use super::change_log::{After, Heard, Look, Proof, View};
use super::differences::Thoroughly;
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};
use super::planes::{PlaneStreams, counted_of, ends_of, hear_of, look, names_of, streams_of};
use super::ports::{AppRows, Blobs, Clock, Events, Exchange, Log, Records, Side, State};
use super::reconcile::bars_route;
use super::round::Report;
use super::session::{KnownPeer, RECONCILE_AFTER_MS, Session};

/// The number that a log ends with.
fn end_of(end: Option<&Cursor>) -> u64 {
    end.map_or(0, |end| end.seq)
}

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
        (theirs, applied): (Option<(Digest, Option<Digest>)>, bool),
        out: &Outgoing<S::Body>,
        report: &mut Report<S::Body>,
    ) -> Result<bool> {
        let Some((theirs, alive)) = theirs else {
            // The names of both sides' streams have to be known first.
            return Ok(session.common.is_some() && !out.tells_names);
        };
        let behind = if applied {
            let Some(views) = self.look_behind(session).await? else {
                return Ok(true);
            };
            Some(views)
        } else {
            None
        };
        let (streams, ends) = match &behind {
            Some(views) => (streams_of(views), ends_of(views)),
            None => (out.streams.clone(), out.ends()),
        };
        let counted = counted_of(&streams, session.meant());
        let ours = counted.all;
        session.compared = Some((ours, theirs));
        let waits = !session.held.is_empty();
        let are_same = ours == theirs;
        let are_same_alive = alive == Some(counted.alive());
        if are_same || are_same_alive {
            report.in_sync = Some(!waits);
            self.note_proof(session, (are_same, waits), &ends, &streams)
                .await;
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

    /// Notes that both sides hold the same, or the same alive. If that cannot be noted, less is purged.
    async fn note_proof(
        &self,
        session: &mut Session<S::Body>,
        (are_same, waits): (bool, bool),
        ends: &Planes<Option<Cursor>>,
        streams: &PlaneStreams,
    ) {
        let KnownPeer::Logged(pairs) = &session.peer else {
            return;
        };
        let names = match session.meant() {
            Some(names) => names.to_vec(),
            None => names_of(streams),
        };
        let heard = |(pair, own): (&Pair, &Option<Cursor>)| Heard {
            id: Some(pair.id.clone()),
            history: pair.history.clone(),
            common: names.clone(),
            own: own.clone(),
            proof: if are_same {
                Proof::Same(end_of(own.as_ref()))
            } else if waits {
                Proof::None
            } else {
                Proof::Alive(pair.confirmed.min(end_of(own.as_ref())))
            },
            ..Heard::default()
        };
        let heard = Planes {
            records: pairs.records.as_ref().zip(ends.records.as_ref()).map(heard),
            rows: pairs.rows.as_ref().zip(ends.rows.as_ref()).map(heard),
        };
        match hear_of(&self.side, heard).await {
            Ok(even) => session.even = even,
            Err(error) => {
                tracing::debug!(%error, "that both sides hold the same could not be noted");
            }
        }
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
    /// machine writes with the same node id. Where tombstones were purged, an older item may be one of them that comes back.
    pub(super) async fn look_for_a_twin(
        &self,
        session: &mut Session<S::Body>,
        arrivals: &[Arrival<S::Body>],
        has_purged: bool,
    ) {
        let Some(own) = session.node.clone() else {
            return;
        };
        if session.told_of_twin || !session.had_items {
            return;
        }
        let is_of_twin =
            |arrival: &&Arrival<S::Body>| arrival.item.hlc.node_id == own && arrival.is_applied();
        let of_twin = arrivals.iter().filter(is_of_twin);
        let newest = of_twin.max_by(|a, b| a.item.hlc.cmp(&b.item.hlc));
        if let Some(arrival) = newest
            && (!has_purged || self.is_newest_of_node(&arrival.item).await)
        {
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

    /// Whether nothing that its node wrote later is in the store of an item: what is purged never is the newest. Where that
    /// cannot be read, it is not known to be.
    async fn is_newest_of_node(&self, item: &Item<S::Body>) -> bool {
        let held = match &item.kind {
            ItemKind::Record(_) => match self.side.records() {
                Some(records) => records.coverage().await,
                None => return false,
            },
            ItemKind::Row(table) => match self.side.rows() {
                Some(rows) => rows.coverage(table).await,
                None => return false,
            },
        };
        held.is_ok_and(|held| held.get(&item.hlc.node_id) == Some(&item.hlc))
    }
}
