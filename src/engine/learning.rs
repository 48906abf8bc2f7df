//! What an answer by logs says: of the items that were sent, of those that came, and how far both logs got.

use std::collections::HashSet;

use futures_util::future::{OptionFuture, join};

use crate::error::{Error, Result};
use crate::protocol::log::{Key, Keyed, LogAnswer, PlaneAnswer};
use crate::protocol::message::{Answer, Refusal};

use super::apply::Arrival;
use super::apply_logged::{Rules, apply_logged};
use super::caller::Engine;
use super::change_log::Waiting;
use super::held::{Direction, Held};
use super::inbound::Inbound;
use super::meeting::ask_for_unsent;
use super::outgoing::{One, Outgoing, SentPlane};
use super::pair::{Pair, Planes};
use super::planes::{fetch, has_purged, hash_of, keyed, note};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::round::Report;
use super::session::{KnownPeer, Session, Wait, kind_of};
use super::step::Step;
use super::stuck::{Lesson, Still, Stuck, Waits, is_record};
use super::waiting::{note_waiting, notes_of, sources};
use super::watch::Moved;

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// An object that is still to be fetched is noted to be missing before its item is stored: a page may not come again,
    /// because the peer is put back to before it had it, and what was asked for by its key is in none. If as many items
    /// wait as may, a page is not passed before its objects are here, and of what was asked for the objects are fetched
    /// at once: returns what they could not be fetched for, which may not be stored yet.
    async fn expect_objects(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        items: &[Keyed<S::Body>],
        wanted: &[Key],
    ) -> Result<HashSet<Key>> {
        let (mut news, mut no_room) = (Vec::new(), Vec::new());
        for Keyed { key, item } in items {
            let waits = session.held.contains_key(&(true, key.clone()));
            if item.blob.is_some() && !waits {
                let message = "its object was not fetched yet; a later round does that";
                let error = Error::sync("exchange", message);
                let held = Held::new(item, Direction::Inbound, error);
                match session.hold(key, held, self.options.most_waiting) {
                    Wait::News(waits) => news.push(waits),
                    Wait::NoRoom if wanted.contains(key) => no_room.push((key, item)),
                    Wait::NoRoom | Wait::Known => {}
                }
            }
        }
        note_waiting(&self.side, session, pairs, &news).await?;
        let fetched = self
            .fetch_ahead(no_room.iter().map(|(_, item)| *item))
            .await;
        no_room.retain(|(_, item)| !matches!(fetched.of(item), Some(Ok(()))));
        Ok(no_room.into_iter().map(|(key, _)| key.clone()).collect())
    }

    /// Takes in the answer, and what it says of the request.
    pub(super) async fn learn_logged(
        &self,
        session: &mut Session<S::Body>,
        mut pairs: Planes<Pair>,
        (out, now): (Outgoing<S::Body>, Option<Outgoing<S::Body>>),
        (answer, told): (Answer<S::Body>, LogAnswer),
        only_heard: bool,
    ) -> Result<Step<S::Body>> {
        self.wait_for_present_logs(session, &mut pairs, &told)
            .await?;
        let mut lesson = Lesson::default();
        let not_taken = learn_of_sent(session, &out, (&answer, &told), &mut lesson);
        let came = !answer.items.is_empty();
        let now = now.as_ref().unwrap_or(&out);
        let early = self.early_request(session, &pairs, now, (&answer, &told));
        let (thought, request) = early.unzip();
        let ask = request.map(|request| Box::pin(self.peer.exchange(request)));
        let learn = self.learn_of_received(session, &pairs, (answer, &told), (&out, &mut lesson));
        let (early, learned) = Box::pin(join(OptionFuture::from(ask), learn)).await;
        // That what was sent does not wait any longer is not noted yet.
        let (inbound, has_blobs) = learned.inspect_err(|_| session.forget())?;
        if let (Some(thought), Some(early)) = (thought, early) {
            self.keep_early(session, now.planes_only(), thought, early);
        }
        let noted = (came, came && !has_blobs && lesson.waits.is_empty());
        let has_settled = !lesson.settled.is_empty();
        let stuck = self
            .note_lesson(session, &mut pairs, (&told, noted), (lesson, &out))
            .await?;
        let was_moved = moved(&pairs, &told, &out, &stuck);
        self.announce(&inbound).await?;
        let rewound = !only_heard && lost(&pairs, &told);
        let planes = [&told.records, &told.rows].into_iter().flatten();
        let told_more = planes.into_iter().any(|plane| plane.more);
        session.caught_up |= !told_more;
        session.heard_all = !told_more && !stuck.is_inbound();
        let theirs = told.digest.map(|digest| (digest, told.alive));
        session.tells_alive |= told.alive.is_some();
        session.common = common(session.common.take(), &told, hash_of(&out.streams));
        let before = [&pairs.records, &pairs.rows].map(|pair| pair.as_ref().map_or(0, |p| p.have));
        update(&mut pairs, told, &out, (not_taken == 0, &stuck));
        if !session.expects_by_key() {
            let is_new =
                |one: &One<_>, of_records| one.seq.is_some() && is_record(&one.key) == of_records;
            let went = [true, false].map(|of| out.items.iter().any(|one| is_new(one, of)));
            session.met.hear(before, &pairs, went);
        }
        let is_confirmed = pairs.iter().all(|pair| pair.confirmed == pair.have);
        session.peer = KnownPeer::Logged(Box::new(pairs));
        let is_heard = out.stays && session.heard_all;
        let mut has_more = (out.more() || told_more) && (was_moved || is_heard);
        let mut report = Report {
            applied: inbound.applied(),
            shipped: out.items.len() - not_taken.min(out.items.len()),
            has_more,
            held: Vec::new(),
            landed: 0,
            in_sync: Some(false),
            moved: Moved::default(),
            conflicts: Vec::new(),
        };
        let most = self.options.most_waiting;
        session.told_of_full &= session.is_full(most);
        if out.only_retries {
            // Something new follows, unless nothing goes on.
            has_more = was_moved || has_settled || session.tried.len() > out.tried;
        } else if stuck.is_any() {
            has_more |= session.has_untried() || !session.is_full(most);
        } else if !has_more && !rewound && !only_heard && !session.is_reconciling {
            let applied = inbound.arrivals.iter().any(Arrival::is_here);
            has_more = self
                .prove(session, (theirs, applied), &out, &mut report)
                .await?;
        }
        has_more |= session.has_untried() && is_confirmed && !out.more();
        if !has_more {
            session.tried.clear();
        }
        report.has_more = has_more;
        report.held = session.held.values().cloned().collect();
        if let Some(error) = inbound.fatal(&self.options) {
            return Err(error);
        }
        Ok(Step {
            report,
            only_heard,
            rewound,
        })
    }

    /// What waits now waits for the logs that the peer has now: where one of them is another log than before, what waited
    /// for that is noted again.
    async fn wait_for_present_logs(
        &self,
        session: &Session<S::Body>,
        pairs: &mut Planes<Pair>,
        told: &LogAnswer,
    ) -> Result<()> {
        let is_other = |pair: &Option<Pair>, told: &Option<PlaneAnswer>| {
            let both = pair.as_ref().zip(told.as_ref());
            both.is_some_and(|(pair, told)| pair.id != told.id)
        };
        let records = is_other(&pairs.records, &told.records);
        let rows = is_other(&pairs.rows, &told.rows);
        for (pair, told) in [
            (&mut pairs.records, &told.records),
            (&mut pairs.rows, &told.rows),
        ] {
            if let (Some(pair), Some(told)) = (pair, told) {
                pair.id.clone_from(&told.id);
            }
        }
        let of_other = |waits: &Waiting| if is_record(&waits.key) { records } else { rows };
        let again: Vec<_> = session.all_waiting().filter(of_other).collect();
        note(&self.side, notes_of(pairs, &again, &[])).await
    }

    /// Takes in the items that came, and fetches their objects. Also returns whether any has one.
    async fn learn_of_received(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        (answer, told): (Answer<S::Body>, &LogAnswer),
        (out, lesson): (&Outgoing<S::Body>, &mut Lesson<S::Body>),
    ) -> Result<(Inbound<S::Body>, bool)> {
        let mut wanted = out.wanted.clone();
        wanted.truncate(self.answer_limit(session));
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
            lesson.waits.push(Waits {
                seq: None,
                key: key.clone(),
                held: Held::withheld(reasons.next().unwrap_or_else(unsaid)),
            });
        }
        let row_keys = told.rows.as_ref().map(|rows| rows.keys.clone());
        let mut incoming = keyed(answer.items, row_keys.unwrap_or_default());
        let left = self
            .expect_objects(session, pairs, &incoming, &wanted)
            .await?;
        incoming.retain(|keyed| !left.contains(&keyed.key));
        session.want.extend(left);
        let keys: Vec<Key> = incoming.iter().map(|keyed| keyed.key.clone()).collect();
        let items: Vec<_> = incoming.into_iter().map(|keyed| keyed.item).collect();
        let has_blobs = items.iter().any(|item| item.blob.is_some());
        let at_once = !items.is_empty() && !has_blobs && !out.only_retries;
        let mut sources = sources(pairs, told, at_once);
        let met = [&keys[..], &withheld].concat();
        ask_for_unsent(session, &mut sources, (pairs, out), &met);
        let rules = Rules {
            max_clock_skew_ms: self.options.max_clock_skew_ms,
            known_apps_only: false,
        };
        let rules = (rules, &session.nodes);
        let taken_in = apply_logged(&self.side, items, sources, rules).await;
        let came = (&keys[..], &withheld[..]);
        self.note_conflicts(session, out, came, &taken_in).await;
        taken_in.done?;
        let arrivals = taken_in.arrivals;
        super::apply::warn_of_failed_rows(&self.side, &arrivals);
        self.look_for_a_twin(session, &arrivals, has_purged(&out.streams))
            .await;
        // The object of a version over which this side has written need not come.
        let sends = |key: &Key| out.items.iter().any(|one| one.key == *key);
        let (over, arrived): (Vec<_>, Vec<_>) = keys
            .into_iter()
            .zip(arrivals)
            .partition(|(key, arrival)| arrival.is_stale() && sends(key));
        let mut unsure: Vec<Key> = over.into_iter().map(|(key, _)| key).collect();
        let (keys, arrivals): (Vec<_>, Vec<_>) = arrived.into_iter().unzip();
        let inbound = self.fetch(arrivals).await;
        session.not_stored.extend(inbound.keys_not_stored());
        for (arrival, key) in inbound.arrivals.iter().zip(&keys) {
            match inbound.whole(arrival) {
                // What is here is a newer version, perhaps, which may be without its object.
                Ok(()) if arrival.is_stale() => unsure.push(key.clone()),
                Ok(()) if session.settle(Direction::Inbound, key) => {
                    lesson.settled.push((Direction::Inbound, key.clone()));
                }
                Err(Some(error)) => {
                    lesson.waits.push(Waits {
                        seq: None,
                        key: key.clone(),
                        held: Held::new(&arrival.item, Direction::Inbound, error),
                    });
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
        wanted
            .retain(|key| !keys.contains(key) && !withheld.contains(key) && !unsent.contains(key));
        // What the peer has no more need not come.
        unsure.extend(wanted);
        self.settle_whole(session, unsure, lesson).await?;
        Ok((inbound, has_blobs))
    }

    /// Of these items, those that are here without their objects wait as before. The others do not wait any longer.
    async fn settle_whole(
        &self,
        session: &mut Session<S::Body>,
        mut keys: Vec<Key>,
        lesson: &mut Lesson<S::Body>,
    ) -> Result<()> {
        keys.retain(|key| session.held.contains_key(&(true, key.clone())));
        if keys.is_empty() {
            return Ok(());
        }
        for Keyed { key, item } in fetch(&self.side, keys.clone()).await? {
            let Some(blob) = &item.blob else { continue };
            if !self.local.has(&blob.key).await.unwrap_or(false) {
                keys.retain(|other| *other != key);
            }
        }
        for key in keys {
            session.settle(Direction::Inbound, &key);
            lesson.settled.push((Direction::Inbound, key));
        }
        Ok(())
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

fn withheld_of(told: &LogAnswer) -> impl Iterator<Item = Key> {
    let planes = [&told.records, &told.rows].into_iter().flatten();
    planes.flat_map(|plane| plane.withheld.iter().cloned().map(Key::from))
}

fn unsent_of(told: &LogAnswer) -> impl Iterator<Item = Key> {
    let planes = [&told.records, &told.rows].into_iter().flatten();
    planes.flat_map(|plane| plane.unsent.iter().cloned().map(Key::from))
}

/// Whether the exchange moved anything.
fn moved<B>(pairs: &Planes<Pair>, told: &LogAnswer, out: &Outgoing<B>, stuck: &Stuck) -> bool {
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
fn lost(pairs: &Planes<Pair>, told: &LogAnswer) -> bool {
    let of = |(pair, told): (&Pair, &PlaneAnswer)| {
        told.have < pair.confirmed || pair.is_of_another(told)
    };
    let records = pairs
        .records
        .as_ref()
        .zip(told.records.as_ref())
        .is_some_and(of);
    let rows = pairs.rows.as_ref().zip(told.rows.as_ref()).is_some_and(of);
    records || rows
}

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
