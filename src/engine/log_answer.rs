//! What follows from what an answer says of logs, of the page that was sent, and of what the answer lacks. Nothing is
//! asked for it.

use std::collections::HashSet;

use crate::error::Error;
use crate::protocol::log::{Key, LogAnswer, PlaneAnswer};
use crate::protocol::message::{Answer, Refusal};

use super::held::{Direction, Held};
use super::outgoing::{One, Outgoing, SentPlane};
use super::pair::{Pair, Planes};
use super::planes::hash_of;
use super::session::{KnownPeer, Session, kind_of};
use super::stuck::{Lesson, Still, Stuck, Waits, is_record};

/// What became of the items that were sent. Returns how many of them the peer did not take in.
pub(super) fn learn_of_sent<B: Clone>(
    session: &mut Session<B>,
    out: &Outgoing<B>,
    (answer, told): (&Answer<B>, &LogAnswer),
    lesson: &mut Lesson<B>,
) -> usize {
    let mut refused = out.refused(&answer.refused);
    if told.refuses_more {
        // Any of the others may be one of those that are not named.
        let named: HashSet<Key> = refused.iter().map(|waits| waits.key.clone()).collect();
        let others = out.items.iter().filter(|one| !named.contains(&one.key));
        refused.extend(others.map(|one| {
            let what = "the peer refuses more than it names, and may not have taken this in";
            let error = Error::sync("exchange", what);
            Waits {
                seq: one.seq,
                key: one.key.clone(),
                held: Held::new(&one.item, Direction::Outbound, error),
            }
        }));
    }
    for one in &out.items {
        // What is new in the log waits only if it is held from now on.
        let at = (false, one.key.clone());
        if one.seq.is_none() || session.held.contains_key(&at) {
            session.tried.insert(at);
        }
        let is_refused = refused.iter().any(|waits| waits.key == one.key);
        if !is_refused && session.settle(Direction::Outbound, &one.key) {
            let settled = (Direction::Outbound, one.key.clone());
            lesson.settled.push(settled);
        }
    }
    for key in &out.gone {
        session.settle(Direction::Outbound, key);
        lesson.settled.push((Direction::Outbound, key.clone()));
    }
    let went: HashSet<&Key> = out.items.iter().map(|one| &one.key).collect();
    let is_done = |key: &Key| went.contains(key) || out.gone.contains(key);
    let held = &session.held;
    session
        .offer
        .retain(|key| !is_done(key) && !held.contains_key(&(false, key.clone())));
    let not_taken = refused.len();
    lesson.waits.extend(refused);
    not_taken
}

/// What the peer cannot send waits, each for the reason that is given. Returns the keys.
pub(super) fn learn_of_withheld<B: Clone>(
    told: &LogAnswer,
    reasons: Vec<Refusal>,
    lesson: &mut Lesson<B>,
) -> Vec<Key> {
    let keys = told.planes().flat_map(|plane| plane.withheld.iter());
    let keys: Vec<Key> = keys.cloned().map(Key::from).collect();
    let mut reasons = reasons.into_iter();
    for key in &keys {
        let unsaid = || Refusal::new(kind_of(key), None, String::new(), String::new());
        lesson.waits.push(Waits {
            seq: None,
            key: key.clone(),
            held: Held::withheld(reasons.next().unwrap_or_else(unsaid)),
        });
    }
    keys
}

/// The keys for which the answer had no room.
pub(super) fn unsent_of(told: &LogAnswer) -> impl Iterator<Item = Key> {
    let unsent = told.planes().flat_map(|plane| plane.unsent.iter());
    unsent.cloned().map(Key::from)
}

/// Whether the exchange moved anything.
pub(super) fn moved<B>(
    pairs: &Planes<Pair>,
    told: &LogAnswer,
    out: &Outgoing<B>,
    stuck: &Stuck,
) -> bool {
    let of = |pair: &Option<Pair>,
              told: &Option<PlaneAnswer>,
              sent: &Option<SentPlane>,
              still: Still| {
        let (Some(pair), Some(told)) = (pair, told) else {
            return false;
        };
        let upto = still.out.unwrap_or(u64::MAX);
        let taken = told.cursor.as_ref().map_or(0, |cursor| cursor.seq);
        // A page that all of was refused has gone out as well.
        let went = sent
            .as_ref()
            .is_some_and(|sent| sent.upto.min(upto) > pair.have);
        told.have.min(upto) > pair.confirmed
            || (taken > pair.taken() && !still.inbound)
            || (went && !out.stays)
    };
    of(&pairs.records, &told.records, &out.records, stuck.records)
        || of(&pairs.rows, &told.rows, &out.rows, stuck.rows)
}

/// Whether the peer has less of the own log than it had.
pub(super) fn lost(pairs: &Planes<Pair>, told: &LogAnswer) -> bool {
    let told = Planes {
        records: told.records.as_ref(),
        rows: told.rows.as_ref(),
    };
    let lost = pairs.as_ref().zip(told, |pair, told| {
        told.have < pair.confirmed || pair.is_of_another(told)
    });
    lost.iter().any(|lost| *lost)
}

/// What is known of the peer after its answer.
pub(super) fn remember<B: Clone>(
    session: &mut Session<B>,
    mut pairs: Planes<Pair>,
    told: LogAnswer,
    out: &Outgoing<B>,
    (is_whole, stuck): (bool, &Stuck),
) {
    let told_more = told.has_more();
    session.caught_up |= !told_more;
    session.heard_all = !told_more && !stuck.is_inbound();
    session.tells_alive |= told.alive.is_some();
    session.common = common(session.common.take(), &told, hash_of(&out.streams));
    let before = [&pairs.records, &pairs.rows].map(|pair| pair.as_ref().map_or(0, |p| p.have));
    update(&mut pairs, told, out, (is_whole, stuck));
    if !session.expects_by_key() {
        let is_new =
            |one: &One<_>, of_records| one.seq.is_some() && is_record(&one.key) == of_records;
        let went = [true, false].map(|of| out.items.iter().any(|one| is_new(one, of)));
        session.met.hear(before, &pairs, went);
    }
    session.peer = KnownPeer::Logged(Box::new(pairs));
}

/// How far both logs got.
fn update<B>(
    pairs: &mut Planes<Pair>,
    told: LogAnswer,
    out: &Outgoing<B>,
    (is_whole, stuck): (bool, &Stuck),
) {
    for (pair, told, sent, still) in [
        (
            &mut pairs.records,
            told.records,
            &out.records,
            stuck.records,
        ),
        (&mut pairs.rows, told.rows, &out.rows, stuck.rows),
    ] {
        let (Some(pair), Some(told), Some(sent)) = (pair.as_mut(), told, sent) else {
            continue;
        };
        // Of a page that was taken in but for what waits now, the rest need not go again.
        let is_lost = told.have < pair.confirmed;
        pair.have = if is_whole || is_lost || out.stays {
            told.have
        } else {
            sent.upto.max(told.have)
        };
        pair.confirmed = told.have;
        if let Some(upto) = still.out {
            pair.have = pair.have.min(upto);
            pair.confirmed = pair.confirmed.min(upto);
        }
        pair.id = told.id;
        pair.history = told.history;
        pair.own = sent.history.head().cloned();
        if still.inbound {
            continue;
        }
        pair.cursor = told.cursor;
    }
}

/// The names of the streams that both sides have, if they are not all of both.
fn common(
    known: Option<(u64, u64, Vec<String>)>,
    told: &LogAnswer,
    own: u64,
) -> Option<(u64, u64, Vec<String>)> {
    if told.streams == own {
        return None;
    }
    match (&told.stream_names, known) {
        (Some(both), _) => Some((own, told.streams, both.clone())),
        (None, Some(known)) if (known.0, known.1) == (own, told.streams) => Some(known),
        _ => Some((own, told.streams, Vec::new())),
    }
}
