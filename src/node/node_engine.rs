//! The engine of a channel in Node.js, whatever its adapters are.

use super::adapters::{AnyBlobs, AnyState, NodeSide};
use super::notifier::emit_applied;
use super::runtime::await_js;
use super::transport::Peer;
use super::value::{Handle, Key};
use crate::engine::ports::Events;
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
}
