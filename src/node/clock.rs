//! `createHLCClock(options)`: a hybrid logical clock for apps without the Starkeep peers.

use std::rc::Rc;

use super::clock_state::{begin, read_state};
use super::convert::{read_hlc, write_hlc};
use super::error::{invalid, must_be};
use super::helpers::TIMESTAMP;
use super::known_options::HLC_CLOCK;
use super::options::Options;
use super::value::{Call, Env, Handle, Key, Scope, Value, bound, brand};
use crate::error::Result;
use crate::protocol::hlc::{ClockState, Hlc, safe_integer};
use crate::protocol::text::Text;
use crate::store::clock::{SharedClock, system_ms};
use crate::store::known::later;

/// What is behind a clock object.
pub struct NativeClock {
    env: Rc<Env>,
    clock: SharedClock,
    wall_clock: Option<Handle>,
    on_tick: Option<Handle>,
}

impl NativeClock {
    fn physical(&self, scope: Scope<'_>) -> Result<u64> {
        let Some(wall_clock) = &self.wall_clock else {
            return Ok(system_ms());
        };
        let now = scope.call(scope.undefined()?, wall_clock.value(scope)?, &[])?;
        let got = || scope.describe_kind(now);
        let ms = scope.as_number(now).map(f64::floor).and_then(safe_integer);
        ms.ok_or_else(|| {
            let what = format!("must answer milliseconds since the epoch, got {}", got());
            invalid("wallClockFunction", &what)
        })
    }

    fn moved<'s>(&self, scope: Scope<'s>, stamp: &Hlc) -> Result<Value<'s>> {
        if let Some(on_tick) = &self.on_tick {
            let object = scope.object()?;
            scope.set(
                &self.env,
                object,
                Key::WallTime,
                scope.count(stamp.wall_time)?,
            )?;
            scope.set(&self.env, object, Key::Counter, scope.count(stamp.counter)?)?;
            scope.call(scope.undefined()?, on_tick.value(scope)?, &[object])?;
        }
        write_hlc(scope, &self.env, stamp)
    }

    fn tick<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        let physical = self.physical(scope)?;
        self.moved(scope, &self.clock.tick_at(physical))
    }

    fn receive<'s>(&self, scope: Scope<'s>, remote: &Hlc) -> Result<Value<'s>> {
        let physical = self.physical(scope)?;
        self.moved(scope, &self.clock.receive_at(remote, physical))
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
pub fn create_hlc_clock<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let options = Options::new(scope, env, call.arg(0), &HLC_CLOCK)?;
    let node_id = options.get("nodeId")?;
    let node_id: Text = scope
        .as_text(node_id)
        .ok_or_else(|| options.wrong("nodeId", "a string", node_id))?;
    let given = initial_state(scope, env, options.get("initialState")?)?;
    let begun = begin(scope, env, options.get("state")?)?;
    let mut shared = SharedClock::new(node_id, later(given, begun.behind));
    if let Some(keeper) = begun.keeper {
        shared = shared.kept_in(keeper);
    }
    let array = options.array();
    let clock = Rc::new(NativeClock {
        env: Rc::clone(env),
        clock: shared,
        wall_clock: options.function("wallClockFunction")?,
        on_tick: options.function("onTick")?,
    });
    let object = scope.object()?;
    for name in ["now", "send"] {
        let clock = Rc::clone(&clock);
        let tick = bound(scope, env, name, array, move |call| clock.tick(call.scope))?;
        scope.set_named(object, name, tick)?;
    }
    let receiving = Rc::clone(&clock);
    let receive = bound(scope, env, "receive", array, move |call| {
        let remote = read_hlc(call.scope, call.env, call.arg(0))?.ok_or_else(|| {
            must_be(
                "clock.receive(remote)",
                TIMESTAMP,
                &call.scope.describe(call.arg(0)),
            )
        })?;
        receiving.receive(call.scope, &remote)
    })?;
    scope.set(env, object, Key::Receive, receive)?;
    brand(scope, env, object, clock)?;
    Ok(object)
}

fn initial_state(scope: Scope<'_>, env: &Env, state: Value<'_>) -> Result<ClockState> {
    read_state(scope, env, state, "initialState")
}
