//! The `state` of `createHLCClock`: stores behind whose timestamps a clock begins.

use std::rc::Rc;
use std::sync::Arc;

use super::convert::read_watermarks;
use super::error::{invalid, must_be};
use super::sqlite_state::AppDatabase;
use super::stores::{NativeRecords, NativeRows, NativeState};
use super::value::{Env, Key, Kind, Scope, Value, native_of};
use crate::error::Result;
use crate::protocol::hlc::{ClockState, safe_integer};
use crate::store::known::{behind, behind_records, behind_rows, behind_state, later};
use crate::store::{HLC_CLOCK, OWN_WATERMARKS, PEER_WATERMARKS, StateStore};

const OPTION: &str = "createHLCClock(state)";
const WHAT: &str =
    "a store of this package, a SyncStateStore that answers at once, or an array of such";

/// Where a clock begins, and where it is kept.
#[derive(Default)]
pub struct Begun {
    /// What is known already.
    pub behind: ClockState,
    /// The first state store of this package among the stores.
    pub keeper: Option<Arc<dyn StateStore>>,
}

/// Reads the option: one store, or several.
pub fn begin(scope: Scope<'_>, env: &Rc<Env>, state: Value<'_>) -> Result<Begun> {
    let mut begun = Begun::default();
    if scope.is_nullish(state)? {
        return Ok(begun);
    }
    if !scope.is_array(state)? {
        begin_behind(scope, env, state, &mut begun)?;
        return Ok(begun);
    }
    for index in 0..scope.length(state)? {
        let store = scope.element(state, index)?;
        begin_behind(scope, env, store, &mut begun)?;
    }
    Ok(begun)
}

fn begin_behind(
    scope: Scope<'_>,
    env: &Rc<Env>,
    store: Value<'_>,
    begun: &mut Begun,
) -> Result<()> {
    if scope.kind(store)? != Kind::Object || scope.is_promise(store) {
        return Err(must_be(OPTION, WHAT, &scope.describe_kind(store)));
    }
    let known = if let Some(records) = native_of::<NativeRecords>(scope, env, store)? {
        behind_records(Arc::clone(&records.0))?
    } else if let Some(state) = native_of::<NativeState>(scope, env, store)? {
        begun.keeper.get_or_insert_with(|| Arc::clone(&state.0));
        behind_state(Arc::clone(&state.0))?
    } else if let Some(rows) = native_rows(scope, env, store)? {
        behind_rows(Arc::clone(&rows.0))?
    } else if let Some(database) = native_of::<AppDatabase>(scope, env, store)? {
        let read = |key| database.read_now(scope, env, key);
        let clock = read_state(scope, env, read(HLC_CLOCK)?, "state")?;
        let marks = [read(OWN_WATERMARKS)?, read(PEER_WATERMARKS)?];
        behind_marks(scope, env, marks, clock)?
    } else {
        behind_answers(scope, env, store)?
    };
    begun.behind = later(begun.behind, known);
    Ok(())
}

/// The rows behind a source of this package, or behind its applier.
fn native_rows(
    scope: Scope<'_>,
    env: &Rc<Env>,
    store: Value<'_>,
) -> Result<Option<Rc<NativeRows>>> {
    if let Some(rows) = native_of::<NativeRows>(scope, env, store)? {
        return Ok(Some(rows));
    }
    let applier = scope.get_named(store, "applier")?;
    if scope.kind(applier)? != Kind::Object {
        return Ok(None);
    }
    native_of::<NativeRows>(scope, env, applier)
}

/// Behind what an app's own state store answers at once.
fn behind_answers(scope: Scope<'_>, env: &Rc<Env>, store: Value<'_>) -> Result<ClockState> {
    let ask = |name: &str| {
        let function = scope.get_named(store, name)?;
        if scope.kind(function)? != Kind::Function {
            return Err(must_be(OPTION, WHAT, &scope.describe_kind(store)));
        }
        let answer = scope.call(store, function, &[])?;
        if scope.is_promise(answer) {
            let what = format!(
                "cannot be waited for: its {name} answers a promise; await it before, and pass what \
                 getHlcClockState answers as `initialState`"
            );
            return Err(invalid(OPTION, &what));
        }
        Ok(answer)
    };
    let clock = read_state(scope, env, ask("getHlcClockState")?, "state")?;
    let marks = [ask("getWatermarks")?, ask("getPeerWatermarks")?];
    behind_marks(scope, env, marks, clock)
}

fn behind_marks(
    scope: Scope<'_>,
    env: &Rc<Env>,
    marks: [Value<'_>; 2],
    clock: ClockState,
) -> Result<ClockState> {
    let mut state = clock;
    for value in marks {
        if !scope.is_nullish(value)? {
            let marks = read_watermarks(scope, env, value)?;
            // What cannot be read is passed over, as an engine does.
            state = later(state, behind(&marks.unwrap_or_default()));
        }
    }
    Ok(state)
}

/// The state of a clock as an app persists it; nothing is where a clock begins. `place` is the option
/// that it came by.
pub fn read_state(
    scope: Scope<'_>,
    env: &Env,
    state: Value<'_>,
    place: &str,
) -> Result<ClockState> {
    if scope.is_nullish(state)? {
        return Ok(ClockState::default());
    }
    let integer = |key: Key| {
        let part = scope.get(env, state, key)?;
        let number = scope.as_number(part).and_then(safe_integer);
        number.ok_or_else(|| {
            let (got, name) = (scope.describe(part), key.name());
            must_be(
                &format!("createHLCClock({place}.{name})"),
                "a non-negative integer",
                &got,
            )
        })
    };
    Ok(ClockState {
        wall_time: integer(Key::WallTime)?,
        counter: integer(Key::Counter)?,
    })
}
