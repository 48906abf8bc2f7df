//! What an answer by logs says: of the items that were sent, of those that came, and how far both logs got.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Key, LogAnswer, PlaneAnswer, Stream};
use crate::protocol::message::{Answer, Refusal};

use super::apply::Arrival;
use super::apply_logged::{Rules, Source, apply_logged};
use super::caller::Engine;
use super::change_log::{Advance, Note, Waiting};
use super::held::{Direction, Held};
use super::inbound::Inbound;
use super::outgoing::{Outgoing, SentPlane};
use super::planes::{hash_of, keyed, note};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::round::Report;
use super::session::{Pair, Peer, Planes, Session, kind_of};
use super::step::Step;

/// What was taken in of the peer's log without bringing anything is noted in the store once it is this much.
const NOTED_AFTER: u64 = 256;

/// What an answer says of items: what waits now, and what waits no longer.
struct Lesson<B> {
    waits: Vec<(Key, Held<B>)>,
    settled: Vec<(Direction, Key)>,
}

impl<B> Default for Lesson<B> {
    fn default() -> Self {
        Self {
            waits: Vec::new(),
            settled: Vec::new(),
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
    /// What was asked for by its key is in no page that would come again. So an object that is still to be fetched is
    /// noted to be missing before its item is stored.
    async fn expect_objects(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        (keys, items): (&[Key], &[Item<S::Body>]),
        wanted: &[Key],
    ) -> Result<()> {
        let mut news = Vec::new();
        for (key, item) in keys.iter().zip(items) {
            let waits = session.held.contains_key(&(true, key.clone()));
            if item.blob.is_some() && !waits && wanted.contains(key) {
                let message = "its object was not fetched yet";
                let error = Error::new(ErrorKind::BlobMissing, "exchange", message);
                news.extend(session.hold(key, Held::new(item, Direction::Inbound, error)));
            }
        }
        note(&self.side, notes_of(pairs, &news, &[])).await
    }

    /// Takes in the answer, and what it says of the request.
    pub(super) async fn learn_logged(
        &self,
        session: &mut Session<S::Body>,
        mut pairs: Planes<Pair>,
        out: Outgoing<S::Body>,
        (answer, told): (Answer<S::Body>, LogAnswer),
        only_heard: bool,
    ) -> Result<Step<S::Body>> {
        let was_moved = moved(&pairs, &told, &out);
        let mut lesson = Lesson::default();
        let not_taken = learn_of_sent(session, &out, (&answer, &told), &mut lesson);
        let came = !answer.items.is_empty();
        let learned = self.learn_of_received(session, &pairs, (answer, &told), &mut lesson);
        let (inbound, has_blobs) = learned.await?;
        let noted = (came, came && !has_blobs && lesson.waits.is_empty());
        self.note_lesson(session, &mut pairs, (&told, noted), lesson)
            .await?;
        self.announce(&inbound).await?;
        let rewound = !only_heard && lost(&pairs, &told);
        let planes = [&told.records, &told.rows].into_iter().flatten();
        let told_more = planes.into_iter().any(|plane| plane.more);
        session.heard_all = !told_more;
        let digest = told.digest;
        session.common = common(session.common.take(), &told, &out.names);
        update(&mut pairs, told, &out, not_taken == 0);
        let is_confirmed = pairs.iter().all(|pair| pair.confirmed == pair.have);
        session.peer = Peer::Logged(Box::new(pairs));
        let is_heard = out.stays && session.heard_all;
        let mut has_more = (out.more() || told_more) && (was_moved || is_heard);
        let mut report = Report {
            applied: inbound.applied(),
            shipped: out.items.len() - not_taken.min(out.items.len()),
            has_more,
            held: Vec::new(),
            landed: 0,
            in_sync: Some(false),
        };
        if !has_more && !rewound && !only_heard && !session.is_reconciling {
            let applied = inbound.arrivals.iter().any(Arrival::is_here);
            has_more = self
                .prove(session, (digest, applied), &out, &mut report)
                .await?;
        }
        has_more |= session.has_untried() && is_confirmed && !out.more();
        if !has_more {
            session.tried.clear();
        }
        report.has_more = has_more;
        report.held = session.held.values().cloned().collect();
        if let Some(error) = inbound.fatal() {
            return Err(error);
        }
        Ok(Step {
            report,
            only_heard,
            rewound,
        })
    }

    /// Takes in the items that came, and fetches their objects. Also returns whether any has one.
    async fn learn_of_received(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        (answer, told): (Answer<S::Body>, &LogAnswer),
        lesson: &mut Lesson<S::Body>,
    ) -> Result<(Inbound<S::Body>, bool)> {
        let mut wanted = session.wanted();
        wanted.truncate(session.answer_limit.unwrap_or(self.options.page_limit));
        let unsent: HashSet<Key> = unsent_of(told).collect();
        session
            .want
            .retain(|key| !wanted.contains(key) || unsent.contains(key));
        session
            .tried
            .extend(wanted.iter().map(|key| (true, key.clone())));
        let withheld: Vec<Key> = withheld_of(told).collect();
        let mut reasons = answer.withheld.into_iter();
        for key in &withheld {
            let unsaid = || Refusal::new(kind_of(key), None, String::new(), String::new());
            let held = Held::withheld(reasons.next().unwrap_or_else(unsaid));
            lesson.waits.push((key.clone(), held));
        }
        let row_keys = told.rows.as_ref().map(|rows| rows.keys.clone());
        let incoming = keyed(answer.items, row_keys.unwrap_or_default());
        let keys: Vec<Key> = incoming.iter().map(|keyed| keyed.key.clone()).collect();
        let items: Vec<_> = incoming.into_iter().map(|keyed| keyed.item).collect();
        let has_blobs = items.iter().any(|item| item.blob.is_some());
        self.expect_objects(session, pairs, (&keys, &items), &wanted)
            .await?;
        let sources = sources(&advances(pairs, told), told, has_blobs);
        let rules = Rules {
            max_clock_skew_ms: self.options.max_clock_skew_ms,
            known_apps_only: false,
        };
        let arrivals = apply_logged(&self.side, items, sources, rules).await?;
        super::apply::warn_of_failed_rows(&self.side, &arrivals);
        self.look_for_a_twin(session, &arrivals);
        let inbound = self.fetch(arrivals).await;
        session.not_stored.extend(inbound.keys_not_stored());
        for (arrival, key) in inbound.arrivals.iter().zip(&keys) {
            match inbound.whole(arrival) {
                Ok(()) if session.settle(Direction::Inbound, key) => {
                    lesson.settled.push((Direction::Inbound, key.clone()));
                }
                Err(Some(error)) => {
                    let held = Held::new(&arrival.item, Direction::Inbound, error);
                    lesson.waits.push((key.clone(), held));
                }
                Ok(()) | Err(None) => {}
            }
        }
        if wanted.iter().any(|key| keys.contains(key)) {
            // There was room for some of them, and the others are next.
            session
                .tried
                .retain(|(inbound, key)| !inbound || !unsent.contains(key));
        }
        for key in wanted {
            let is_answered =
                keys.contains(&key) || withheld.contains(&key) || unsent.contains(&key);
            if !is_answered && session.settle(Direction::Inbound, &key) {
                lesson.settled.push((Direction::Inbound, key));
            }
        }
        Ok((inbound, has_blobs))
    }

    /// Notes what waits, what waits no longer, and how far the peer's logs were taken in, as far as that is not noted
    /// with the items themselves.
    async fn note_lesson(
        &self,
        session: &mut Session<S::Body>,
        pairs: &mut Planes<Pair>,
        (told, (came, is_noted)): (&LogAnswer, (bool, bool)),
        lesson: Lesson<S::Body>,
    ) -> Result<()> {
        let mut news = Vec::new();
        for (key, held) in lesson.waits {
            if let Some(waiting) = session.hold(&key, held.clone()) {
                held.warn(self.side.log());
                news.push(waiting);
            }
        }
        let advances = advances(pairs, told);
        let mut notes = notes_of(pairs, &news, &lesson.settled);
        for (pair, advance, note) in [
            (&mut pairs.records, advances.records, &mut notes.records),
            (&mut pairs.rows, advances.rows, &mut notes.rows),
        ] {
            let (Some(pair), Some(note), Some(Some(advance))) =
                (pair.as_mut(), note.as_mut(), advance)
            else {
                continue;
            };
            let upto = advance.upto.seq;
            if !is_noted && (came || upto.saturating_sub(pair.noted) >= NOTED_AFTER) {
                note.advance = Some(Advance {
                    only_whole: false,
                    ..advance
                });
            }
            if is_noted || note.advance.is_some() {
                pair.noted = upto;
            }
        }
        note(&self.side, notes).await
    }
}

/// What became of the items that were sent. Returns how many of them the peer did not take in.
fn learn_of_sent<B: Clone>(
    session: &mut Session<B>,
    out: &Outgoing<B>,
    (answer, told): (&Answer<B>, &LogAnswer),
    lesson: &mut Lesson<B>,
) -> usize {
    let mut refused = out.refused(&answer.refused);
    if told.refuses_more {
        // Any of the others may be one of those that are not named.
        let named: HashSet<Key> = refused.iter().map(|(key, _)| key.clone()).collect();
        let others = out.items.iter().filter(|one| !named.contains(&one.key));
        refused.extend(others.map(|one| {
            let what = "the peer refuses more than it names, and may not have taken this in";
            let error = Error::sync("exchange", what);
            let held = Held::new(&one.item, Direction::Outbound, error);
            (one.key.clone(), held)
        }));
    }
    for one in &out.items {
        session.tried.insert((false, one.key.clone()));
        let is_refused = refused.iter().any(|(key, _)| *key == one.key);
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

fn withheld_of(told: &LogAnswer) -> impl Iterator<Item = Key> {
    let planes = [&told.records, &told.rows].into_iter().flatten();
    planes.flat_map(|plane| plane.withheld.iter().cloned().map(Key::from))
}

fn unsent_of(told: &LogAnswer) -> impl Iterator<Item = Key> {
    let planes = [&told.records, &told.rows].into_iter().flatten();
    planes.flat_map(|plane| plane.unsent.iter().cloned().map(Key::from))
}

/// What is noted of the peer's logs once the answer is taken in.
fn advances(pairs: &Planes<Pair>, told: &LogAnswer) -> Planes<Option<Advance>> {
    let of = |(pair, told): (&Pair, &PlaneAnswer)| {
        let upto = told.cursor.clone()?;
        let is_news = upto.seq != pair.taken() || pair.noted != upto.seq;
        is_news.then(|| Advance {
            history: told.history.clone(),
            follows: 0,
            upto,
            only_whole: true,
        })
    };
    Planes {
        records: pairs.records.as_ref().zip(told.records.as_ref()).map(of),
        rows: pairs.rows.as_ref().zip(told.rows.as_ref()).map(of),
    }
}

/// Items with objects are not whole before these are here, so what is noted of the log waits for them.
fn sources(
    advances: &Planes<Option<Advance>>,
    told: &LogAnswer,
    has_blobs: bool,
) -> Planes<Source> {
    let of = |(advance, told): (&Option<Advance>, &PlaneAnswer)| Source {
        origin: told.cursor.clone(),
        advance: advance.clone().filter(|_| !has_blobs),
    };
    Planes {
        records: advances.records.as_ref().zip(told.records.as_ref()).map(of),
        rows: advances.rows.as_ref().zip(told.rows.as_ref()).map(of),
    }
}

pub(super) fn notes_of(
    pairs: &Planes<Pair>,
    waits: &[Waiting],
    settled: &[(Direction, Key)],
) -> Planes<Note> {
    let of = |pair: &Pair, is_records: bool| Note {
        peer: pair.id.clone(),
        waits: waits
            .iter()
            .filter(|waits| (waits.key.stream == Stream::Records) == is_records)
            .cloned()
            .collect(),
        settled: settled
            .iter()
            .filter(|(_, key)| (key.stream == Stream::Records) == is_records)
            .cloned()
            .collect(),
        advance: None,
    };
    Planes {
        records: pairs.records.as_ref().map(|pair| of(pair, true)),
        rows: pairs.rows.as_ref().map(|pair| of(pair, false)),
    }
}

/// Whether the exchange moved anything.
fn moved<B>(pairs: &Planes<Pair>, told: &LogAnswer, out: &Outgoing<B>) -> bool {
    let of = |(pair, told): (&Pair, &PlaneAnswer)| {
        told.have > pair.confirmed
            || told.cursor.as_ref().map_or(0, |cursor| cursor.seq) > pair.taken()
    };
    let records = pairs
        .records
        .as_ref()
        .zip(told.records.as_ref())
        .is_some_and(of);
    let rows = pairs.rows.as_ref().zip(told.rows.as_ref()).is_some_and(of);
    // A page that all of was refused has gone out as well.
    let went = |pair: &Option<Pair>, sent: &Option<SentPlane>| {
        let both = pair.as_ref().zip(sent.as_ref());
        both.is_some_and(|(pair, sent)| sent.upto > pair.have)
    };
    let went = went(&pairs.records, &out.records) || went(&pairs.rows, &out.rows);
    records || rows || (went && !out.stays)
}

/// Whether the peer has less of the own log than it had.
fn lost(pairs: &Planes<Pair>, told: &LogAnswer) -> bool {
    let of = |(pair, told): (&Pair, &PlaneAnswer)| told.have < pair.confirmed;
    let records = pairs
        .records
        .as_ref()
        .zip(told.records.as_ref())
        .is_some_and(of);
    let rows = pairs.rows.as_ref().zip(told.rows.as_ref()).is_some_and(of);
    records || rows
}

fn update<B>(pairs: &mut Planes<Pair>, told: LogAnswer, out: &Outgoing<B>, is_whole: bool) {
    for (pair, told, sent) in [
        (&mut pairs.records, told.records, &out.records),
        (&mut pairs.rows, told.rows, &out.rows),
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
        pair.id = told.id;
        pair.history = told.history;
        let regressed = told.cursor.as_ref().map_or(0, |cursor: &Cursor| cursor.seq) < pair.taken();
        if regressed {
            pair.noted = 0;
        }
        pair.cursor = told.cursor;
        pair.own = sent.history.head().cloned();
    }
}

/// The names of the streams that both sides have, if they are not all of both.
fn common(
    known: Option<(u64, u64, Vec<String>)>,
    told: &LogAnswer,
    names: &[String],
) -> Option<(u64, u64, Vec<String>)> {
    let own = hash_of(names);
    if told.streams == own {
        return None;
    }
    match (&told.stream_names, known) {
        (Some(both), _) => Some((own, told.streams, both.clone())),
        (None, Some(known)) if (known.0, known.1) == (own, told.streams) => Some(known),
        _ => Some((own, told.streams, Vec::new())),
    }
}
