//! Hybrid logical clocks: `createHLCClock(options)`, for apps without the Starkeep peers, and whichever clock an app has.

use std::rc::Rc;
use std::sync::Arc;

use super::convert::{TIMESTAMP, read_hlc, write_hlc};
use super::error::invalid;
use super::options::Options;
use super::runtime::{JsObject, stringify};
use super::stores::Native;
use super::value::{Call, Intrinsic, Method, Persistent, Scope, Value, brand, object_of_methods};
use crate::engine::ports::Clock;
use crate::error::Result;
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::text::Text;
use crate::store::clock::{SharedClock, system_ms};
use crate::store::known::Known;
use crate::store::{AppRowStore, RecordStore, StateStore};

/// What is behind a clock object.
pub struct NativeClock {
    clock: SharedClock,
    wall_clock: Option<Persistent>,
    on_tick: Option<Persistent>,
}

impl NativeClock {
    fn physical(&self, scope: Scope<'_>) -> Result<u64> {
        let Some(wall_clock) = &self.wall_clock else {
            return Ok(system_ms());
        };
        let now = scope.call(scope.undefined()?, wall_clock.value(scope)?, &[])?;
        if let Some(ms) = scope.as_number(now).map(f64::floor).and_then(safe_integer) {
            return Ok(ms);
        }
        let got = scope.describe(now, true)?;
        let what = format!("must answer milliseconds since the epoch, got {got}");
        Err(invalid("wallClockFunction", &what))
    }

    fn moved<'s>(&self, scope: Scope<'s>, stamp: &Hlc) -> Result<Value<'s>> {
        if let Some(on_tick) = &self.on_tick {
            let state = scope.object_of(&[
                ("wallTime", scope.count(stamp.wall_time)?),
                ("counter", scope.count(stamp.counter)?),
            ])?;
            scope.call(scope.undefined()?, on_tick.value(scope)?, &[state])?;
        }
        write_hlc(scope, stamp)
    }

    /// What it would stamp now. Nothing is given.
    pub fn next(&self, scope: Scope<'_>) -> Result<Hlc> {
        Ok(self.clock.next_at(self.physical(scope)?))
    }

    /// The clock itself, for native code on any thread. `None` where it has functions of the app's, which
    /// only its own functions can call.
    pub fn shared(&self) -> Option<&SharedClock> {
        let is_plain = self.wall_clock.is_none() && self.on_tick.is_none();
        is_plain.then_some(&self.clock)
    }
}

/// `createHLCClock(options)`
pub fn create_hlc_clock<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let node_id = scope.as_text(options.get("nodeId")?);
    let clock = Rc::new(NativeClock {
        clock: begun(scope, options, node_id.unwrap_or_else(|| Text::from("")))?,
        wall_clock: options.function("wallClockFunction")?,
        on_tick: options.function("onTick")?,
    });
    let object = object_of_methods(scope, options.array(), METHODS, &clock)?;
    brand(scope, object, clock)
}

const METHODS: &[(&str, Method<Rc<NativeClock>>)] = &[
    ("now", tick),
    ("send", tick),
    ("receive", |call, clock| {
        let (scope, given) = (call.scope, call.arg(0));
        let remote = read_hlc(scope, given)?;
        let remote =
            remote.ok_or_else(|| scope.must_be("clock.receive(remote)", TIMESTAMP, given))?;
        let physical = clock.physical(scope)?;
        clock.moved(scope, &clock.clock.receive_at(&remote, physical))
    }),
];

fn tick<'s>(call: &Call<'s>, clock: &Rc<NativeClock>) -> Result<Value<'s>> {
    let physical = clock.physical(call.scope)?;
    clock.moved(call.scope, &clock.clock.tick_at(physical))
}

/// A clock that begins behind what the app persisted and what the stores know. The first state store of this package
/// among them keeps it.
fn begun(scope: Scope<'_>, options: &Options<'_>, node_id: Text) -> Result<SharedClock> {
    let initial = stringify(scope, options.get("initialState")?)?;
    let stores = match options.given("state")? {
        Some(stores) => scope.elements(stores)?,
        None => Vec::new(),
    };
    let known = stores
        .into_iter()
        .map(|store| match store_in(scope, store)? {
            Some(known) => Ok(known),
            None => Ok(Known::Told(stringify(scope, store)?)),
        });
    SharedClock::behind(node_id, &initial, known)
}

/// The store that the value is, or that is behind its `applier`.
fn store_in(scope: Scope<'_>, value: Value<'_>) -> Result<Option<Known>> {
    if let Some(records) = scope.native_of::<Native<dyn RecordStore>>(value)? {
        return Ok(Some(Known::Records(Arc::clone(&records.0))));
    }
    if let Some(state) = scope.native_of::<Native<dyn StateStore>>(value)? {
        return Ok(Some(Known::State(Arc::clone(&state.0))));
    }
    let mut rows = scope.native_of::<Native<dyn AppRowStore>>(value)?;
    if rows.is_none() {
        rows = scope.native_of(scope.get(value, "applier")?)?;
    }
    Ok(rows.map(|rows| Known::Rows(Arc::clone(&rows.0))))
}

/// `isStore(object)`: whether a clock can begin behind it without asking its functions.
pub fn is_store<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let store = store_in(call.scope, call.arg(0))?;
    call.scope.boolean(store.is_some())
}

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
