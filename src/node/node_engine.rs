//! The engine of a channel in Node.js, whatever its adapters are.

use std::cell::RefCell;
use std::sync::Arc;

use super::adapters::{AnyBlobs, AnyState, NodeSide};
use super::notifier::emit_applied;
use super::runtime::{await_js, watch};
use super::stopping::Reconciling;
use super::transport::Peer;
use super::value::{Handle, Key};
use crate::engine::ports::Events;
use crate::engine::progress::Progress;
use crate::engine::round::Engine;
use crate::error::Result;
use crate::protocol::text::Text;

/// An engine over whatever adapters the app passed in.
pub type NodeEngine = Engine<NodeSide, AnyBlobs, Peer, AnyState, JsEvents>;

/// The engine's change notifier, and the clock that stamps its events.
pub struct JsEvents {
    /// The clock.
    pub clock: Handle,
    /// The notifier.
    pub notifier: Handle,
    /// What the reconciliation that runs was called with.
    pub reconciling: RefCell<Option<Reconciling>>,
}

impl Events for JsEvents {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        let env = self.clock.env();
        let stamp = await_js(
            env,
            "clock.now",
            |scope, invoke| {
                let clock = self.clock.value(scope)?;
                invoke.method(scope, (clock, "clock"), Key::Now, &[])
            },
            |scope, stamp| env.keep(scope, stamp),
        )
        .await?;
        env.scope(|scope| {
            let list = scope.array()?;
            for (index, id) in (0u32..).zip(&ids) {
                env.scope(|scope| scope.set_element(list, index, scope.string(id)?))?;
            }
            let notifier = self.notifier.value(scope)?;
            emit_applied(scope, env, notifier, [list, stamp.value(scope)?]);
            Ok(())
        })
    }

    fn progressed(&self, progress: Progress) {
        if let Some(reconciling) = &*self.reconciling.borrow() {
            reconciling.progressed(self.clock.env(), progress);
        }
    }

    fn is_stopped(&self) -> bool {
        let reconciling = self.reconciling.borrow();
        let stop = reconciling.as_ref().and_then(|one| one.stop.as_ref());
        stop.is_some_and(|stop| stop.is_stopped())
    }

    async fn stopped(&self) {
        let stop = {
            let reconciling = self.reconciling.borrow();
            reconciling.as_ref().and_then(|one| one.stop.clone())
        };
        let watched = stop.map(|stop| watch(self.clock.env(), Arc::clone(&stop).stopped()));
        match watched {
            Some(Ok(stopped)) => stopped.await,
            // Without a signal, and where nothing can be waited for any more, nobody calls it off.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }
}
