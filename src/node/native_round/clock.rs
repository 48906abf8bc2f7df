//! The clock of a round on another thread.

use std::sync::Arc;
use std::time::Instant;

use super::context::Context;
use crate::engine::ports::Clock;
use crate::error::Result;
use crate::node::adapters::JsClock;
use crate::node::runtime::TaskQueue;
use crate::protocol::hlc::Hlc;
use crate::store::clock::{SharedClock, system_ms};

/// This package's own clock, or the app's, which is asked on its thread.
pub struct RoundClock {
    whose: Whose,
    time: AppTime,
}

enum Whose {
    Ours(SharedClock),
    Theirs(Arc<TaskQueue<Context>>, Which),
}

/// Finds the app's clock where tasks are run.
type Which = fn(&Context) -> Option<&JsClock>;

impl RoundClock {
    /// `clock`, which tasks find by `which`.
    pub fn new(clock: &JsClock, tasks: &Arc<TaskQueue<Context>>, which: Which) -> Result<Self> {
        let whose = match clock.shared()? {
            Some(shared) => Whose::Ours(shared),
            None => Whose::Theirs(Arc::clone(tasks), which),
        };
        Ok(Self {
            whose,
            time: AppTime {
                at_start: clock.app_ms(),
                started: Instant::now(),
            },
        })
    }
}

/// The app's `Date.now()`, which is read when a round begins.
struct AppTime {
    at_start: u64,
    started: Instant,
}

impl Clock for RoundClock {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        let (tasks, which) = match &self.whose {
            Whose::Ours(clock) => return clock.receive(remote).await,
            Whose::Theirs(tasks, which) => (tasks, *which),
        };
        let remote = remote.clone();
        tasks
            .run("clock.receive", move |context| {
                Box::pin(async move {
                    match which(&context) {
                        Some(clock) => clock.receive(&remote).await,
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    async fn next(&self) -> Result<Option<Hlc>> {
        let (tasks, which) = match &self.whose {
            Whose::Ours(clock) => return clock.next().await,
            Whose::Theirs(tasks, which) => (tasks, *which),
        };
        tasks
            .run("clock.now", move |context| {
                Box::pin(async move {
                    match which(&context) {
                        Some(clock) => clock.next().await,
                        None => Ok(None),
                    }
                })
            })
            .await
    }

    fn app_ms(&self) -> u64 {
        let since = u64::try_from(self.time.started.elapsed().as_millis());
        self.time.at_start.saturating_add(since.unwrap_or(u64::MAX))
    }

    fn system_ms(&self) -> u64 {
        system_ms()
    }
}
