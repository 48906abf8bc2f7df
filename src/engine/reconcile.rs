//! Finding and mending what two sides hold differently, whatever their logs say.
//!
//! Each side first holds its log against its tables. Then ranges of keys are compared, and split where they differ,
//! until few enough keys are in them to name: some three or four questions for 100,000 items. What differs then
//! travels like anything that waits.

use crate::error::{Error, Result};
use crate::protocol::log::LogRequest;
use crate::protocol::message::Request;

use super::caller::Engine;
use super::change_log::Look;
use super::differences::{Differences, Thoroughly};
use super::held::Held;
use super::pair::Planes;
use super::planes::{has_purged, look, streams_of, verify};
use super::ports::{Blobs, Clock, Events, Exchange, Side, State};
use super::progress::Phase;
use super::session::Session;

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

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
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
        let views = look(&self.side, Planes::both(Look::default())).await?;
        Ok(has_purged(&streams_of(&views)))
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
