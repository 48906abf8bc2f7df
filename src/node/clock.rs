//! `createHLCClock(options)`: a hybrid logical clock for apps without the Starkeep peers.

use std::rc::Rc;

use super::convert::{read_hlc, write_hlc};
use super::error::{invalid, must_be};
use super::helpers::TIMESTAMP;
use super::options::Options;
use super::value::{Call, Handle, Key, Scope, Value, bound, brand};
use crate::engine::ports::Clock;
use crate::error::{Error, Result};
use crate::protocol::hlc::safe_integer;
use crate::protocol::hlc::{ClockState, Hlc, NodeId};
use crate::protocol::text::Text;
use crate::store::clock::{SharedClock, system_ms};

/// What is behind a clock object.
pub struct NativeClock {
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
            scope.set(object, Key::WallTime, scope.count(stamp.wall_time)?)?;
            scope.set(object, Key::Counter, scope.count(stamp.counter)?)?;
            scope.call(scope.undefined()?, on_tick.value(scope)?, &[object])?;
        }
        write_hlc(scope, stamp)
    }

    fn tick<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        let physical = self.physical(scope)?;
        self.moved(scope, &self.clock.tick_at(physical))
    }

    fn receive<'s>(&self, scope: Scope<'s>, remote: &Hlc) -> Result<Value<'s>> {
        let physical = self.physical(scope)?;
        self.moved(scope, &self.clock.receive_at(remote, physical))
    }

    /// The node that it stamps for.
    pub fn node_id(&self) -> Option<NodeId> {
        self.clock.node_id()
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
    let scope = call.scope;
    let options = Options::new(scope, call.arg(0))?;
    let node_id = scope.as_text(options.get("nodeId")?);
    let node_id = node_id.unwrap_or_else(|| Text::from(""));
    let state = initial_state(scope, &options)?;
    let array = options.array();
    let clock = Rc::new(NativeClock {
        clock: SharedClock::new(node_id, state),
        wall_clock: options.function("wallClockFunction")?,
        on_tick: options.function("onTick")?,
    });
    let object = scope.object()?;
    for name in ["now", "send"] {
        let clock = Rc::clone(&clock);
        let tick = bound(scope, name, array, move |call| clock.tick(call.scope))?;
        scope.set_named(object, name, tick)?;
    }
    let receiving = Rc::clone(&clock);
    let receive = bound(scope, "receive", array, move |call| {
        let remote = read_hlc(call.scope, call.arg(0))?.ok_or_else(|| {
            must_be(
                "clock.receive(remote)",
                TIMESTAMP,
                &call.scope.describe(call.arg(0)),
            )
        })?;
        receiving.receive(call.scope, &remote)
    })?;
    scope.set(object, Key::Receive, receive)?;
    brand(scope, object, clock)?;
    Ok(object)
}

fn initial_state(scope: Scope<'_>, options: &Options<'_>) -> Result<ClockState> {
    let Some(state) = options.given("initialState")? else {
        return Ok(ClockState::default());
    };
    let integer = |key| {
        let number = scope.as_number(scope.get(state, key)?);
        Ok::<_, Error>(number.and_then(safe_integer).unwrap_or_default())
    };
    Ok(ClockState {
        wall_time: integer(Key::WallTime)?,
        counter: integer(Key::Counter)?,
    })
}
