//! Finding and mending what two sides hold differently, whatever their logs say.
//!
//! Each side first holds its log against its tables. Then ranges of keys are compared, and split where they differ,
//! until few enough keys are in them to name: some three or four questions for 100,000 items. What differs then
//! travels like anything that waits.

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::log::{Key, Keyed, LogAnswer, LogRequest, PlaneRequest, Reply, Span};
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Request};
use crate::protocol::watermarks::Watermarks;

use super::caller::Engine;
use super::change_log::{Advance, After, ChangeLog, Look, Note, View, Waiting};
use super::differences::{Differences, MOST_SPANS, Thoroughly};
use super::granted::Granted;
use super::held::{Direction, Held};
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};
use super::planes::{has_purged, hash_of, in_common, look, no_logs, note, streams_of, verify};
use super::ports::{Blobs, Clock, Events, Exchange, Log, Side, State};
use super::progress::Phase;
use super::responder::Responder;
use super::session::{KnownPeer, Session, Untold};
use super::stuck::Waits;
use super::waiting::note_waiting;

/// The milliseconds between two times that a caller can have the log held against the tables.
const VERIFY_AFTER_MS: u64 = 60_000;

/// The most requests for which what is to travel may stand still: the peer first passes what it was sent before, or forgets
/// some of it.
const MOST_STALLS: usize = 3;

/// A side to which an app writes without end is never done.
const MOST_STEPS: usize = 10_000;

/// What a reconciliation by logs came to.
#[derive(Debug)]
pub(super) struct Travelled<B> {
    pub(super) differing: usize,
    pub(super) applied: usize,
    pub(super) shipped: usize,
    pub(super) in_sync: bool,
    pub(super) held: Vec<Held<B>>,
}

impl<B> Default for Travelled<B> {
    fn default() -> Self {
        Self {
            differing: 0,
            applied: 0,
            shipped: 0,
            in_sync: false,
            held: Vec::new(),
        }
    }
}

/// Answers a request that compares.
pub(super) async fn compare<S: Side>(
    responder: &Responder<S>,
    side: &Granted<'_, S>,
    asked: &LogRequest,
) -> Result<Answer<S::Body>> {
    let now_ms = side.clock().system_ms();
    if asked.verify && responder.known().may_verify(now_ms, VERIFY_AFTER_MS) {
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
    let streams = streams_of(&views);
    let theirs = asked.stream_names.as_ref();
    Ok(Answer {
        log: Some(Box::new(LogAnswer {
            streams: hash_of(&streams),
            stream_names: theirs.map(|theirs| in_common(&streams, theirs)),
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

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Two sides that both hold something, and nothing is noted of what they had of each other: what is missing is found
    /// by comparing, and only then both logs are noted to be taken in as they stood before.
    pub(super) async fn meet(
        &self,
        session: &mut Session<S::Body>,
        heads: &Planes<u64>,
    ) -> Result<()> {
        let KnownPeer::Logged(mut pairs) = session.peer.clone() else {
            return Ok(());
        };
        let differing = match self.differences(Thoroughly::WHOLE).await {
            Err(error) if bars_route(&error) => {
                let message = "what both sides hold cannot be compared, so all of it travels; let the peer's server \
                               answer POST /sync/reconcile as well";
                self.side.log().warn(message, Some(&error));
                return Ok(());
            }
            differing => differing?,
        };
        if !self.expect(session, &pairs, &differing).await? {
            return Ok(());
        }
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
            presumes: None,
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
        let answer = self.ask(request).await?;
        let LogAnswer { records, rows, .. } = *answer.log.ok_or_else(no_logs)?;
        session.tried.clear();
        let note_of = |pair: &Pair| Note {
            peer: pair.id.clone(),
            advance: pair.history.head().map(|upto| Advance {
                history: pair.history.clone(),
                follows: 0,
                presumes: None,
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
                pair.confirmed = told.have;
                pair.cursor = pair.history.head().cloned();
                pair.noted.clone_from(&pair.cursor);
            }
        }
        session.peer = KnownPeer::Logged(pairs);
        let found = self.bring_together(session, differing).await?;
        session.untold = Untold {
            differing: found.differing,
            applied: found.applied,
            shipped: found.shipped,
        };
        session.reconciled_ms = None;
        Ok(())
    }

    /// Before both logs are passed, all that has to travel or is not whole waits. `false` if that is more than may: then
    /// the logs are passed page by page, and all of it travels.
    async fn expect(
        &self,
        session: &mut Session<S::Body>,
        pairs: &Planes<Pair>,
        differing: &Differences,
    ) -> Result<bool> {
        let room = self.options.most_waiting.saturating_sub(session.held.len());
        let missing = self.without_objects(room).await?;
        let differ = differing.want.len() + differing.offer.len();
        if missing.len() + differ > room {
            return Ok(false);
        }
        let mut out = Outgoing {
            waits: missing,
            ..Outgoing::default()
        };
        self.keep_waiting(session, pairs, &mut out).await?;
        let waits = |direction: Direction| {
            move |key: &Key| Waiting {
                key: key.clone(),
                direction,
                hlc: None,
                code: ErrorKind::Sync.code().to_owned(),
                reason: "the two sides differ in it, and it was not exchanged yet".to_owned(),
                since_ms: 0,
                attempts: 0,
            }
        };
        let want = differing.want.iter().map(waits(Direction::Inbound));
        let offer = differing.offer.iter().map(waits(Direction::Outbound));
        let news: Vec<Waiting> = want.chain(offer).collect();
        note_waiting(&self.side, session, pairs, &news).await?;
        session.remember(news);
        Ok(true)
    }

    /// The items that are here without their objects: so far exchanged by watermarks, which wait for such items. Those
    /// that are passed by watermarks are whole. They are not counted any further once they are more than `room`.
    async fn without_objects(&self, room: usize) -> Result<Vec<Waits<S::Body>>> {
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
                    let held = Held::new(&item, Direction::Inbound, error);
                    found.push(Waits {
                        seq: None,
                        key,
                        held,
                    });
                }
            }
            if !more || found.len() > room {
                return Ok(found);
            }
        }
    }

    /// Finds what the two sides hold differently, and has it travel.
    pub(super) async fn reconcile_in(
        &self,
        session: &mut Session<S::Body>,
    ) -> Result<Travelled<S::Body>> {
        if self.may_differ_in_purged(session).await? {
            // If they do not differ in anything else, what one of them has purged does not come back.
            self.verify_both().await?;
            let found = self.bring_together(session, Differences::default()).await?;
            if found.in_sync {
                return Ok(found);
            }
        }
        let differing = self.differences(Thoroughly::WHOLE).await?;
        self.bring_together(session, differing).await
    }

    /// Whether both sides once held the same, and one of them has purged tombstones.
    async fn may_differ_in_purged(&self, session: &Session<S::Body>) -> Result<bool> {
        if session.even.is_none() || session.tells_alive {
            return Ok(session.even.is_some());
        }
        let looks = Planes {
            records: Some(Look::default()),
            rows: Some(Look::default()),
        };
        Ok(has_purged(&streams_of(&look(&self.side, looks).await?)))
    }

    /// Has both sides hold their logs against their tables.
    async fn verify_both(&self) -> Result<()> {
        verify(&self.side).await?;
        let request = Request {
            limit: 1,
            log: Some(Box::new(LogRequest {
                verify: true,
                ..LogRequest::default()
            })),
            ..Request::default()
        };
        self.ask(request).await.map(drop)
    }

    pub(super) async fn bring_together(
        &self,
        session: &mut Session<S::Body>,
        differing: Differences,
    ) -> Result<Travelled<S::Body>> {
        let mut done = Travelled {
            differing: differing.want.len() + differing.offer.len(),
            ..Travelled::default()
        };
        session.want.extend(differing.want);
        session.offer.extend(differing.offer);
        session.heard_all = false;
        session.is_reconciling = true;
        let travelled = self.travel(session, &mut done).await;
        session.is_reconciling = false;
        session.want.clear();
        session.offer.clear();
        travelled?;
        Ok(done)
    }

    /// The last request finds out whether both sides hold the same now.
    async fn travel(
        &self,
        session: &mut Session<S::Body>,
        done: &mut Travelled<S::Body>,
    ) -> Result<()> {
        let mut stalls = 0;
        let left = |session: &Session<S::Body>| session.want.len() + session.offer.len();
        for _ in 0..MOST_STEPS {
            let before = left(session);
            let is_last = before == 0;
            session.is_reconciling = !is_last;
            session.reconciled_ms = Some(self.side.clock().system_ms());
            let step = Box::pin(self.step(session)).await?.ok_or_else(other_log)?;
            done.applied += step.report.applied;
            done.shipped += step.report.shipped;
            done.in_sync = step.report.in_sync == Some(true);
            stalls = if left(session) < before {
                0
            } else {
                stalls + 1
            };
            let is_over = if is_last {
                !step.report.has_more && !step.is_partial()
            } else {
                stalls > MOST_STALLS
            };
            done.held = step.report.held;
            let brought = done.differing.saturating_sub(left(session));
            if is_over {
                self.tell_end(Phase::Items, brought);
                return Ok(());
            }
            self.tell(Phase::Items, brought, Some(done.differing));
        }
        Ok(())
    }
}

/// Whether the peer's server does not know the route by which two sides compare.
pub(super) fn lacks_route(error: &Error) -> bool {
    const UNKNOWN: [u16; 3] = [404, 405, 501];
    has_status(error, &UNKNOWN)
}

/// Whether it does not know it, or lets this caller exchange and not compare: a round goes on without.
pub(super) fn bars_route(error: &Error) -> bool {
    const BARRED: [u16; 2] = [401, 403];
    lacks_route(error) || has_status(error, &BARRED)
}

fn has_status(error: &Error, statuses: &[u16]) -> bool {
    let status = error.network().and_then(|network| network.status);
    status.is_some_and(|status| statuses.contains(&status))
}

pub(super) fn other_log() -> Error {
    let message = "the log of one of the two sides became another one meanwhile, as if its file was put back; try again";
    Error::sync("reconcile", message)
}
