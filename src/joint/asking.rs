//! What a round over stores of this crate's own has done where the app lives: a clock, warnings, listeners, and headers,
//! each a [task](TaskQueue).

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch::Sender;

use super::tasks::TaskQueue;
use crate::engine::ports::{Clock, Events, Log};
use crate::engine::progress::News;
use crate::error::{Error, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::text::Text;
use crate::store::clock::{SharedClock, system_ms};
use crate::transport::client::{Caller, Head, Headers};

/// What tasks of a round are run with.
#[allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]
pub trait App: 'static {
    /// The app's clock, of this side or of the other.
    type Clock: Clock;
    /// The listeners of the round.
    type Events: Events;

    /// The clock of this side, or that of the peer's.
    fn clock(&self, of_peer: bool) -> Option<&Self::Clock>;
    /// The listeners of the round.
    fn events(&self) -> &Self::Events;
    /// Says a warning.
    fn warn(&self, message: &str, error: Option<&Error>);
    /// The headers of a request to the peer by this number, if the app has a say in them.
    async fn headers(&self, peer: usize, head: &Head) -> Result<Headers>;
}

/// This package's own clock, or the app's, which is asked on its thread.
pub struct RoundClock<A> {
    ours: Option<SharedClock>,
    theirs: (TaskQueue<A>, bool),
    /// The app's `Date.now()`, which is read when a round begins, and when that was.
    begun: (u64, Instant),
}

impl<A: App> RoundClock<A> {
    /// The clock itself, or the one that tasks find, of this side or of the peer's. For the app it is `app_ms` now.
    pub fn new(
        ours: Option<SharedClock>,
        tasks: &TaskQueue<A>,
        of_peer: bool,
        app_ms: u64,
    ) -> Self {
        Self {
            ours,
            theirs: (tasks.clone(), of_peer),
            begun: (app_ms, Instant::now()),
        }
    }
}

impl<A: App> Clock for RoundClock<A> {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        if let Some(ours) = &self.ours {
            return ours.receive(remote).await;
        }
        let (of_peer, remote) = (self.theirs.1, remote.clone());
        let receive = async move |app: Rc<A>| match app.clock(of_peer) {
            Some(clock) => clock.receive(&remote).await,
            None => Ok(()),
        };
        self.theirs.0.run("clock.receive", receive).await
    }

    async fn next(&self) -> Result<Option<Hlc>> {
        if let Some(ours) = &self.ours {
            return ours.next().await;
        }
        let of_peer = self.theirs.1;
        let next = async move |app: Rc<A>| match app.clock(of_peer) {
            Some(clock) => clock.next().await,
            None => Ok(None),
        };
        self.theirs.0.run("clock.now", next).await
    }

    fn app_ms(&self) -> u64 {
        let (at_start, started) = &self.begun;
        let since = u64::try_from(started.elapsed().as_millis());
        at_start.saturating_add(since.unwrap_or(u64::MAX))
    }

    fn system_ms(&self) -> u64 {
        system_ms()
    }
}

/// Warnings go to the app.
pub struct Console<A>(pub TaskQueue<A>);

impl<A> Clone for Console<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: App> Log for Console<A> {
    fn warn(&self, message: &str, error: Option<&Error>) {
        let (message, error) = (message.to_owned(), error.cloned());
        self.0.post(move |app| app.warn(&message, error.as_ref()));
    }
}

/// An app hears how far a transfer is ten times a second.
pub const TICK: Duration = Duration::from_millis(100);

/// How an app calls a round or a reconciliation off, whichever thread that runs on.
#[derive(Debug, Default)]
pub struct Stop(Sender<bool>);

impl Stop {
    /// Whether it was called off.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is.
    pub async fn stopped(self: Arc<Self>) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Calls it off.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// The app's listeners.
pub struct Listeners<A> {
    /// The way to them.
    pub tasks: TaskQueue<A>,
    /// How the app calls the reconciliation off that runs, if it can.
    pub stop: Option<Arc<Stop>>,
    /// Whether they hear of each object on its way.
    pub hear_transfers: bool,
}

impl<A: App> Events for Listeners<A> {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        let applied = async move |app: Rc<A>| app.events().records_applied(ids).await;
        self.tasks.run("changeNotifier", applied).await
    }

    fn told(&self, news: News) {
        self.tasks.post(move |app| app.events().told(news));
    }

    fn hears_transfers(&self) -> bool {
        self.hear_transfers
    }

    async fn tick(&self) {
        tokio::time::sleep(TICK).await;
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.is_stopped())
    }

    async fn stopped(&self) {
        match &self.stop {
            Some(stop) => Arc::clone(stop).stopped().await,
            None => std::future::pending().await,
        }
    }
}

/// The caller of a peer, on a thread of its own. The app is asked for headers where it has a say in them.
pub struct Asking<A> {
    /// The way to the app, and the number of the peer there.
    pub app: Option<(TaskQueue<A>, usize)>,
    /// See [`Caller::signs`].
    pub signs: bool,
}

impl<A> fmt::Debug for Asking<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}

impl<A: App> Caller for Asking<A> {
    async fn headers(&self, head: &Head) -> Result<Headers> {
        let Some((tasks, number)) = &self.app else {
            return Ok(head.headers());
        };
        let (number, head) = (*number, head.clone());
        let headers = async move |app: Rc<A>| app.headers(number, &head).await;
        tasks.run("request headers", headers).await
    }

    fn is_asked(&self) -> bool {
        self.app.is_some()
    }

    fn signs(&self) -> bool {
        self.signs
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        work.await
    }
}
