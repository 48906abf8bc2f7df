//! Who hears of what a round does, and the engine that tells them.

use std::cell::RefCell;
use std::sync::Arc;

use super::adapters::{AnyBlobs, AnyState, NodeSide};
use super::error::warn;
use super::runtime::{JsObject, kept, watch};
use super::transport::Peer;
use super::value::{Persistent, list};
use crate::engine::ports::Events;
use crate::engine::progress::Progress;
use crate::engine::round::Engine;
use crate::error::Result;
use crate::joint::asking::Stop;
use crate::protocol::text::Text;

/// An engine over whatever adapters the app passed in.
pub type NodeEngine = Engine<NodeSide, AnyBlobs, Peer, AnyState, JsEvents>;

/// What a reconciliation was called with.
#[derive(Default)]
pub struct Reconciling {
    /// Only if it was called with a signal: waiting for it costs something at every request.
    pub stop: Option<Arc<Stop>>,
    /// The function that hears how far it is.
    pub listener: Option<Persistent>,
}

/// The engine's change notifier, and the clock that stamps its events.
pub struct JsEvents {
    /// The clock.
    pub clock: JsObject,
    /// The notifier.
    pub notifier: Persistent,
    /// What the reconciliation that runs was called with.
    pub reconciling: RefCell<Reconciling>,
}

impl Events for JsEvents {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        let env = self.clock.env();
        let stamp = self.clock.call("now", &[], kept).await?;
        let told = env.scope(|scope| {
            let event = scope.object_of(&[
                ("eventType", scope.text("local-data-synced")?),
                (
                    "recordIds",
                    list(scope, &ids, |scope, id| scope.string(id))?,
                ),
                ("timestamp", stamp.value(scope)?),
            ])?;
            // Through whatever the notifier's `emit` is now.
            let notifier = self.notifier.value(scope)?;
            scope.call(notifier, scope.get(notifier, "emit")?, &[event])?;
            Ok(())
        });
        if let Err(error) = told {
            warn(env, "the change notifier threw", Some(&error));
        }
        Ok(())
    }

    /// The function of `js/reconcile.js` catches what a listener throws.
    fn progressed(&self, progress: Progress) {
        let Some(listener) = self.reconciling.borrow().listener.clone() else {
            return;
        };
        // If this fails, the environment is ending, and there is no one left to tell.
        let _ = self.clock.env().scope(|scope| {
            let of = match progress.of {
                Some(of) => scope.count(of as u64)?,
                None => scope.undefined()?,
            };
            let args = [
                scope.text(progress.phase.name())?,
                scope.count(progress.done as u64)?,
                of,
            ];
            scope.call(scope.undefined()?, listener.value(scope)?, &args)?;
            Ok(())
        });
    }

    fn is_stopped(&self) -> bool {
        let reconciling = self.reconciling.borrow();
        reconciling
            .stop
            .as_ref()
            .is_some_and(|stop| stop.is_stopped())
    }

    async fn stopped(&self) {
        let stop = self.reconciling.borrow().stop.clone();
        match stop.map(|stop| watch(self.clock.env(), stop.stopped())) {
            Some(Ok(stopped)) => stopped.await,
            // Without a signal, and where nothing can be waited for any more, nobody calls it off.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }
}
