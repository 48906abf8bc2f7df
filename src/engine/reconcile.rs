//! Finding and mending what two sides hold differently, whatever their logs say.
//!
//! Each side first holds its log against its tables. Then ranges of keys are compared, and split where they differ,
//! until few enough keys are in them to name: some three or four questions for 100,000 items. What differs then
//! travels like anything that waits.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{
    Cursor, Digest, Found, Key, Keyed, LogAnswer, LogRequest, PlaneRequest, Range, Reply, Span,
    Stream,
};
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Request};
use crate::protocol::watermarks::Watermarks;

use super::caller::Engine;
use super::change_log::{Advance, After, ChangeLog, Look, Note, View};
use super::held::{Direction, Held};
use super::planes::{hash_of, look, names_of, note};
use super::ports::{Blobs, Clock, Events, Exchange, Side, State};
use super::responder::Responder;
use super::session::{Pair, Peer, Planes, Session};

/// At most this many ranges are compared in one request.
const MOST_SPANS: usize = 256;

/// At most this many requests compare ranges: a peer that answers each with another split has no end.
const MOST_QUESTIONS: usize = 10_000;

/// What is to travel may stand still for so many requests: the peer first passes what it was sent before, or forgets
/// some of it.
const MOST_STALLS: usize = 3;

/// A caller can have the log held against the tables once in so many milliseconds.
const VERIFY_AFTER_MS: u64 = 60_000;

/// What a reconciliation came to.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// Items that the two sides held differently.
    pub differing: usize,
    /// Shared records that are new here, with their objects.
    pub applied: usize,
    /// Items sent, without those that the peer refused.
    pub shipped: usize,
    /// Whether both sides hold the same now.
    pub in_sync: bool,
    /// How often the peer was asked.
    pub requests: usize,
}

/// How thoroughly two sides are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thoroughly {
    /// Each side first holds its log against its tables.
    pub(super) verify: bool,
    /// What belongs to streams that the peer does not have is offered as well.
    pub(super) offer_all: bool,
}

/// Answers a request that compares.
pub(super) async fn compare<S: Side>(
    responder: &Responder<S>,
    asked: &LogRequest,
) -> Result<Answer<S::Body>> {
    let side = &responder.side;
    if asked.verify && responder.may_verify(side.clock().system_ms(), VERIFY_AFTER_MS) {
        verify(side).await?;
    }
    if asked.compare.len() > MOST_SPANS.max(asked.stream_names.as_ref().map_or(0, Vec::len)) {
        let message = format!("at most {MOST_SPANS} ranges can be compared in one request");
        return Err(Error::sync("malformed exchange request", message));
    }
    let is_record = |span: &&Span| span.range.stream.is_empty();
    let (records, rows): (Vec<_>, Vec<_>) = asked.compare.iter().partition(is_record);
    let mut of_records = answers(side.records(), records).await?.into_iter();
    let mut of_rows = answers(side.rows(), rows).await?.into_iter();
    let compared = asked.compare.iter().filter_map(|span| {
        if is_record(&span) {
            of_records.next()
        } else {
            of_rows.next()
        }
    });
    let compared = compared.collect();
    let views = look(
        side,
        Planes {
            records: Some(Look::default()),
            rows: Some(Look::default()),
        },
    )
    .await?;
    let names = names_of(&views);
    let theirs = asked.stream_names.as_ref();
    Ok(Answer {
        log: Some(Box::new(LogAnswer {
            streams: hash_of(&names),
            stream_names: theirs.map(|theirs| {
                theirs
                    .iter()
                    .filter(|name| names.contains(name))
                    .cloned()
                    .collect()
            }),
            compared,
            ..LogAnswer::default()
        })),
        ..Answer::default()
    })
}

async fn answers<B>(store: Option<&impl ChangeLog<B>>, spans: Vec<&Span>) -> Result<Vec<Reply>> {
    match store {
        Some(store) if !spans.is_empty() => {
            store.compare(spans.into_iter().cloned().collect()).await
        }
        // What a side does not carry it does not hold.
        _ => Ok(spans.iter().map(|_| Reply::Same).collect()),
    }
}

async fn verify<S: Side>(side: &S) -> Result<u64> {
    let mut mended = 0;
    if let Some(records) = side.records() {
        mended += records.verify().await?;
    }
    if let Some(rows) = side.rows() {
        mended += rows.verify().await?;
    }
    Ok(mended)
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Two sides that both hold something, and nothing is noted of what they had of each other: both logs are noted to
    /// be taken in as they stand, and what is missing is found by comparing.
    pub(super) async fn meet(
        &self,
        session: &mut Session<S::Body>,
        heads: &Planes<u64>,
    ) -> Result<()> {
        let Peer::Logged(mut pairs) = session.peer.clone() else {
            return Ok(());
        };
        let looks = Planes {
            records: pairs.records.as_ref().map(|_| Look {
                history: usize::MAX,
                ..Look::default()
            }),
            rows: pairs.rows.as_ref().map(|_| Look {
                history: usize::MAX,
                ..Look::default()
            }),
        };
        let views = look(&self.side, looks).await?;
        let ends = Planes {
            records: views.records.as_ref().zip(heads.records),
            rows: views.rows.as_ref().zip(heads.rows),
        };
        let told = |(view, head): (&View<S::Body>, u64)| PlaneRequest {
            id: view.id.clone(),
            history: view.history.clone(),
            follows: Some(0),
            upto: view.history.at(head).filter(|_| head > 0),
            since: Vec::new(),
        };
        let request = Request {
            limit: 1,
            log: Some(Box::new(LogRequest {
                hello: true,
                records: ends.records.map(told),
                rows: ends.rows.map(told),
                ..LogRequest::default()
            })),
            ..Request::default()
        };
        let answer = self.peer.exchange(request).await?;
        let LogAnswer { records, rows, .. } = *answer.log.ok_or_else(no_logs)?;
        let missing = self.without_objects().await?;
        self.keep_waiting(session, &pairs, missing).await?;
        session.tried.clear();
        let note_of = |pair: &Pair| Note {
            peer: pair.id.clone(),
            advance: pair.history.head().map(|upto| Advance {
                history: pair.history.clone(),
                follows: 0,
                upto: upto.clone(),
                only_whole: false,
            }),
            ..Note::default()
        };
        let notes = Planes {
            records: pairs.records.as_ref().map(note_of),
            rows: pairs.rows.as_ref().map(note_of),
        };
        note(&self.side, notes).await?;
        for (pair, told) in [(&mut pairs.records, records), (&mut pairs.rows, rows)] {
            if let (Some(pair), Some(told)) = (pair.as_mut(), told) {
                pair.have = told.have;
                pair.cursor = pair.history.head().cloned();
                pair.noted = pair.cursor.as_ref().map_or(0, |cursor: &Cursor| cursor.seq);
            }
        }
        session.peer = Peer::Logged(pairs);
        let how = Thoroughly {
            verify: true,
            offer_all: true,
        };
        let found = self.reconcile_in(session, how).await?;
        session.untold = (found.applied, found.shipped);
        session.reconciled_ms = None;
        Ok(())
    }

    /// The items that are here without their objects: so far exchanged by watermarks, which wait for such items. Those
    /// that are passed by watermarks are whole.
    async fn without_objects(&self) -> Result<Vec<(Key, Held<S::Body>)>> {
        let whole = match &self.state {
            Some(state) => state.watermarks().await?,
            None => Watermarks::default(),
        };
        let (mut at, mut found) = (Planes::<u64>::default(), Vec::new());
        loop {
            let from = |at: Option<u64>| Look {
                after: After::Seq(at.unwrap_or_default()),
                limit: DEFAULT_PAGE_LIMIT,
                ..Look::default()
            };
            let looks = Planes {
                records: Some(from(at.records)),
                rows: Some(from(at.rows)),
            };
            let views = look(&self.side, looks).await?;
            let more = views.iter().any(|view| view.more);
            at = Planes {
                records: views.records.as_ref().map(|view| view.upto),
                rows: views.rows.as_ref().map(|view| view.upto),
            };
            let views = [views.records, views.rows].into_iter().flatten();
            for (_, Keyed { key, item }) in views.flat_map(|view| view.items) {
                let Some(blob) = &item.blob else { continue };
                let is_whole = whole.covers(&item.hlc);
                if !is_whole && !self.local.has(&blob.key).await.unwrap_or(false) {
                    let message = "its object is not here";
                    let error = Error::new(ErrorKind::BlobMissing, "exchange", message);
                    found.push((key, Held::new(&item, Direction::Inbound, error)));
                }
            }
            if !more {
                return Ok(found);
            }
        }
    }

    /// Finds what the two sides hold differently, and has it travel.
    pub(super) async fn reconcile_in(
        &self,
        session: &mut Session<S::Body>,
        how: Thoroughly,
    ) -> Result<Reconciled> {
        let mut done = Reconciled::default();
        let differing = self.differences(&mut done, how).await?;
        done.differing = differing.want.len() + differing.offer.len();
        session.want.extend(differing.want);
        session.offer.extend(differing.offer);
        session.is_reconciling = true;
        let travelled = self.travel(session, &mut done).await;
        session.is_reconciling = false;
        session.want.clear();
        session.offer.clear();
        travelled?;
        Ok(done)
    }

    async fn travel(&self, session: &mut Session<S::Body>, done: &mut Reconciled) -> Result<()> {
        let mut stalls = 0;
        loop {
            let before = session.want.len() + session.offer.len();
            let is_last = before == 0;
            if is_last {
                session.is_reconciling = false;
            }
            session.reconciled_ms = Some(self.side.clock().system_ms());
            let step = Box::pin(self.step(session)).await?.ok_or_else(no_logs)?;
            done.requests += 1;
            done.applied += step.report.applied;
            done.shipped += step.report.shipped;
            done.in_sync = step.report.in_sync == Some(true);
            if session.want.len() + session.offer.len() < before {
                stalls = 0;
            } else {
                stalls += 1;
            }
            if is_last || stalls > MOST_STALLS {
                return Ok(());
            }
        }
    }

    async fn differences(&self, done: &mut Reconciled, how: Thoroughly) -> Result<Differences> {
        if how.verify {
            verify(&self.side).await?;
        }
        let views = look(
            &self.side,
            Planes {
                records: Some(Look::default()),
                rows: Some(Look::default()),
            },
        )
        .await?;
        let streams = views.iter().flat_map(|view| &view.streams);
        let mut pending: Vec<Span> = streams
            .map(|(name, digest)| Span {
                range: Range {
                    stream: name.clone(),
                    from: String::new(),
                    to: None,
                },
                digest: *digest,
            })
            .collect();
        let names = names_of(&views);
        let mut found = Differences::default();
        let mut is_first = true;
        while !pending.is_empty() {
            if done.requests >= MOST_QUESTIONS {
                let message = "the peer splits its ranges without end; see its log";
                return Err(Error::sync("reconcile", message));
            }
            let most = if is_first { pending.len() } else { MOST_SPANS };
            let asked: Vec<Span> = pending.drain(..pending.len().min(most)).collect();
            let request = Request {
                limit: 1,
                log: Some(Box::new(LogRequest {
                    verify: is_first && how.verify,
                    stream_names: is_first.then(|| names.clone()),
                    streams: hash_of(&names),
                    compare: asked.clone(),
                    ..LogRequest::default()
                })),
                ..Request::default()
            };
            done.requests += 1;
            let answer = self.peer.exchange(request).await?.log.ok_or_else(no_logs)?;
            if answer.compared.len() != asked.len() {
                let message = "the peer must answer for every range that it was asked for";
                return Err(Error::sync("malformed exchange answer", message));
            }
            let is_common = |span: &Span| {
                let both = answer.stream_names.as_ref();
                both.is_none_or(|both| both.contains(&span.range.stream))
            };
            for (span, reply) in asked.iter().zip(answer.compared) {
                match reply {
                    _ if !is_common(span) => {
                        if how.offer_all {
                            let none = Vec::new();
                            self.other_keys(&span.range, none, &mut found).await?;
                        }
                    }
                    Reply::Same => {}
                    Reply::Parts(parts) => pending.extend(self.other_parts(parts).await?),
                    Reply::Keys(theirs) => self.other_keys(&span.range, theirs, &mut found).await?,
                }
            }
            is_first = false;
        }
        Ok(found)
    }

    /// Those of the parts of which this side holds something else, with that.
    async fn other_parts(&self, parts: Vec<Span>) -> Result<Vec<Span>> {
        let ranges: Vec<Range> = parts.iter().map(|part| part.range.clone()).collect();
        let is_records = ranges.first().is_some_and(|range| range.stream.is_empty());
        let ours: Vec<Digest> = match (is_records, self.side.records(), self.side.rows()) {
            (true, Some(records), _) => records.digests(ranges).await?,
            (false, _, Some(rows)) => rows.digests(ranges).await?,
            _ => Vec::new(),
        };
        let both = parts.into_iter().zip(ours);
        Ok(both
            .filter(|(theirs, ours)| theirs.digest != *ours)
            .map(|(theirs, digest)| Span {
                range: theirs.range,
                digest,
            })
            .collect())
    }

    /// Notes which of the keys of a range are to be fetched and which to be sent.
    async fn other_keys(
        &self,
        range: &Range,
        theirs: Vec<Found>,
        found: &mut Differences,
    ) -> Result<()> {
        let ranges = vec![range.clone()];
        let versions = match (
            range.stream.is_empty(),
            self.side.records(),
            self.side.rows(),
        ) {
            (true, Some(records), _) => records.versions(ranges).await?,
            (false, _, Some(rows)) => rows.versions(ranges).await?,
            _ => Vec::new(),
        };
        let ours: BTreeMap<Key, String> = versions.into_iter().flatten().collect();
        let stream = Stream::named(&range.stream);
        let theirs: BTreeMap<Key, String> = theirs
            .into_iter()
            .map(|Found(id, time)| {
                let id = crate::protocol::text::Text::from(id.as_str());
                (
                    Key {
                        stream: stream.clone(),
                        id,
                    },
                    time,
                )
            })
            .collect();
        let keys: BTreeSet<&Key> = ours.keys().chain(theirs.keys()).collect();
        for key in keys {
            let time = |versions: &BTreeMap<Key, String>| {
                versions.get(key).and_then(|time| Hlc::parse(time).ok())
            };
            let (ours, theirs) = (time(&ours), time(&theirs));
            if theirs > ours {
                found.want.push(key.clone());
            } else if ours > theirs {
                found.offer.push(key.clone());
            }
        }
        Ok(())
    }

    /// Reconciles with the peer, whatever the logs say.
    ///
    /// # Errors
    /// What the stores or the peer failed with; `Sync` if the peer keeps no logs.
    pub async fn reconcile(&self) -> Result<Reconciled> {
        let mut session = self.session.take();
        let done = async {
            if !matches!(session.peer, Peer::Logged(_)) {
                session = Session::default();
                self.round_by_logs(&mut session)
                    .await?
                    .ok_or_else(no_logs)?;
            }
            let how = Thoroughly {
                verify: true,
                offer_all: true,
            };
            self.reconcile_in(&mut session, how).await
        }
        .await;
        self.session.replace(session);
        done
    }
}

#[derive(Debug, Default)]
struct Differences {
    want: Vec<Key>,
    offer: Vec<Key>,
}

fn no_logs() -> Error {
    Error::sync(
        "reconcile",
        "one of the two sides keeps no change log; use the stores of this package on both, or let the ordinary rounds do \
         it",
    )
}
