//! What a round on another thread leaves on the JS thread, and its clock.

use std::rc::Rc;
use std::time::Instant;

use crate::engine::ports::Clock;
use crate::error::Result;
use crate::node::adapters::JsClock;
use crate::node::events::NodeEngine;
use crate::node::http::PeerOptions;
use crate::node::runtime::TaskQueue;
use crate::node::transport::InProcess;
use crate::protocol::hlc::Hlc;
use crate::store::clock::{SharedClock, system_ms};

/// What tasks are run with, on the JS thread.
pub struct Context {
    /// The engine whose round it is.
    pub engine: Rc<NodeEngine>,
    /// Its peer, where that is in this process.
    pub peer: Option<Rc<InProcess>>,
    /// The apps that are asked for headers, by number.
    pub apps: Vec<Rc<PeerOptions>>,
}

/// Finds the app's clock where tasks are run.
type Which = fn(&Context) -> Option<&JsClock>;

/// This package's own clock, or the app's, which is asked on its thread.
pub struct RoundClock {
    ours: Option<SharedClock>,
    theirs: (TaskQueue<Context>, Which),
    /// The app's `Date.now()`, which is read when a round begins, and when that was.
    begun: (u64, Instant),
}

impl RoundClock {
    /// `clock`, which tasks find by `which`.
    pub fn new(clock: &JsClock, tasks: &TaskQueue<Context>, which: Which) -> Result<Self> {
        Ok(Self {
            ours: clock.shared()?,
            theirs: (tasks.clone(), which),
            begun: (clock.app_ms(), Instant::now()),
        })
    }
}

impl Clock for RoundClock {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        if let Some(ours) = &self.ours {
            return ours.receive(remote).await;
        }
        let ((tasks, which), remote) = (&self.theirs, remote.clone());
        let which = *which;
        let receive = async move |context: Rc<Context>| match which(&context) {
            Some(clock) => clock.receive(&remote).await,
            None => Ok(()),
        };
        tasks.run("clock.receive", receive).await
    }

    async fn next(&self) -> Result<Option<Hlc>> {
        if let Some(ours) = &self.ours {
            return ours.next().await;
        }
        let (tasks, which) = &self.theirs;
        let which = *which;
        let next = async move |context: Rc<Context>| match which(&context) {
            Some(clock) => clock.next().await,
            None => Ok(None),
        };
        tasks.run("clock.now", next).await
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
