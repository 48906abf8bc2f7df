//! Asking the peer, and what an app sees and stops of a round or a reconciliation that runs.

use std::collections::HashMap;
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::error::{Error, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Blob;
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;

use super::blobs::{Transfers, transfer_all};
use super::bring::How;
use super::caller::Engine;
use super::held::Direction;
use super::ports::{Blobs, Clock, Events, Exchange, Side, State};
use super::progress::{News, Phase, Progress};
use super::round::Report;

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
        let sent = request.items.len();
        if self.watch.runs.get() {
            self.watch.requests.set(self.watch.requests.get() + 1);
            return self.unless_stopped(self.peer.exchange(request)).await?;
        }
        let answer = self.peer.exchange(request).await?;
        self.note_answer(sent, &answer);
        Ok(answer)
    }

    /// Counts what a request and its answer moved.
    pub(super) fn note_answer(&self, sent: usize, answer: &Answer<S::Body>) {
        let watch = &self.watch;
        watch.count(answer.traffic);
        let items = watch.items.get() + sent + answer.items.len();
        watch.items.set(items);
        if watch.listens.get() {
            let bytes = answer.traffic.sent + answer.traffic.received;
            self.events.told(News::Progress(Progress {
                phase: Phase::Items,
                done: items,
                of: None,
                bytes: Some(bytes as u64),
                bytes_of: None,
            }));
        }
    }

    /// A round that the app can call off at any await, and hears of if it `listens`. What is called off leaves what a
    /// program leaves that is ended there: nothing half-written, and everything that was taken in.
    ///
    /// # Errors
    /// Those of [`Engine::round`], and `Sync` if it was called off.
    pub async fn watched_round(&self, listens: bool) -> Result<Report<S::Body>> {
        self.unless_stopped(self.round_heard(listens)).await?
    }

    /// Brings objects to where they belong, and says meanwhile how far that is.
    pub(super) async fn transfer(
        &self,
        direction: Direction,
        blobs: &[(&Hlc, &Blob)],
        how: How<'_>,
    ) -> Transfers {
        let (source, destination, phase) = match direction {
            Direction::Outbound => (&self.local, &self.remote, Phase::Upload),
            Direction::Inbound => (&self.remote, &self.local, Phase::Download),
        };
        let work = transfer_all(source, destination, blobs.iter().copied(), how);
        if blobs.is_empty() || !self.watch.listens.get() {
            return work.await;
        }
        let of: HashMap<&Text, Option<u64>> = blobs
            .iter()
            .map(|(_, blob)| (&blob.key, blob.size))
            .collect();
        let before = (how.moved.settled.get(), how.moved.bytes.get());
        let tell = || {
            self.events.told(News::Progress(Progress {
                phase,
                done: how.moved.settled.get() - before.0,
                of: Some(of.len()),
                bytes: Some(how.moved.bytes.get() - before.1),
                bytes_of: of.values().copied().sum(),
            }));
        };
        let mut work = pin!(work);
        loop {
            match select(work.as_mut(), pin!(self.events.tick())).await {
                Either::Left((done, _)) => {
                    tell();
                    return done;
                }
                Either::Right(((), _)) => tell(),
            }
        }
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
            self.events.told(counted(phase, done, of));
        }
    }

    /// Says that a phase is over, and what was done in it.
    pub(super) fn tell_end(&self, phase: Phase, done: usize) {
        if self.watch.runs.get() {
            self.events.told(counted(phase, done, Some(done)));
        }
    }
}

fn counted(phase: Phase, done: usize, of: Option<usize>) -> News {
    News::Progress(Progress {
        phase,
        done,
        of,
        bytes: None,
        bytes_of: None,
    })
}

fn called_off() -> Error {
    Error::sync("exchange", "it was called off")
}
