//! The app's hybrid logical clock.

use crate::binding::clock::NativeClock;
use crate::binding::convert::write_hlc;
use crate::binding::executor::await_js;
use crate::binding::js::{Handle, Key, behind};
use crate::engine::ports::Clock;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::hlc::safe_integer;
use crate::store::clock::system_ms;

/// A clock object: `{ now, send, receive }`.
pub struct JsClock(pub Handle);

impl Clock for JsClock {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        let realm = self.0.realm();
        let native = realm.scope(|scope| {
            let native = behind::<NativeClock>(scope, realm, self.0.value(scope)?)?;
            Ok(native.and_then(|clock| clock.shared().cloned()))
        })?;
        if let Some(clock) = native {
            return clock.receive(remote).await;
        }
        await_js(
            realm,
            "clock.receive",
            |scope, invoke| {
                let clock = self.0.value(scope)?;
                invoke.method(
                    scope,
                    (clock, "clock"),
                    Key::Receive,
                    &[write_hlc(scope, realm, remote)?],
                )
            },
            |_, _| Ok(()),
        )
        .await
    }

    /// `Date.now()`, so that an app which replaces the process's clock replaces it here too.
    fn app_ms(&self) -> u64 {
        let realm = self.0.realm();
        let now = realm.scope(|scope| {
            let date = scope.get_named(scope.global()?, "Date")?;
            let now = scope.get(realm, date, Key::Now)?;
            Ok(scope.as_number(scope.call(date, now, &[])?))
        });
        now.ok()
            .flatten()
            .map(f64::floor)
            .and_then(safe_integer)
            .unwrap_or_default()
    }

    fn system_ms(&self) -> u64 {
        system_ms()
    }
}
