//! The first exchange by logs of two sides that both hold something.
//!
//! Nothing is noted of what they had of each other, as where they exchanged by watermarks so far. They are
//! compared, what differs is noted to wait, and both logs are noted to be taken in as they stood before.

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::log::{Key, Keyed, LogAnswer, LogRequest, PlaneRequest};
use crate::protocol::message::{DEFAULT_PAGE_LIMIT, Request};
use crate::protocol::watermarks::Watermarks;

use super::caller::Engine;
use super::change_log::{Advance, After, Look, Note, View, Waiting};
use super::differences::{Differences, Thoroughly};
use super::held::{Direction, Held};
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};
use super::planes::{look, no_logs, note};
use super::ports::{Blobs, Events, Exchange, Log, Side, State};
use super::reconcile::bars_route;
use super::session::{KnownPeer, Session, Untold};
use super::stuck::Waits;
use super::waiting::note_waiting;

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
        let told = self.have_own_logs_passed(&pairs, heads).await?;
        session.tried.clear();
        self.pass_logs_of_peer(&mut pairs, told).await?;
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

    /// Has the peer note that it has taken in the own logs up to these numbers.
    async fn have_own_logs_passed(
        &self,
        pairs: &Planes<Pair>,
        heads: &Planes<u64>,
    ) -> Result<LogAnswer> {
        let whole_history = |_| Look {
            history: usize::MAX,
            ..Look::default()
        };
        let views = look(&self.side, pairs.as_ref().map(whole_history)).await?;
        let told = |view: View<S::Body>, head: &u64| PlaneRequest {
            upto: view.history.at(*head).filter(|_| *head > 0),
            id: view.id,
            history: view.history,
            presumes: None,
            follows: Some(0),
            since: Vec::new(),
        };
        let Planes { records, rows } = views.zip(heads.as_ref(), told);
        let request = Request {
            limit: 1,
            log: Some(Box::new(LogRequest {
                hello: true,
                records,
                rows,
                ..LogRequest::default()
            })),
            ..Request::default()
        };
        let answer = self.ask(request).await?;
        answer.log.map(|log| *log).ok_or_else(no_logs)
    }

    /// Notes that the peer's logs are taken in as they stood before both sides were compared, and what it `told` of the own
    /// ones.
    async fn pass_logs_of_peer(&self, pairs: &mut Planes<Pair>, told: LogAnswer) -> Result<()> {
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
        note(&self.side, pairs.as_ref().map(note_of)).await?;
        for (pair, told) in [
            (&mut pairs.records, told.records),
            (&mut pairs.rows, told.rows),
        ] {
            if let (Some(pair), Some(told)) = (pair.as_mut(), told) {
                pair.have = told.have;
                pair.confirmed = told.have;
                pair.cursor = pair.history.head().cloned();
                pair.noted.clone_from(&pair.cursor);
            }
        }
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
            at = views.as_ref().map(|view| view.upto);
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
}
