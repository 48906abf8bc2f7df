//! What a reconciliation is called with: how it is called off, and who hears how far it is.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch::Sender;

use super::value::{Env, Persistent};
use crate::engine::progress::{Phase, Progress};

/// How an app calls a reconciliation off, whichever thread that runs on.
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

/// What the reconciliation that runs was called with.
pub struct Reconciling {
    /// Only if it was called with a signal: waiting for it costs something at every request.
    pub stop: Option<Arc<Stop>>,
    /// The function that hears how far it is.
    pub listener: Option<Persistent>,
}

impl Reconciling {
    /// Tells the app's listener. The function of `js/reconcile.js` catches what it throws.
    pub fn progressed(&self, env: &Rc<Env>, progress: Progress) {
        let Some(listener) = &self.listener else {
            return;
        };
        let phase = match progress.phase {
            Phase::Verify => "verify",
            Phase::Compare => "compare",
            Phase::Items => "items",
            Phase::Objects => "objects",
        };
        // If this fails, the environment is ending, and there is no one left to tell.
        let _ = env.scope(|scope| {
            let of = match progress.of {
                Some(of) => scope.count(of as u64)?,
                None => scope.undefined()?,
            };
            let args = [scope.text(phase)?, scope.count(progress.done as u64)?, of];
            scope.call(scope.undefined()?, listener.value(scope)?, &args)?;
            Ok(())
        });
    }
}
