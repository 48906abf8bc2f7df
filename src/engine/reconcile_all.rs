//! A reconciliation that an app asks for: all that both sides hold, whatever their logs and watermarks say.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::protocol::log::LogPositions;
use crate::protocol::watermarks::Watermarks;

use super::caller::Engine;
use super::conflict::Conflict;
use super::held::Held;
use super::planes::keeps_logs;
use super::ports::{Blobs, Clock, Events, Exchange, Side, State};
use super::progress::Phase;
use super::reconcile::{lacks_route, other_log};
use super::reconcile_objects::Objects;
use super::session::{KnownPeer, Session, Untold};

/// At most this many pages of what both sides know of each other's logs are exchanged before they are compared.
const MOST_PAGES: usize = 100_000;

/// What a reconciliation came to. What is data alone of it can be written as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconciled<B> {
    /// Items that the two sides held differently. Without logs on both sides, the records that came in.
    pub differing: usize,
    /// Shared records that are new here, with their objects.
    pub applied: usize,
    /// Items sent, without those that the peer refused.
    pub shipped: usize,
    /// How often the peer was asked.
    pub requests: usize,
    /// Whether both sides are proved to hold the same now; `None` if one of them keeps no log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_sync: Option<bool>,
    /// What is held.
    #[serde(skip)]
    pub held: Vec<Held<B>>,
    /// What became of the objects, if they were to be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<Objects>,
    /// Versions that met others which were written without knowing of them.
    #[serde(skip)]
    pub conflicts: Vec<Conflict<B>>,
}

impl<B> Reconciled<B> {
    /// The same around another form of the bodies.
    pub fn map<J>(self, body: impl Fn(B) -> J) -> Reconciled<J> {
        let held = self.held.into_iter().map(|held| held.map(&body));
        let conflicts = self.conflicts.into_iter();
        Reconciled {
            differing: self.differing,
            applied: self.applied,
            shipped: self.shipped,
            in_sync: self.in_sync,
            requests: self.requests,
            held: held.collect(),
            objects: self.objects,
            conflicts: conflicts.map(|found| found.map(&body)).collect(),
        }
    }
}

impl<B> Default for Reconciled<B> {
    fn default() -> Self {
        Self {
            differing: 0,
            applied: 0,
            shipped: 0,
            in_sync: None,
            requests: 0,
            held: Vec::new(),
            objects: None,
            conflicts: Vec::new(),
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
    /// Reconciles with the peer, and with `objects` their objects too. A round must not run meanwhile.
    ///
    /// # Errors
    /// What the stores or the peer failed with, and `Sync` if it was called off. What was brought over stays.
    pub async fn reconcile(&self, objects: bool) -> Result<Reconciled<S::Body>> {
        self.watch.begin();
        let done = self.reconcile_all(objects).await;
        let requests = self.watch.end();
        done.map(|done| Reconciled {
            requests,
            conflicts: self.tell_conflicts(),
            ..done
        })
    }

    async fn reconcile_all(&self, objects: bool) -> Result<Reconciled<S::Body>> {
        let mut by_logs = None;
        if keeps_logs(&self.side) {
            let mut session = self.session.take();
            let done = self.reconcile_logs(&mut session).await;
            self.watch.acknowledge(session.pairs());
            self.session.replace(session);
            by_logs = done?;
        }
        let mut done = match by_logs {
            Some(done) => done,
            None => self.sweep_all().await?,
        };
        if objects {
            let replaces = done.in_sync != Some(false);
            done.objects = Some(self.reconcile_objects(replaces).await?);
        }
        Ok(done)
    }

    /// By logs; `None` if the peer keeps none. What the logs have is exchanged first, so that only what they say
    /// nothing of has to be found by comparing.
    async fn reconcile_logs(
        &self,
        session: &mut Session<S::Body>,
    ) -> Result<Option<Reconciled<S::Body>>> {
        let mut done = Reconciled::default();
        if !matches!(session.peer, KnownPeer::Logged(_)) {
            session.forget();
            if !self.greet(session).await? {
                session.peer = KnownPeer::Older(self.side.clock().system_ms());
                return Ok(None);
            }
        }
        let was_told = self.drain(session, &mut done).await?;
        if !was_told {
            session.forget();
            if !self.greet(session).await? || !self.drain(session, &mut done).await? {
                return Err(other_log());
            }
        }
        let found = self.reconcile_in(session).await.map_err(|error| {
            if !lacks_route(&error) {
                return error;
            }
            let message = "the peer's server does not answer POST /sync/reconcile; give that path to its sync handler \
                           as well, beside /sync/exchange";
            Error::sync("reconcile", message).caused_by(error)
        })?;
        let Untold {
            differing,
            applied,
            shipped,
        } = std::mem::take(&mut session.untold);
        done.differing += found.differing + differing;
        done.applied += found.applied + applied;
        done.shipped += found.shipped + shipped;
        done.in_sync = Some(found.in_sync);
        done.held = found.held;
        Ok(Some(done))
    }

    /// Exchanges what the logs have. `false` if one of them is not the one that it was.
    async fn drain(
        &self,
        session: &mut Session<S::Body>,
        done: &mut Reconciled<S::Body>,
    ) -> Result<bool> {
        for _ in 0..MOST_PAGES {
            // Nothing is proved, and nothing compared: that follows.
            session.is_reconciling = true;
            let step = self.step(session).await;
            session.is_reconciling = false;
            let Some(step) = step? else {
                return Ok(false);
            };
            done.applied += step.report.applied;
            done.shipped += step.report.shipped;
            self.tell(Phase::Items, done.applied + done.shipped, None);
            if !step.report.has_more && !step.is_partial() {
                break;
            }
        }
        Ok(true)
    }

    /// One sweep from nothing: each side offers all that it holds, and what was stranded before travels too. What is
    /// persisted begins at nothing as well, so that an item which this sweep has to hold is tried again later.
    async fn sweep_all(&self) -> Result<Reconciled<S::Body>> {
        self.sweep.take();
        self.sweep.borrow_mut().offers_all = true;
        if let Some(state) = &self.state {
            let mut sent = state.watermarks().await?;
            sent.merge(&state.peer_watermarks().await?);
            self.sweep.borrow_mut().sent = sent;
            state.set_watermarks(&Watermarks::default()).await?;
            state.set_peer_watermarks(&Watermarks::default()).await?;
            state.set_log_positions(&LogPositions::default()).await?;
        }
        let mut done = Reconciled::default();
        loop {
            let report = Box::pin(self.round_untold(false)).await?;
            done.applied += report.applied;
            done.shipped += report.shipped;
            done.differing = done.applied;
            done.held = report.held;
            if !report.has_more {
                self.tell_end(Phase::Items, done.applied + done.shipped);
                return Ok(done);
            }
            self.tell(Phase::Items, done.applied + done.shipped, None);
        }
    }
}
