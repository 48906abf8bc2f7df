//! What an app hears of a round or a reconciliation, from the engine that tells it: that records came in, how far it is,
//! and what it came to.

use std::cell::RefCell;
use std::sync::Arc;

use serde::Serialize;

use super::adapters::{AnyBlobs, AnyState, NodeSide};
use super::convert::Body;
use super::error::{to_js, warn};
use super::runtime::{Argument, IntoJs, JsObject, kept, watch, write_data};
use super::transport::Peer;
use super::value::{Intrinsic, Persistent, Scope, Value, list};
use crate::engine::action::Done;
use crate::engine::conflict::Conflict;
use crate::engine::held::Held;
use crate::engine::ports::Events;
use crate::engine::progress::News;
use crate::engine::round::Engine;
use crate::error::Result;
use crate::joint::asking::{Stop, TICK};
use crate::protocol::text::Text;

/// An engine over whatever adapters the app passed in.
pub type NodeEngine = Engine<NodeSide, AnyBlobs, Peer, AnyState, JsEvents>;

/// What a round or a reconciliation was called with.
#[derive(Default)]
pub struct Listening {
    /// Only if it was called with a signal: waiting for it costs something at every request.
    pub stop: Option<Arc<Stop>>,
    /// The function that hears how far it is.
    pub listener: Option<Persistent>,
    /// Whether it hears of each object on its way as well.
    pub hears_transfers: bool,
}

/// The engine's change notifier, and the clock that stamps its events.
pub struct JsEvents {
    /// The clock.
    pub clock: JsObject,
    /// The notifier.
    pub notifier: Persistent,
    /// What the round or the reconciliation that runs was called with.
    pub listening: RefCell<Listening>,
}

impl Events for JsEvents {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        let env = self.clock.env();
        let stamp = self.clock.call("now", &[], kept).await?;
        let told = env.scope(|scope| {
            let event = scope.object_of(&[
                ("eventType", scope.text("local-data-synced")?),
                ("recordIds", ids.into_js(scope)?),
                ("timestamp", stamp.value(scope)?),
            ])?;
            // Through whatever the notifier's `emit` is now.
            let notifier = self.notifier.value(scope)?;
            scope.invoke(notifier, "emit", &[event])?;
            Ok(())
        });
        if let Err(error) = told {
            warn(env, "the change notifier threw", Some(&error));
        }
        Ok(())
    }

    /// The function of `js/engine/watched.js` catches what a listener throws.
    fn told(&self, news: News) {
        let Some(listener) = self.listening.borrow().listener.clone() else {
            return;
        };
        // If this fails, the environment is ending, and there is no one left to tell.
        let _ = self.clock.env().scope(|scope| {
            let told = write_data(scope, &news)?;
            if let Some(error) = news.error() {
                scope.set(told, "error", to_js(scope, error)?)?;
            }
            scope.call(told, listener.value(scope)?, &[told]).map(drop)
        });
    }

    fn hears_transfers(&self) -> bool {
        self.listening.borrow().hears_transfers
    }

    async fn tick(&self) {
        match watch(self.clock.env(), async { tokio::time::sleep(TICK).await }) {
            Ok(moment) => moment.await,
            Err(_) => std::future::pending().await,
        }
    }

    fn is_stopped(&self) -> bool {
        let stop = &self.listening.borrow().stop;
        stop.as_ref().is_some_and(|stop| stop.is_stopped())
    }

    async fn stopped(&self) {
        let stop = self.listening.borrow().stop.clone();
        match stop.map(|stop| watch(self.clock.env(), stop.stopped())) {
            Some(Ok(stopped)) => stopped.await,
            // Without a signal, and where nothing can be waited for any more, it is never called off.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }
}

impl IntoJs for Done<Body> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        match self {
            Self::Round(report) => {
                let parts = write_parts(scope, &report, (&report.held, &report.conflicts))?;
                scope.helper(Intrinsic::ResultOf, &parts)
            }
            Self::Reconciled(done) => {
                let [result, held, conflicts] =
                    write_parts(scope, &done, (&done.held, &done.conflicts))?;
                scope.set(result, "held", held)?;
                scope.set(result, "conflicts", conflicts)?;
                Ok(result)
            }
        }
    }
}

/// What is data alone, what is held, and the conflicts.
fn write_parts<'s>(
    scope: Scope<'s>,
    data: &impl Serialize,
    (held, conflicts): (&[Held<Body>], &[Conflict<Body>]),
) -> Result<[Value<'s>; 3]> {
    let held = list(scope, held, write_held)?;
    let conflicts = list(scope, conflicts, write_conflict)?;
    Ok([write_data(scope, data)?, held, conflicts])
}

fn write_conflict<'s>(scope: Scope<'s>, found: &Conflict<Body>) -> Result<Value<'s>> {
    scope.object_of(&[
        ("kind", scope.text(found.kind.name())?),
        ("local", found.local.to_js(scope)?),
        ("incoming", found.incoming.to_js(scope)?),
        ("winner", scope.text(found.winner())?),
    ])
}

fn write_held<'s>(scope: Scope<'s>, held: &Held<Body>) -> Result<Value<'s>> {
    let said = write_data(scope, held)?;
    let item = held.body.clone().into_js(scope)?;
    scope.helper(Intrinsic::HeldOf, &[said, item, to_js(scope, &held.error)?])
}
