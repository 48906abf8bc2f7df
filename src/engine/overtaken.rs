//! A caller without change logs, and a peer that keeps them.
//!
//! Such a caller goes by watermarks, which stand for all that a node wrote up to them. In a log versions may come in
//! another order: an item that waited for its object comes behind what its node wrote later, and records and rows are
//! sent side by side. So the peer tells the caller how far it has seen the logs, and which nodes' timestamps came into
//! them since then behind later ones that the caller had seen already. From there on the caller asks again. How far it
//! has seen the logs is persisted beside its watermarks, by states that keep it.
//!
//! The twin: a caller with logs, and a peer that keeps none. What comes into the own logs behind what that peer was
//! offered, it is offered again from there on. How far the own logs were looked at for it is persisted likewise.

use std::collections::HashMap;

use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::ItemKind;
use crate::protocol::log::{Cursor, Generation, LogAnswer, LogPositions, Overtaken, Seen};
use crate::protocol::watermarks::Watermarks;

use super::arrival::Arrival;
use super::caller::Engine;
use super::change_log::{After, Look, View};
use super::inbound::Inbound;
use super::pair::Planes;
use super::planes::{hear_of_plain, keeps_logs, look};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::sweep::Sweep;

/// The most entries of a log that are looked at for one answer.
const MOST_LOOKED_AT: usize = 10_000;

/// The versions that came with a message and are new here, as far as they can be told apart without their keys: how many
/// of each. What was `sent` there is not new.
pub(super) type Brought = HashMap<(ItemKind, Hlc), usize>;

pub(super) fn brought<B>(arrivals: &[Arrival<B>], sent: &Watermarks) -> Brought {
    let mut brought = Brought::new();
    let is_new = |arrival: &&Arrival<B>| arrival.is_applied() && !sent.covers(&arrival.item.hlc);
    for Arrival { item, .. } in arrivals.iter().filter(is_new) {
        let version = (item.kind.clone(), item.hlc.clone());
        *brought.entry(version).or_default() += 1;
    }
    brought
}

/// What a caller without logs is told of those of `side`, if that keeps any. It must be asked after what the request
/// `brought` was taken in, and before the page of the answer is gathered: what comes in between is told once more then,
/// and not passed over.
pub(super) async fn overtaken<S: Side>(
    side: &S,
    (marks, seen): (&Watermarks, &Seen),
    brought: Brought,
) -> Result<Option<Overtaken>> {
    if !keeps_logs(side) {
        return Ok(None);
    }
    hear_of_plain(side).await?;
    let views = look(side, questions(seen)).await?;
    Ok(Some(overtaken_in(&views, (marks, seen), brought)))
}

/// What is asked of the own logs for it.
pub(super) fn questions(seen: &Seen) -> Planes<Look> {
    let question = |seen: &Option<Cursor>| Look {
        after: match seen {
            Some(cursor) => After::Common(vec![cursor.clone()]),
            None => After::Seq(u64::MAX),
        },
        limit: MOST_LOOKED_AT,
        history: usize::MAX,
        ..Look::default()
    };
    Planes {
        records: Some(question(&seen.records)),
        rows: Some(question(&seen.rows)),
    }
}

/// What is told by these views of the own logs.
pub(super) fn overtaken_in<B>(
    views: &Planes<View<B>>,
    (marks, seen): (&Watermarks, &Seen),
    mut brought: Brought,
) -> Overtaken {
    let mut told = Overtaken {
        more: views.iter().any(|view| view.more),
        ..Overtaken::default()
    };
    for item in views
        .iter()
        .flat_map(|view| view.items.iter().map(|(_, keyed)| &keyed.item))
        .filter(|item| marks.covers(&item.hlc))
    {
        let version = (item.kind.clone(), item.hlc.clone());
        if let Some(count) = brought.get_mut(&version).filter(|count| **count > 0) {
            *count -= 1;
            continue;
        }
        let node = &item.hlc.node_id;
        if told.again.get(node).is_none_or(|least| item.hlc < *least) {
            told.again.set(node.clone(), Some(item.hlc.clone()));
        }
    }
    let lacks = |view: &Option<View<B>>, seen: &Option<Cursor>| {
        let both = view.as_ref().zip(seen.as_ref());
        both.is_some_and(|(view, seen)| {
            seen.generation.name() != NO_GENERATION && !view.history.has(seen)
        })
    };
    told.is_other = lacks(&views.records, &seen.records) || lacks(&views.rows, &seen.rows);
    told.seen = Seen {
        records: views.records.as_ref().and_then(end_of),
        rows: views.rows.as_ref().and_then(end_of),
    };
    told
}

/// The stretch of a log in which nothing was written yet.
const NO_GENERATION: &str = "0";

/// Up to where a log was looked at. One in which nothing was written yet has a beginning too: what comes next has then
/// been seen from there on.
fn end_of<B>(view: &View<B>) -> Option<Cursor> {
    let begin = || Generation::new(NO_GENERATION).map(|generation| Cursor { generation, seq: 0 });
    view.history.at(view.upto).or_else(begin)
}

/// Whether a log is looked at that was not looked at before.
fn is_first_look(before: &Seen, now: &Seen) -> bool {
    let is_new = |before: &Option<Cursor>, now: &Option<Cursor>| before.is_none() && now.is_some();
    is_new(&before.records, &now.records) || is_new(&before.rows, &now.rows)
}

pub(super) fn answer_of(told: Overtaken) -> Box<LogAnswer> {
    Box::new(LogAnswer {
        overtaken: Some(told),
        ..LogAnswer::default()
    })
}

/// What is persisted of an exchange by watermarks. How far logs were looked at is persisted with watermarks that what was
/// found there has been taken from, never without: a program that ends here knows then what has to be offered, and which
/// logs its watermarks speak of.
#[derive(Debug, Clone, Default)]
pub(super) struct Persisted {
    /// The own watermarks.
    pub(super) own: Watermarks,
    /// The peer's.
    pub(super) peer: Watermarks,
    /// How far logs were looked at.
    pub(super) logs: LogPositions,
    /// Whether that outlasts the engine. If not, what came late before its first round is not known, and is not asked for.
    pub(super) keeps_logs: bool,
}

impl<B> Sweep<B> {
    /// Takes in what the peer `told` a caller that had `advertised` these watermarks. What has to be asked for, or
    /// offered, again is taken from those that are to be persisted.
    fn hear_of_overtaken(&mut self, now: &mut Persisted, advertised: &Watermarks, told: Overtaken) {
        let is_first = is_first_look(&now.logs.seen, &told.seen);
        // What came in late before the peer told of its logs is not known: everything is asked for once more.
        let begins_anew = told.is_other || (is_first && now.keeps_logs && !advertised.is_empty());
        if begins_anew {
            now.own = Watermarks::default();
            self.received = Watermarks::default();
        }
        if told.is_other {
            now.peer = Watermarks::default();
            self.offer_all();
        }
        for (_, hlc) in told.again.iter() {
            now.own.lower_below(hlc);
            self.received.lower_below(hlc);
        }
        if begins_anew || told.more || !told.again.is_empty() {
            self.guards.ask_again();
        }
        now.logs.seen = told.seen;
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
    /// Takes in what the peer `told` of its logs, and looks once more at the own ones, if the answer brought anything.
    pub(super) async fn learn_of_late(
        &self,
        sweep: &mut Sweep<S::Body>,
        now: &mut Persisted,
        (advertised, told): (&Watermarks, Option<Overtaken>),
        inbound: &Inbound<S::Body>,
    ) -> Result<()> {
        // What is not persisted is asked for from nothing by every sweep.
        if let Some(told) = told.filter(|_| self.state.is_some()) {
            sweep.hear_of_overtaken(now, advertised, told);
        }
        let brought = brought(&inbound.arrivals, &sweep.shipped);
        if !inbound.arrivals.is_empty() && self.offer_late(sweep, now, brought).await? {
            sweep.guards.ask_again();
        }
        Ok(())
    }

    /// Looks for what came into the own logs behind what the peer is known to hold and was offered, but for what it has
    /// just `brought`. It is offered again, and taken from the peer's watermarks; if the logs are not those that were
    /// looked at before, everything is offered and asked for again. Returns whether anything was found.
    pub(super) async fn offer_late(
        &self,
        sweep: &mut Sweep<S::Body>,
        now: &mut Persisted,
        brought: Brought,
    ) -> Result<bool> {
        // What is not persisted is offered from nothing by every sweep.
        if self.state.is_none() {
            return Ok(false);
        }
        let mut marks = now.peer.clone();
        marks.merge(&sweep.shipped);
        if let Some(at_peer) = &sweep.known_at_peer {
            marks.merge(at_peer);
        }
        let Some(late) = overtaken(&self.side, (&marks, &now.logs.offered), brought).await? else {
            return Ok(false);
        };
        // The stores were put back, or are others, or it is not known whether they are those that the watermarks speak
        // of: what the peer had from them, and they from it, is not known. All of it is offered, and asked for, once.
        let begins_anew =
            late.is_other || (now.keeps_logs && is_first_look(&now.logs.offered, &late.seen));
        if begins_anew {
            now.own = Watermarks::default();
            now.peer = Watermarks::default();
            sweep.received = Watermarks::default();
            sweep.offer_all();
        }
        for (_, hlc) in late.again.iter() {
            now.peer.lower_below(hlc);
            sweep.offer_again(hlc);
            sweep.guards.reached.lower_below(hlc);
        }
        if late.more {
            sweep.guards.ask_again();
        }
        if late.seen != now.logs.offered {
            // Others write here too: what a pass found before is not all that there is.
            sweep.backlog.forget();
        }
        let found = begins_anew || !late.again.is_empty();
        sweep.offers_all |= found;
        now.logs.offered = late.seen;
        Ok(found)
    }
}
