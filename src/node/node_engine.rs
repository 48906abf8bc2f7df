//! The engine of a channel in Node.js, whatever its adapters are.

use super::adapters::{AnyBlobs, AnyState, NodeSide};
use super::error::warn;
use super::runtime::{JsObject, kept};
use super::transport::Peer;
use super::value::{Handle, Key, list};
use crate::engine::ports::Events;
use crate::engine::round::Engine;
use crate::error::Result;
use crate::protocol::text::Text;

/// An engine over whatever adapters the app passed in.
pub type NodeEngine = Engine<NodeSide, AnyBlobs, Peer, AnyState, JsEvents>;

/// The engine's change notifier, and the clock that stamps its events.
pub struct JsEvents {
    /// The clock.
    pub clock: JsObject,
    /// The notifier.
    pub notifier: Handle,
}

impl Events for JsEvents {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        let env = self.clock.env();
        let stamp = self.clock.call(Key::Now, |_| Ok(vec![]), kept).await?;
        let told = env.scope(|scope| {
            let event = scope.object()?;
            scope.set_named(event, "eventType", scope.text("local-data-synced")?)?;
            let ids = list(scope, &ids, |scope, id| scope.string(id))?;
            scope.set_named(event, "recordIds", ids)?;
            scope.set(event, Key::Timestamp, stamp.value(scope)?)?;
            // Through whatever the notifier's `emit` is now.
            let notifier = self.notifier.value(scope)?;
            scope.call(notifier, scope.get_named(notifier, "emit")?, &[event])?;
            Ok(())
        });
        if let Err(error) = told {
            warn(env, "the change notifier threw", Some(&error));
        }
        Ok(())
    }
}
