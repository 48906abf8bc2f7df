//! `createHLCClock(options)`: a hybrid logical clock for apps without the Starkeep peers.

use std::rc::Rc;
use std::sync::Arc;

use serde::Deserialize;

use super::convert::{TIMESTAMP, read_hlc, write_hlc};
use super::error::invalid;
use super::options::Options;
use super::runtime::stringify;
use super::stores::Native;
use super::value::{Call, Persistent, Scope, Value, bound, brand};
use crate::error::Result;
use crate::protocol::hlc::{ClockState, Hlc, safe_integer};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::clock::{SharedClock, system_ms};
use crate::store::known::{behind, behind_records, behind_rows, behind_state, later};
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
    let array = options.array();
    let clock = Rc::new(NativeClock {
        clock: begun(scope, options, node_id.unwrap_or_else(|| Text::from("")))?,
        wall_clock: options.function("wallClockFunction")?,
        on_tick: options.function("onTick")?,
    });
    let object = scope.object()?;
    for name in ["now", "send"] {
        let clock = Rc::clone(&clock);
        let tick = bound(scope, name, array, move |call| {
            let physical = clock.physical(call.scope)?;
            clock.moved(call.scope, &clock.clock.tick_at(physical))
        })?;
        scope.set(object, name, tick)?;
    }
    let receiving = Rc::clone(&clock);
    let receive = bound(scope, "receive", array, move |call| {
        let (scope, given) = (call.scope, call.arg(0));
        let remote = read_hlc(scope, given)?;
        let remote =
            remote.ok_or_else(|| scope.must_be("clock.receive(remote)", TIMESTAMP, given))?;
        let physical = receiving.physical(scope)?;
        receiving.moved(scope, &receiving.clock.receive_at(&remote, physical))
    })?;
    scope.set(object, "receive", receive)?;
    brand(scope, object, clock)
}

/// A clock that begins behind what the app persisted and what the stores know. The first state store of this package
/// among them keeps it.
fn begun(scope: Scope<'_>, options: &Options<'_>, node_id: Text) -> Result<SharedClock> {
    let initial = stringify(scope, options.get("initialState")?)?;
    let initial = serde_json::from_str::<Option<ClockState>>(&initial)
        .ok()
        .flatten();
    let mut state = initial.unwrap_or_default();
    let mut keeper = None;
    let stores = match options.given("state")? {
        Some(stores) => scope.elements(stores)?,
        None => Vec::new(),
    };
    for store in stores {
        let known = match store_in(scope, store)? {
            Some(Store::Records(records)) => behind_records(records)?,
            Some(Store::Rows(rows)) => behind_rows(rows)?,
            Some(Store::State(state)) => {
                keeper.get_or_insert_with(|| Arc::clone(&state));
                behind_state(state)?
            }
            None => behind_told(scope, store)?,
        };
        state = later(state, known);
    }
    let clock = SharedClock::new(node_id, state);
    Ok(match keeper {
        Some(keeper) => clock.kept_in(keeper),
        None => clock,
    })
}

/// A store of this package.
enum Store {
    Records(Arc<dyn RecordStore>),
    State(Arc<dyn StateStore>),
    Rows(Arc<dyn AppRowStore>),
}

/// The store that the value is, or that is behind its `applier`.
fn store_in(scope: Scope<'_>, value: Value<'_>) -> Result<Option<Store>> {
    if let Some(records) = scope.native_of::<Native<dyn RecordStore>>(value)? {
        return Ok(Some(Store::Records(Arc::clone(&records.0))));
    }
    if let Some(state) = scope.native_of::<Native<dyn StateStore>>(value)? {
        return Ok(Some(Store::State(Arc::clone(&state.0))));
    }
    let mut rows = scope.native_of::<Native<dyn AppRowStore>>(value)?;
    if rows.is_none() {
        rows = scope.native_of(scope.get(value, "applier")?)?;
    }
    Ok(rows.map(|rows| Store::Rows(Arc::clone(&rows.0))))
}

/// `isStore(object)`: whether a clock can begin behind it without asking its functions.
pub fn is_store<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let store = store_in(call.scope, call.arg(0))?;
    call.scope.boolean(store.is_some())
}

/// What another store answered to `js/known.js`.
#[derive(Deserialize)]
struct Told {
    clock: Option<ClockState>,
    watermarks: Vec<serde_json::Value>,
}

/// Behind what another store told. What cannot be read of watermarks is passed over, as an engine does.
fn behind_told(scope: Scope<'_>, known: Value<'_>) -> Result<ClockState> {
    let told = serde_json::from_str::<Told>(&stringify(scope, known)?);
    let Told { clock, watermarks } = told.map_err(|error| invalid("state", &error.to_string()))?;
    let marks = watermarks
        .into_iter()
        .filter_map(|marks| Watermarks::deserialize(marks).ok());
    let begun = clock.unwrap_or_default();
    Ok(marks.fold(begun, |state, marks| later(state, behind(&marks))))
}
