//! The app's hybrid logical clock.

use crate::engine::ports::Clock;
use crate::error::Result;
use crate::node::clock::NativeClock;
use crate::node::convert::read_hlc;
use crate::node::runtime::await_js;
use crate::node::value::{Handle, Intrinsic, Key, Slot};
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::store::clock::SharedClock;
use crate::store::clock::system_ms;

/// A clock object: `{ now, send, receive }`.
pub struct JsClock(pub Handle);

impl JsClock {
    /// The clock itself, where it is this package's own and calls nothing of the app's.
    pub fn shared(&self) -> Result<Option<SharedClock>> {
        let native = self.0.native::<NativeClock>()?;
        Ok(native.and_then(|clock| clock.shared().cloned()))
    }
}

impl Clock for JsClock {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        let env = self.0.env();
        if let Some(clock) = self.shared()? {
            return clock.receive(remote).await;
        }
        await_js(
            env,
            "clock.receive",
            |scope, invoke| {
                let clock = self.0.value(scope)?;
                invoke.with_hlc(scope, (clock, "clock"), Key::Receive, remote)
            },
            |_, _| Ok(()),
        )
        .await
    }

    /// A clock of the app's gives the timestamp: it has no other way to say for whom it stamps.
    async fn next(&self) -> Result<Option<Hlc>> {
        let env = self.0.env();
        if let Some(clock) = self.0.native::<NativeClock>()? {
            return env.scope(|scope| clock.next(scope).map(Some));
        }
        await_js(
            env,
            "clock.now",
            |scope, invoke| {
                let clock = (self.0.value(scope)?, "clock");
                invoke.method(scope, clock, Key::Now, &[])
            },
            |scope, stamp| read_hlc(scope, env, stamp),
        )
        .await
    }

    /// `Date.now()`, so that an app which replaces the process's clock replaces it here too.
    fn app_ms(&self) -> u64 {
        let env = self.0.env();
        let now = env.scope(|scope| {
            env.helper(scope, Intrinsic::PackNow, &[])?;
            Ok(env.shared.get(Slot::First))
        });
        now.ok()
            .map(f64::floor)
            .and_then(safe_integer)
            .unwrap_or_default()
    }

    fn system_ms(&self) -> u64 {
        system_ms()
    }
}
