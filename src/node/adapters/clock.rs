//! The app's hybrid logical clock.

use crate::engine::ports::Clock;
use crate::error::Result;
use crate::node::clock::NativeClock;
use crate::node::convert::write_hlc;
use crate::node::runtime::JsObject;
use crate::node::value::{Intrinsic, Key};
use crate::protocol::hlc::{Hlc, NodeId, safe_integer};
use crate::store::clock::SharedClock;
use crate::store::clock::system_ms;

/// A clock object: `{ now, send, receive }`.
pub struct JsClock(pub JsObject);

impl JsClock {
    /// The clock itself, where it is this package's own and calls nothing of the app's.
    pub fn shared(&self) -> Result<Option<SharedClock>> {
        let native = self.0.native::<NativeClock>()?;
        Ok(native.and_then(|clock| clock.shared().cloned()))
    }
}

impl Clock for JsClock {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        if let Some(clock) = self.shared()? {
            return clock.receive(remote).await;
        }
        let clock = &self.0;
        clock
            .tell(Key::Receive, |scope| Ok(vec![write_hlc(scope, remote)?]))
            .await
    }

    /// `Date.now()`, so that an app which replaces the process's clock replaces it here too.
    fn app_ms(&self) -> u64 {
        let env = self.0.env();
        let now = env.scope(|scope| {
            let now = scope.helper(Intrinsic::Now, &[])?;
            Ok(scope.as_number(now).map(f64::floor).and_then(safe_integer))
        });
        now.ok().flatten().unwrap_or_default()
    }

    fn system_ms(&self) -> u64 {
        system_ms()
    }

    /// Of a clock of the app's own it is not known.
    fn node_id(&self) -> Option<NodeId> {
        self.0.native::<NativeClock>().ok()??.node_id()
    }
}
