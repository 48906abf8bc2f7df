//! The app's hybrid logical clock.

use crate::engine::ports::Clock;
use crate::error::Result;
use crate::node::clock::NativeClock;
use crate::node::convert::read_hlc;
use crate::node::runtime::JsObject;
use crate::node::value::Intrinsic;
use crate::protocol::hlc::{Hlc, safe_integer};
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
        self.0.tell("receive", &[remote]).await
    }

    /// A clock of the app's gives the timestamp: it has no other way to say for whom it stamps.
    async fn next(&self) -> Result<Option<Hlc>> {
        if let Some(clock) = self.0.native::<NativeClock>()? {
            return self.0.env().scope(|scope| clock.next(scope).map(Some));
        }
        self.0.call("now", &[], read_hlc).await
    }

    /// `Date.now()`, so that an app which replaces the process's clock replaces it here too.
    fn app_ms(&self) -> u64 {
        let now = self.0.env().scope(|scope| {
            let now = scope.helper(Intrinsic::Now, &[])?;
            Ok(scope.as_number(now).map(f64::floor).and_then(safe_integer))
        });
        now.ok().flatten().unwrap_or_default()
    }

    fn system_ms(&self) -> u64 {
        system_ms()
    }
}
