//! The caller's round between two sides with change logs.
//!
//! Look at the own log behind what the peer has, bring the objects over, exchange, take in what the answer holds,
//! fetch its objects, note how far that is. Nothing waits for anything else: an item that cannot go or cannot be
//! taken in is put on a list and tried again by its key, in every round that has room for it. When neither side has
//! more and nothing waits, the digests of both sides are compared.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Item;
use crate::protocol::log::{Key, Keyed, LogAnswer, LogRequest, PlaneRequest, WireKey};
use crate::protocol::message::{Answer, Request};
use crate::protocol::watermarks::Watermarks;

use super::caller::Engine;
use super::change_log::{After, Look, View};
use super::greeting::WHOLE_HISTORY;
use super::held::Direction;
use super::outgoing::{One, Outgoing, SentPlane};
use super::pair::{Pair, Planes};
use super::planes::{
    are_even, counted_of, ends_of, fetch, has_purged, hash_of, hear_of, hear_of_plain, heard_of,
    names_of,
};
use super::ports::{Blobs, Clock, Events, Exchange, Side, State};
use super::round::Report;
use super::session::{ASK_AGAIN_MS, KnownPeer, Session, Untold};
use super::step::Step;

/// The number of stretches of the own history that are told in any case to a peer that has caught up.
const LEAST_HISTORY: usize = 4;

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
                Tried::Changed => session.forget(),
            }
        }
        session.peer = KnownPeer::Older(self.side.clock().system_ms());
        Ok(None)
    }

    async fn try_by_logs(&self, session: &mut Session<S::Body>) -> Result<Tried<S::Body>> {
        self.clock_hears(session).await;
        let now = self.side.clock().system_ms();
        match session.peer {
            KnownPeer::Older(asked) if asked <= now && now - asked < ASK_AGAIN_MS => {
                return Ok(Tried::Done(None));
            }
            KnownPeer::Logged(_) => {}
            _ => {
                if !self.greet(session).await? {
                    hear_of_plain(&self.side).await?;
                    session.peer = KnownPeer::Older(now);
                    return Ok(Tried::Done(None));
                }
            }
        }
        let Untold {
            mut applied,
            mut shipped,
            ..
        } = std::mem::take(&mut session.untold);
        // What the peer wrote since the last round may have brought newer objects there.
        session.heard_all = false;
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

    /// One request and all that follows from it; `None` if this is not the log, or not the peer, that it was.
    pub(super) async fn step(
        &self,
        session: &mut Session<S::Body>,
    ) -> Result<Option<Step<S::Body>>> {
        let KnownPeer::Logged(pairs) = session.peer.clone() else {
            return Ok(None);
        };
        self.watch.acknowledge(Some(&pairs));
        let question = |pair: &Pair| self.question(pair, pair.have);
        let looks = Planes {
            records: pairs.records.as_ref().map(question),
            rows: pairs.rows.as_ref().map(question),
        };
        let views = self.look_at_own(session, looks).await?;
        let is_own = views
            .iter()
            .zip(pairs.iter())
            .all(|(view, pair)| pair.is_of(view));
        if !is_own {
            return Ok(None);
        }
        // The app may have forgotten the peer since: it is noted again before it gets anything.
        let heard = heard_of(&pairs, ends_of(&views), false);
        session.even = hear_of(&self.side, heard).await?;
        // What waits is not sent along before the peer has passed it: else it never would.
        let is_confirmed = pairs.iter().all(|pair| pair.confirmed == pair.have);
        let mut out = self.gather_logged(session, views, is_confirmed).await?;
        if let Some(early) = self.take_early(session, &pairs, &out) {
            let heard = (early.answer, early.told);
            let sent = (early.out, Some(out));
            let learned = Box::pin(self.learn_logged(session, *pairs, sent, heard, false));
            return learned.await.map(Some);
        }
        let brought = self.bring_each(session, &mut out).await;
        let only_heard = brought.is_none();
        if only_heard {
            out.stay();
        }
        self.keep_waiting(session, &pairs, &mut out).await?;
        let Some((answer, told)) = self.ask_logged(session, &pairs, &mut out).await? else {
            return Ok(None);
        };
        let sent = (out, None);
        let learned = self.learn_logged(session, *pairs, sent, (answer, told), only_heard);
        Box::pin(learned).await.map(Some)
    }

    /// The items that may go: what follows in the log on what the peer has, and, if there is room, what waits.
    async fn gather_logged(
        &self,
        session: &Session<S::Body>,
        views: Planes<View<S::Body>>,
        is_confirmed: bool,
    ) -> Result<Outgoing<S::Body>> {
        let most = self.options.most_waiting;
        let mut out = Outgoing {
            only_retries: session.only_retries(most, is_confirmed),
            tried: session.tried.len(),
            wanted: session.wanted(),
            ..Outgoing::default()
        };
        let mut more = false;
        for view in views.iter() {
            more |= view.more && !out.only_retries;
        }
        let Planes { records, rows } = views;
        out.records = records.map(|view| out.plane(view));
        out.rows = rows.map(|view| out.plane(view));
        if out.only_retries {
            out.cut(0);
        }
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
        out.fit(session.most_weight, |item| self.peer.pack(item));
        let hash = hash_of(&out.streams);
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
            match self.ask_and_read(session, request, (pairs, out)).await {
                Ok(mut answer) => {
                    let log = answer.log.take();
                    return Ok(log.map(|log| (answer, *log)));
                }
                Err(error) if error.kind() == ErrorKind::TooLarge && out.items.len() > 1 => {
                    session.most_weight = Some(out.halve(|item| self.peer.pack(item)));
                }
                Err(error) if error.kind() == ErrorKind::TooLarge && out.items.len() == 1 => {
                    let what = "what the peer takes in one message";
                    let error = super::shipment::oversized(1, what);
                    out.hold_back(|_| Some(error.clone()));
                    self.keep_waiting(session, pairs, out).await?;
                }
                Err(error) if error.kind() == ErrorKind::AnswerTooLarge => {
                    let limit = self.answer_limit(session);
                    if limit <= 1 {
                        return Err(error);
                    }
                    session.answer_limit = Some((limit / 2).max(1));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What of the own log is looked for behind the number `have`.
    pub(super) fn question(&self, pair: &Pair, have: u64) -> Look {
        Look {
            after: After::Seq(have),
            history: WHOLE_HISTORY,
            skip: pair.history.clone(),
            limit: self.options.page_limit,
            ..Look::default()
        }
    }

    /// How many items the peer may answer with.
    pub(super) fn answer_limit(&self, session: &Session<S::Body>) -> usize {
        session.answer_limit.unwrap_or(self.options.page_limit)
    }

    pub(super) fn request_of(
        &self,
        session: &Session<S::Body>,
        pairs: &Planes<Pair>,
        out: &Outgoing<S::Body>,
    ) -> Request<S::Body> {
        let least = if session.caught_up {
            LEAST_HISTORY
        } else {
            WHOLE_HISTORY
        };
        let told = |(sent, pair): (&SentPlane, &Pair)| PlaneRequest {
            id: sent.id.clone(),
            history: sent.history.since(pair.confirmed, least),
            // Without this nothing of the request is noted.
            follows: (!out.stays).then_some(pair.confirmed),
            upto: sent.history.at(sent.upto),
            presumes: pair.history.head().cloned(),
            since: if out.only_retries {
                pair.history.head().cloned().into_iter().collect()
            } else {
                pair.cursor.iter().cloned().collect()
            },
        };
        let limit = self.answer_limit(session);
        let counted = counted_of(&out.streams, session.meant());
        // Where something is still to come by its key, not all that the logs were passed for was seen.
        let has_all = !out.stays && !out.only_retries;
        let tells_alive = has_all
            && session.has_nothing_to_do()
            && (session.tells_alive || has_purged(&out.streams))
            && are_even(session.even.as_ref(), &out.streams, session.meant());
        Request {
            watermarks: Watermarks::default(),
            items: out.items.iter().map(|one| one.item.clone()).collect(),
            limit,
            log: Some(Box::new(LogRequest {
                records: out.records.as_ref().zip(pairs.records.as_ref()).map(told),
                rows: out.rows.as_ref().zip(pairs.rows.as_ref()).map(told),
                want: out.wanted.iter().take(limit).map(WireKey::from).collect(),
                streams: hash_of(&out.streams),
                stream_names: out.tells_names.then(|| names_of(&out.streams)),
                digest: has_all.then_some(counted.all),
                alive: tells_alive.then(|| counted.alive()),
                ..LogRequest::default()
            })),
            ..Request::default()
        }
    }
}
