//! Where a caller finds [conflicts](super::conflict): what it looks for as items come in, and what it notes of them.

use std::collections::HashSet;

use crate::protocol::hlc::NodeId;
use crate::protocol::item::Item;
use crate::protocol::log::{Key, key_of_record};
use crate::protocol::watermarks::Watermarks;

use super::apply_logged::{Applied, Source};
use super::caller::Engine;
use super::conflict::{Conflict, Unsent};
use super::inbound::Inbound;
use super::order_guard::OrderGuard;
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::session::Session;
use super::stuck::is_record;
use super::sweep::Sweep;

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// What met and was not told of, for an app that hears of it with what ran well: what fails leaves it to what runs
    /// next.
    pub(super) fn tell_conflicts(&self) -> Vec<Conflict<S::Body>> {
        self.session.borrow_mut().met.tell()
    }

    /// What is not persisted is not known from one sweep to the next, and every version would seem to be unsent.
    pub(super) fn guard(&self, sweep: &Sweep<S::Body>, stopped: HashSet<NodeId>) -> OrderGuard {
        let guard = OrderGuard::of_caller(self.options.strict_order, stopped);
        if self.state.is_none() {
            return guard;
        }
        let barred = self.session.borrow().met.barred.clone();
        guard.noting(sweep.sent.clone(), barred)
    }

    /// Notes what met: with what came in, what `went` out and had not been `sent` before, or was still to go.
    pub(super) fn note_met(
        &self,
        went: &[Item<S::Body>],
        sent: &Watermarks,
        inbound: &Inbound<S::Body>,
    ) {
        let keyed = |item| Some((key_of_record(item)?, item));
        let went = went.iter().filter(|item| !sent.covers(&item.hlc));
        let arrivals = inbound.arrivals.iter();
        let met = arrivals.clone().filter_map(|arrival| arrival.met.as_ref());
        let arrived = arrivals.filter_map(|arrival| Some((key_of_record(&arrival.item)?, arrival)));
        let own = went.chain(met).filter_map(keyed);
        self.session.borrow_mut().met.note(own, arrived, &[]);
    }

    /// Notes what met with what came in under these keys, and with what the peer withheld.
    pub(super) async fn note_conflicts(
        &self,
        session: &mut Session<S::Body>,
        out: &Outgoing<S::Body>,
        (keys, withheld): (&[Key], &[Key]),
        Applied { arrivals, met, .. }: &Applied<S::Body>,
    ) {
        // What went to the peer, or came from there, by watermarks: before both sides kept logs. If that cannot be read,
        // nothing did: one conflict more is told then, and none is missed.
        let mut exchanged = Watermarks::default();
        if let Some(state) = self.state.as_ref().filter(|_| !met.is_empty()) {
            exchanged.merge(&state.watermarks().await.unwrap_or_default());
            exchanged.merge(&state.peer_watermarks().await.unwrap_or_default());
        }
        let sent = out.items.iter().map(|one| (one.key.clone(), &one.item));
        let met = met.iter().filter(|met| !exchanged.covers(&met.item.hlc));
        let own = sent.chain(met.map(|met| (met.key.clone(), &met.item)));
        let arrived = keys.iter().cloned().zip(arrivals);
        session.met.note(own, arrived, withheld);
    }
}

/// Says how the versions are known that were not sent, of those that lie under these keys.
pub(super) fn ask_for_unsent<B: Clone>(
    session: &Session<B>,
    sources: &mut Planes<Source>,
    (pairs, out): (&Planes<Pair>, &Outgoing<B>),
    keys: &[Key],
) {
    let waits = |key: &&Key| {
        session.met.barred.contains(*key) || session.held.contains_key(&(false, (*key).clone()))
    };
    let [records, rows] = session.met.heard();
    for (is_records, source, pair, sent, heard) in [
        (
            true,
            &mut sources.records,
            &pairs.records,
            &out.records,
            records,
        ),
        (false, &mut sources.rows, &pairs.rows, &out.rows, rows),
    ] {
        let (Some(source), Some(pair), Some(sent)) = (source, pair, sent) else {
            continue;
        };
        let keys = || keys.iter().filter(|key| is_record(key) == is_records);
        source.unsent = Unsent {
            keys: keys().cloned().collect(),
            // What goes with this exchange is at hand.
            after: if heard == pair.have && !out.stays {
                sent.upto
            } else {
                heard
            },
            skip: pair.history.clone(),
            waiting: keys().filter(waits).cloned().collect(),
        };
    }
}
