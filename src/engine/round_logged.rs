//! The caller's round between two sides with change logs.
//!
//! Look at the own log behind what the peer has, bring the objects over, exchange, take in what the answer holds,
//! fetch its objects, note how far that is. Nothing waits for anything else: an item that cannot go or cannot be
//! taken in is put on a list and tried again by its key, in every round that has room for it. When neither side has
//! more and nothing waits, the digests of both sides are compared.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Item;
use crate::protocol::log::{
    Cursor, Digest, Key, Keyed, LogAnswer, LogRequest, PlaneAnswer, PlaneRequest, Stream, WireKey,
};
use crate::protocol::message::{Answer, Refusal, Request};
use crate::protocol::watermarks::Watermarks;

use super::apply::{Arrival, Fate};
use super::apply_logged::{Rules, Source, apply_logged};
use super::caller::Engine;
use super::change_log::{Advance, After, Look, Note, Others, View, Waiting};
use super::differences::Thoroughly;
use super::held::{Direction, Held};
use super::planes::{digest_of, fetch, hash_of, keyed, look, names_of, note};
use super::ports::{Blobs, Clock, Events, Exchange, Log, Outcome, Side, State};
use super::reconcile::bars_route;
use super::round::Report;
use super::session::{
    ASK_AGAIN_MS, Pair, Peer, Planes, RECONCILE_AFTER_MS, Session, Untold, is_same, kind_of,
};
use super::shipment::pack;

/// So many logs of others are told of when it is not known which of them is the peer's.
const LATEST_OTHERS: usize = 32;

/// So much of the own history is told to a peer that was not asked before.
const WHOLE_HISTORY: usize = 100;

/// So much of it is told in any case to one that was.
const LEAST_HISTORY: usize = 4;

/// What was taken in of the peer's log without bringing anything is noted in the store once it is this much.
const NOTED_AFTER: u64 = 256;

/// At most so often one round begins again because the peer has lost what it had.
const MOST_REWINDS: usize = 3;

/// So often a round asks the peer where its logs stand: once more if they turn out to stand elsewhere.
const MOST_GREETINGS: usize = 2;

/// What became of a round by logs.
enum Tried<B> {
    /// It was one, unless the peer keeps no logs.
    Done(Option<Report<B>>),
    /// The own log is another one than before, or the peer does not answer by logs any more.
    Changed,
}

/// One request and all that follows from it.
pub(super) struct Step<B> {
    pub(super) report: Report<B>,
    /// Nothing went out, because other objects are in the way which may not be replaced before all is heard.
    only_heard: bool,
    /// The peer has less than it had.
    rewound: bool,
}

impl<B> Step<B> {
    /// Whether another request follows in any case.
    pub(super) fn is_partial(&self) -> bool {
        self.only_heard || self.rewound
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
    /// One round by logs; `None` if the peer keeps none.
    pub(super) async fn round_by_logs(
        &self,
        session: &mut Session<S::Body>,
    ) -> Result<Option<Report<S::Body>>> {
        // A log that turns out to be another one, or a peer that has forgotten how to answer by logs, is asked once more.
        for _ in 0..MOST_GREETINGS {
            match self.try_by_logs(session).await? {
                Tried::Done(report) => return Ok(report),
                Tried::Changed => *session = Session::default(),
            }
        }
        session.peer = Peer::Older(self.side.clock().system_ms());
        Ok(None)
    }

    async fn try_by_logs(&self, session: &mut Session<S::Body>) -> Result<Tried<S::Body>> {
        self.clock_hears(session).await;
        let now = self.side.clock().system_ms();
        match session.peer {
            Peer::Older(asked) if asked <= now && now - asked < ASK_AGAIN_MS => {
                return Ok(Tried::Done(None));
            }
            Peer::Logged(_) => {}
            _ => {
                if !self.greet(session).await? {
                    session.peer = Peer::Older(now);
                    return Ok(Tried::Done(None));
                }
            }
        }
        let Untold {
            mut applied,
            mut shipped,
            ..
        } = std::mem::take(&mut session.untold);
        for _ in 0..MOST_REWINDS {
            let Some(step) = self.step(session).await? else {
                return Ok(Tried::Changed);
            };
            applied += step.report.applied;
            shipped += step.report.shipped;
            let report = Report {
                applied,
                shipped,
                ..step.report
            };
            let again = step.rewound || (step.only_heard && session.heard_all);
            if !again {
                return Ok(Tried::Done(Some(report)));
            }
        }
        Err(Error::sync(
            "exchange",
            "the peer forgets what it has taken in from one request to the next; see its log, and exchange again",
        ))
    }

    /// Asks the peer where its logs stand. Returns whether it keeps any.
    pub(super) async fn greet(&self, session: &mut Session<S::Body>) -> Result<bool> {
        let question = || Look {
            history: WHOLE_HISTORY,
            others: Others::Latest(LATEST_OTHERS),
            ..Look::default()
        };
        let looks = Planes {
            records: Some(question()),
            rows: Some(question()),
        };
        let views = look(&self.side, looks).await?;
        let told = |view: &View<S::Body>| PlaneRequest {
            id: view.id.clone(),
            history: view.history.clone(),
            since: view.others.clone(),
            ..PlaneRequest::default()
        };
        let request = Request {
            limit: 1,
            log: Some(Box::new(LogRequest {
                hello: true,
                records: views.records.as_ref().map(told),
                rows: views.rows.as_ref().map(told),
                streams: hash_of(&names_of(&views)),
                ..LogRequest::default()
            })),
            ..Request::default()
        };
        let Some(answer) = self.ask(request).await?.log else {
            return Ok(false);
        };
        let has_items = views.iter().any(|view| view.head > 0);
        session.had_items = has_items;
        let LogAnswer { records, rows, .. } = *answer;
        let both = Planes {
            records: records.as_ref(),
            rows: rows.as_ref(),
        };
        let is_first = has_items
            && both.iter().any(|told| !told.history.0.is_empty())
            && both.iter().all(|told| {
                told.have == 0 && told.cursor.as_ref().is_none_or(|cursor| cursor.seq == 0)
            });
        self.warn_of_missing_planes(&views, records.is_some(), rows.is_some());
        let pairs = views.zip(Planes { records, rows }, |view, told| {
            (view.head, Pair::begin(&view, told))
        });
        let heads = Planes {
            records: pairs.records.as_ref().map(|(head, _)| *head),
            rows: pairs.rows.as_ref().map(|(head, _)| *head),
        };
        let pairs = Planes {
            records: pairs.records.map(|(_, pair)| pair),
            rows: pairs.rows.map(|(_, pair)| pair),
        };
        session.peer = Peer::Logged(Box::new(pairs));
        let has_met = self.remember_waiting(session).await?;
        if is_first && !has_met {
            if let Err(error) = self.meet(session, &heads).await {
                session.peer = Peer::Unknown;
                return Err(error);
            }
        }
        Ok(true)
    }

    fn warn_of_missing_planes(&self, own: &Planes<View<S::Body>>, records: bool, rows: bool) {
        for (is_missing, what) in [
            (own.records.is_some() && !records, "shared records"),
            (own.rows.is_some() && !rows, "app rows"),
        ] {
            if is_missing {
                let message = format!("the peer carries no {what} on this channel; they stay here");
                self.side.log().warn(&message, None);
            }
        }
    }

    /// Remembers what waits. Returns whether anything of the peer's logs came in before, even if it was not noted how far:
    /// its objects may be missing.
    async fn remember_waiting(&self, session: &mut Session<S::Body>) -> Result<bool> {
        let Peer::Logged(pairs) = &session.peer else {
            return Ok(false);
        };
        let generations = |pair: &Pair| {
            let stretches = pair.history.0.iter();
            stretches.map(|cursor| cursor.generation.clone()).collect()
        };
        let question = |pair: &Pair| Look {
            waiting_for: Some(pair.id.clone()),
            others: Others::Of(generations(pair)),
            ..Look::default()
        };
        let looks = Planes {
            records: pairs.records.as_ref().map(question),
            rows: pairs.rows.as_ref().map(question),
        };
        let views = look(&self.side, looks).await?;
        let mut has_met = false;
        for view in [views.records, views.rows].into_iter().flatten() {
            has_met |= !view.others.is_empty();
            session.remember(view.waiting);
        }
        Ok(has_met)
    }

    /// One request and all that follows from it; `None` if this is not the log, or not the peer, that it was.
    pub(super) async fn step(
        &self,
        session: &mut Session<S::Body>,
    ) -> Result<Option<Step<S::Body>>> {
        let Peer::Logged(pairs) = session.peer.clone() else {
            return Ok(None);
        };
        let question = |pair: &Pair| Look {
            after: After::Seq(pair.have),
            history: WHOLE_HISTORY,
            skip: pair.history.clone(),
            limit: self.options.page_limit,
            ..Look::default()
        };
        let looks = Planes {
            records: pairs.records.as_ref().map(question),
            rows: pairs.rows.as_ref().map(question),
        };
        let views = look(&self.side, looks).await?;
        let is_own = views
            .iter()
            .zip(pairs.iter())
            .all(|(view, pair)| pair.is_of(view));
        if !is_own {
            return Ok(None);
        }
        // What waits is not sent along before the peer has passed it: else it never would.
        let is_confirmed = pairs.iter().all(|pair| pair.confirmed == pair.have);
        let mut out = self.gather_logged(session, views, is_confirmed).await?;
        let brought = self.bring_each(session, &mut out).await;
        let only_heard = brought.is_none();
        if only_heard {
            out.stay();
        }
        self.keep_waiting(session, &pairs, std::mem::take(&mut out.waits))
            .await?;
        let Some((answer, told)) = self.ask_logged(session, &pairs, &mut out).await? else {
            return Ok(None);
        };
        self.learn_logged(session, *pairs, out, (answer, told), only_heard)
            .await
            .map(Some)
    }

    /// The items that may go: what follows in the log on what the peer has, and, if there is room, what waits.
    async fn gather_logged(
        &self,
        session: &Session<S::Body>,
        views: Planes<View<S::Body>>,
        is_confirmed: bool,
    ) -> Result<Outgoing<S::Body>> {
        let mut out = Outgoing::default();
        let mut more = false;
        for view in views.iter() {
            more |= view.more;
        }
        let Planes { records, rows } = views;
        out.records = records.map(|view| out.plane(view));
        out.rows = rows.map(|view| out.plane(view));
        let room = self.options.page_limit.saturating_sub(out.items.len());
        let mut waiting = session.offer.clone();
        let untried = session.waiting(Direction::Outbound).into_iter();
        waiting.extend(untried.filter(|key| !session.offer.contains(key)));
        waiting.retain(|key| out.items.iter().all(|one| one.key != *key));
        waiting.truncate(if more || !is_confirmed { 0 } else { room });
        if !waiting.is_empty() {
            let found = fetch(&self.side, waiting.clone()).await?;
            let found_keys: HashSet<&Key> = found.iter().map(|keyed| &keyed.key).collect();
            out.gone = waiting
                .into_iter()
                .filter(|key| !found_keys.contains(key))
                .collect();
            out.items
                .extend(found.into_iter().map(|Keyed { key, item }| One {
                    seq: None,
                    key,
                    item,
                }));
        }
        out.fit(session, |item| self.peer.pack(item));
        let hash = hash_of(&out.names);
        out.tells_names = session
            .common
            .as_ref()
            .is_some_and(|(own, _, _)| *own == hash);
        Ok(out)
    }

    /// Brings the objects of the items over. `None` if other objects are in the way, which may not be replaced yet.
    async fn bring_each(
        &self,
        session: &Session<S::Body>,
        out: &mut Outgoing<S::Body>,
    ) -> Option<()> {
        let replaces = session.heard_all.then_some(&session.not_stored);
        let items: Vec<&Item<S::Body>> = out.items.iter().map(|one| &one.item).collect();
        let sent = self.bring_objects(&items, replaces).await?;
        let reason = |item: &Item<S::Body>| sent.of(item).and_then(Result::err);
        out.hold_back(reason);
        Some(())
    }

    /// Notes what waits before anything passes it.
    pub(super) async fn keep_waiting(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        waits: Vec<(Key, Held<S::Body>)>,
    ) -> Result<()> {
        let mut news = Vec::new();
        for (key, held) in waits {
            if let Some(waits) = session.hold(&key, held.clone()) {
                held.warn(self.side.log());
                news.push(waits);
            }
        }
        note(&self.side, notes_of(pairs, news, Vec::new())).await
    }

    /// Sends the request. If either message is too large for its receiver, less goes; `None` if the peer keeps no
    /// logs any more.
    async fn ask_logged(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        out: &mut Outgoing<S::Body>,
    ) -> Result<Option<(Answer<S::Body>, LogAnswer)>> {
        loop {
            let request = self.request_of(session, pairs, out);
            match self.ask(request).await {
                Ok(mut answer) => {
                    let log = answer.log.take();
                    return Ok(log.map(|log| (answer, *log)));
                }
                Err(error) if error.kind() == ErrorKind::TooLarge && out.items.len() > 1 => {
                    session.most_weight = Some(out.halve(|item| self.peer.pack(item)));
                }
                Err(error) if error.kind() == ErrorKind::TooLarge && out.items.len() == 1 => {
                    let held = out.hold_all(super::shipment::oversized(
                        1,
                        "what the peer takes in one message",
                    ));
                    self.keep_waiting(session, pairs, held).await?;
                }
                Err(error) if error.kind() == ErrorKind::AnswerTooLarge => {
                    let limit = session.answer_limit.unwrap_or(self.options.page_limit);
                    if limit <= 1 {
                        return Err(error);
                    }
                    session.answer_limit = Some((limit / 2).max(1));
                }
                Err(error) => return Err(error),
            }
        }
    }

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
        note(&self.side, notes_of(pairs, news, Vec::new())).await
    }

    fn request_of(
        &self,
        session: &Session<S::Body>,
        pairs: &Planes<Pair>,
        out: &Outgoing<S::Body>,
    ) -> Request<S::Body> {
        let told = |(sent, pair): (&SentPlane, &Pair)| PlaneRequest {
            id: sent.id.clone(),
            history: sent.history.since(pair.confirmed, LEAST_HISTORY),
            follows: (!out.stays).then_some(pair.confirmed),
            upto: sent.history.at(sent.upto).filter(|_| !out.stays),
            since: pair.cursor.iter().cloned().collect(),
        };
        let limit = session.answer_limit.unwrap_or(self.options.page_limit);
        let want = session.wanted();
        Request {
            watermarks: Watermarks::default(),
            items: out.items.iter().map(|one| one.item.clone()).collect(),
            limit,
            log: Some(Box::new(LogRequest {
                records: out.records.as_ref().zip(pairs.records.as_ref()).map(told),
                rows: out.rows.as_ref().zip(pairs.rows.as_ref()).map(told),
                want: want.iter().take(limit).map(WireKey::from).collect(),
                streams: hash_of(&out.names),
                stream_names: out.tells_names.then(|| out.names.clone()),
                ..LogRequest::default()
            })),
            ..Request::default()
        }
    }

    /// Takes in the answer, and what it says of the request.
    async fn learn_logged(
        &self,
        session: &mut Session<S::Body>,
        mut pairs: Planes<Pair>,
        out: Outgoing<S::Body>,
        (answer, told): (Answer<S::Body>, LogAnswer),
        only_heard: bool,
    ) -> Result<Step<S::Body>> {
        let mut waits: Vec<(Key, Held<S::Body>)> = Vec::new();
        let mut refused = out.refused(&answer.refused);
        if told.refuses_more {
            // Any of the others may be one of those that are not named.
            let named: HashSet<Key> = refused.iter().map(|(key, _)| key.clone()).collect();
            let others = out.items.iter().filter(|one| !named.contains(&one.key));
            refused.extend(others.map(|one| {
                let what = "the peer refuses more than it names, and may not have taken this in";
                let held = Held::new(
                    &one.item,
                    Direction::Outbound,
                    Error::sync("exchange", what),
                );
                (one.key.clone(), held)
            }));
        }
        let mut settled: Vec<(Direction, Key)> = Vec::new();
        for one in &out.items {
            session.tried.insert((false, one.key.clone()));
            let is_refused = refused.iter().any(|(key, _)| *key == one.key);
            if !is_refused && session.settle(Direction::Outbound, &one.key) {
                settled.push((Direction::Outbound, one.key.clone()));
            }
        }
        for key in &out.gone {
            session.settle(Direction::Outbound, key);
            settled.push((Direction::Outbound, key.clone()));
        }
        let went: HashSet<&Key> = out.items.iter().map(|one| &one.key).collect();
        let is_done = |key: &Key| went.contains(key) || out.gone.contains(key);
        let held = &session.held;
        session
            .offer
            .retain(|key| !is_done(key) && !held.contains_key(&(false, key.clone())));
        let not_taken = refused.len();
        let is_whole_page = not_taken == 0;
        waits.extend(refused);
        let mut wanted = session.wanted();
        wanted.truncate(session.answer_limit.unwrap_or(self.options.page_limit));
        let unsent: HashSet<Key> = unsent_of(&told).collect();
        session
            .want
            .retain(|key| !wanted.contains(key) || unsent.contains(key));
        session
            .tried
            .extend(wanted.iter().map(|key| (true, key.clone())));
        let was_moved = moved(&pairs, &told, &out);
        let withheld: Vec<Key> = withheld_of(&told).collect();
        let mut reasons = answer.withheld.into_iter();
        for key in &withheld {
            let unsaid = || Refusal::new(kind_of(key), None, String::new(), String::new());
            let held = Held::withheld(reasons.next().unwrap_or_else(unsaid));
            waits.push((key.clone(), held));
        }
        let came = !answer.items.is_empty();
        let row_keys = told
            .rows
            .as_ref()
            .map(|rows| rows.keys.clone())
            .unwrap_or_default();
        let incoming = keyed(answer.items, row_keys);
        let keys: Vec<Key> = incoming.iter().map(|keyed| keyed.key.clone()).collect();
        let items: Vec<_> = incoming.into_iter().map(|keyed| keyed.item).collect();
        let has_blobs = items.iter().any(|item| item.blob.is_some());
        self.expect_objects(session, &pairs, (&keys, &items), &wanted)
            .await?;
        let advances = advances(&pairs, &told);
        let sources = sources(&advances, &told, has_blobs);
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
                Ok(()) => {
                    if session.settle(Direction::Inbound, key) {
                        settled.push((Direction::Inbound, key.clone()));
                    }
                }
                Err(Some(error)) => {
                    waits.push((
                        key.clone(),
                        Held::new(&arrival.item, Direction::Inbound, error),
                    ));
                }
                Err(None) => {}
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
                settled.push((Direction::Inbound, key));
            }
        }
        let is_whole = waits.is_empty();
        let mut news = Vec::new();
        for (key, held) in waits {
            if let Some(waiting) = session.hold(&key, held.clone()) {
                held.warn(self.side.log());
                news.push(waiting);
            }
        }
        let mut notes = notes_of(&pairs, news, settled);
        let is_noted = came && !has_blobs && is_whole;
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
        note(&self.side, notes).await?;
        self.announce(&inbound).await?;
        let rewound = !only_heard && lost(&pairs, &told);
        let told_more = [&told.records, &told.rows]
            .into_iter()
            .flatten()
            .any(|plane| plane.more);
        session.heard_all = !told_more;
        let digest = told.digest;
        session.common = common(session.common.take(), &told, &out.names);
        update(&mut pairs, told, &out, is_whole_page);
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

    /// Compares what both sides hold, and reconciles them if they are not equal. Returns whether more is to be
    /// exchanged, because something was written meanwhile.
    async fn prove(
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
        let is_meant = |name: &str| match &session.common {
            Some((_, _, names)) => names.iter().any(|known| known == name),
            None => true,
        };
        let ours = if applied {
            let Some(views) = self.look_behind(session).await? else {
                return Ok(true);
            };
            digest_of(&views, is_meant)
        } else {
            let meant = out.streams.iter().filter(|(name, _)| is_meant(name));
            meant.fold(Digest::default(), |sum, (_, digest)| sum.and(*digest))
        };
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
        let found = match self.bring_together(session, differing).await {
            Ok(found) => found,
            Err(error) => {
                session.reconciled_ms = None;
                return Err(error);
            }
        };
        session.explained = session.compared;
        if waits && found.applied + found.shipped > 0 {
            self.side.log().warn(&message, None);
        }
        report.applied += found.applied;
        report.shipped += found.shipped;
        report.in_sync = Some(found.in_sync);
        Ok(false)
    }

    /// What this side holds behind everything that the peer has or sent; `None` if the app wrote meanwhile.
    async fn look_behind(
        &self,
        session: &Session<S::Body>,
    ) -> Result<Option<Planes<View<S::Body>>>> {
        let Peer::Logged(pairs) = &session.peer else {
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
    fn look_for_a_twin(&self, session: &mut Session<S::Body>, arrivals: &[Arrival<S::Body>]) {
        let Some(own) = session.node.clone() else {
            return;
        };
        if session.told_of_twin || !session.had_items {
            return;
        }
        let is_of_twin = |arrival: &&Arrival<S::Body>| {
            arrival.item.hlc.node_id == own
                && matches!(arrival.fate, Fate::Settled(Outcome::Applied))
        };
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

/// An item on its way out.
#[derive(Debug)]
struct One<B> {
    /// Its number in the own log; none if it waited and is tried again.
    seq: Option<u64>,
    key: Key,
    item: Item<B>,
}

/// Where the own log of a plane stands behind a page.
#[derive(Debug)]
struct SentPlane {
    id: String,
    history: crate::protocol::log::History,
    upto: u64,
    more: bool,
}

/// A page on its way out.
#[derive(Debug)]
pub(super) struct Outgoing<B> {
    items: Vec<One<B>>,
    records: Option<SentPlane>,
    rows: Option<SentPlane>,
    /// Keys that waited and are not there any more.
    gone: Vec<Key>,
    /// What cannot go, and why.
    waits: Vec<(Key, Held<B>)>,
    /// Nothing of it goes yet.
    stays: bool,
    /// Whether the request says the names of the own streams.
    tells_names: bool,
    names: Vec<String>,
    streams: Vec<(String, Digest)>,
}

impl<B> Default for Outgoing<B> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            records: None,
            rows: None,
            gone: Vec::new(),
            waits: Vec::new(),
            stays: false,
            tells_names: false,
            names: Vec::new(),
            streams: Vec::new(),
        }
    }
}

impl<B: Clone> Outgoing<B> {
    fn plane(&mut self, view: View<B>) -> SentPlane {
        self.names
            .extend(view.streams.iter().map(|(name, _)| name.clone()));
        self.streams.extend(view.streams);
        let items = view.items.into_iter();
        self.items
            .extend(items.map(|(seq, Keyed { key, item })| One {
                seq: Some(seq),
                key,
                item,
            }));
        SentPlane {
            id: view.id,
            history: view.history,
            upto: view.upto,
            more: view.more,
        }
    }

    fn more(&self) -> bool {
        let planes = [&self.records, &self.rows].into_iter().flatten();
        self.stays || planes.into_iter().any(|plane| plane.more)
    }

    /// Brings the items into the form in which they travel. Those that cannot wait; as many of the others go as the
    /// peer takes.
    fn fit(&mut self, session: &Session<B>, packed: impl Fn(&mut Item<B>) -> Result<usize>) {
        let most = session.most_weight.unwrap_or(usize::MAX);
        let mut total = 0usize;
        let mut fits = self.items.len();
        for (at, one) in self.items.iter_mut().enumerate() {
            let weight = pack(std::slice::from_mut(&mut one.item), &packed);
            total = total.saturating_add(weight.first().copied().unwrap_or_default());
            if total > most && at > 0 {
                fits = at;
                break;
            }
        }
        self.cut(fits);
        self.hold_back(|_| None);
    }

    /// Leaves the items from one on to another request.
    fn cut(&mut self, fits: usize) {
        for one in self.items.drain(fits..) {
            let Some(seq) = one.seq else { continue };
            let plane = match one.key.stream {
                Stream::Records => &mut self.records,
                Stream::Rows(_) => &mut self.rows,
            };
            if let Some(plane) = plane {
                plane.upto = plane.upto.min(seq - 1);
                plane.more = true;
            }
        }
    }

    /// Leaves half of the items to another request. Returns how much the other half weighs at most.
    fn halve(&mut self, packed: impl Fn(&mut Item<B>) -> Result<usize>) -> usize {
        self.cut(self.items.len() / 2);
        let mut items: Vec<_> = self.items.iter().map(|one| one.item.clone()).collect();
        pack(&mut items, packed).iter().sum::<usize>().max(1)
    }

    /// Puts aside what has a fault, or for which there is a reason not to go.
    fn hold_back(&mut self, reason: impl Fn(&Item<B>) -> Option<Error>) {
        let items = std::mem::take(&mut self.items);
        for one in items {
            match one.item.fault.clone().or_else(|| reason(&one.item)) {
                Some(error) => {
                    let held = Held::new(&one.item, Direction::Outbound, error);
                    self.waits.push((one.key, held));
                }
                None => self.items.push(one),
            }
        }
    }

    /// Puts all aside.
    fn hold_all(&mut self, error: Error) -> Vec<(Key, Held<B>)> {
        self.hold_back(|_| Some(error.clone()));
        std::mem::take(&mut self.waits)
    }

    /// Nothing goes yet.
    fn stay(&mut self) {
        self.items.clear();
        self.waits.clear();
        self.gone.clear();
        self.stays = true;
    }

    fn refused(&self, refused: &[Refusal]) -> Vec<(Key, Held<B>)> {
        let by_time: HashMap<_, _> = self.items.iter().map(|one| (&one.item.hlc, one)).collect();
        let found = refused.iter().filter_map(|refusal| {
            let one = by_time.get(refusal.hlc.as_ref()?)?;
            let same = |one: &&One<B>| is_same(&one.item, &refusal.kind, refusal.hlc.as_ref());
            let one = Some(*one)
                .filter(same)
                .or_else(|| self.items.iter().find(same))?;
            Some((one.key.clone(), Held::refused(&one.item, refusal)))
        });
        found.collect()
    }
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

fn notes_of(
    pairs: &Planes<Pair>,
    waits: Vec<Waiting>,
    settled: Vec<(Direction, Key)>,
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
