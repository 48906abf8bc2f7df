//! Asking the peer, and what an app sees and stops of that while a reconciliation runs.

use std::pin::pin;

use futures_util::future::{Either, select};

use crate::error::{Error, Result};
use crate::protocol::message::{Answer, Request};

use super::caller::Engine;
use super::ports::{Blobs, Clock, Events, Exchange, Side, State};
use super::progress::{Phase, Progress};

/// Between two reports of one phase there are at least this many milliseconds.
const REPORT_AFTER_MS: u64 = 100;

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Asks the peer. While a reconciliation runs, it can be called off here: nothing of the answer was taken in then.
    pub(super) async fn ask(&self, request: Request<S::Body>) -> Result<Answer<S::Body>> {
        if !self.watch.runs.get() {
            return self.peer.exchange(request).await;
        }
        self.watch.requests.set(self.watch.requests.get() + 1);
        self.unless_stopped(self.peer.exchange(request)).await?
    }

    /// Does `work`, unless the reconciliation is called off before it is done.
    pub(super) async fn unless_stopped<R>(&self, work: impl Future<Output = R>) -> Result<R> {
        if self.events.is_stopped() {
            return Err(called_off());
        }
        match select(pin!(work), pin!(self.events.stopped())).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(((), _)) => Err(called_off()),
        }
    }

    /// Says how far the reconciliation is, unless that was said a moment ago.
    pub(super) fn tell(&self, phase: Phase, done: usize, of: Option<usize>) {
        let now = self.side.clock().system_ms();
        let is_due = |told: u64| now.abs_diff(told) >= REPORT_AFTER_MS;
        if self.watch.runs.get() && self.watch.told_ms.get().is_none_or(is_due) {
            self.watch.told_ms.set(Some(now));
            self.events.progressed(Progress { phase, done, of });
        }
    }

    /// Says that a phase is over, and what was done in it.
    pub(super) fn tell_end(&self, phase: Phase, done: usize) {
        if self.watch.runs.get() {
            let of = Some(done);
            self.events.progressed(Progress { phase, done, of });
        }
    }
}

fn called_off() -> Error {
    Error::sync("reconcile", "it was called off")
}
