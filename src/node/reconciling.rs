//! `reconcile` of an engine, beside its `exchange`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::convert::Body;
use super::engine::{Caller, Made, look, make_sync_engine, write_held};
use super::error::{Thrown, warn};
use super::inside::refuse_any_inside;
use super::known_options::RECONCILE;
use super::native_round::NativeRound;
use super::options::Options;
use super::runtime::{IntoJs, spawn_traced};
use super::stopping::{Reconciling, Stop};
use super::value::{Call, Env, Intrinsic, Key, Kind, Scope, Value, bound, enter, function};
use crate::engine::held::said_code;
use crate::engine::reconcile_all::Reconciled;
use crate::engine::reconcile_objects::Objects;
use crate::error::{Error, Result};
use crate::protocol::text::Text;

/// `createSyncEngine(options)`
pub fn create_sync_engine<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let Made {
        object,
        adapters,
        caller,
    } = make_sync_engine(call)?;
    let (scope, env) = (call.scope, call.env);
    let reconcile = create_reconcile(scope, env, adapters, caller)?;
    scope.set_named(object, "reconcile", reconcile)?;
    Ok(object)
}

impl Caller {
    /// A reconciliation, where a round would run; nothing if it was called off.
    async fn reconcile(
        &self,
        env: &Rc<Env>,
        reconciling: Reconciling,
        objects: bool,
    ) -> Result<Option<Reconciled<Body>>> {
        let stop = reconciling.stop.clone();
        let is_stopped = || stop.as_ref().is_some_and(|stop| stop.is_stopped());
        if is_stopped() {
            return Ok(None);
        }
        look(&self.engine)?;
        self.engine.events.reconciling.replace(Some(reconciling));
        let done = match NativeRound::of(&self.engine, env) {
            Ok(Some(round)) => {
                self.engine.sweep.take();
                let how = (stop.clone(), objects);
                Box::pin(round.reconcile(env, &self.native_memory, how)).await
            }
            Ok(None) => {
                self.native_memory.take();
                Box::pin(self.engine.reconcile(objects)).await
            }
            Err(error) => Err(error),
        };
        self.engine.events.reconciling.take();
        match done {
            Err(_) if is_stopped() => Ok(None),
            done => done.map(Some),
        }
    }
}

/// The function `reconcile`: `js/reconcile.js` around [`begin`]. `array` is what the engine's adapters hang on.
fn create_reconcile<'s>(
    scope: Scope<'s>,
    env: &Rc<Env>,
    array: Value<'s>,
    caller: Rc<Caller>,
) -> Result<Value<'s>> {
    let native = bound(scope, env, "reconcile", array, move |call| {
        begin(call, &caller)
    })?;
    let threw = function(scope, env, "", |call| {
        let error = Thrown::kept(call.env.keep(call.scope, call.arg(0))?, "onProgress");
        warn(
            call.env,
            "onProgress of reconcile threw; the reconciliation goes on",
            Some(&error),
        );
        call.scope.undefined()
    })?;
    env.helper(scope, Intrinsic::CreateReconcile, &[native, threw])
}

/// Called with the options and the function that hears of progress, begins. Answers `{ promise, stop }`: the promise
/// of the result, `undefined` if it was called off; and the function that calls it off, which says whether its turn
/// had come.
fn begin<'s>(call: &Call<'s>, caller: &Rc<Caller>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let options = Options::new(scope, env, call.arg(0), &RECONCILE)?;
    let objects = options.flag("objects", false)?;
    options.function("onProgress")?;
    let signal = options.get("signal")?;
    let has_signal = !scope.is_nullish(signal)?;
    if has_signal && !is_signal(scope, signal)? {
        return Err(options.wrong("signal", "an AbortSignal", signal));
    }
    let stop = Arc::new(Stop::default());
    let began = Rc::new(Cell::new(false));
    let reconciling = Reconciling {
        stop: has_signal.then(|| Arc::clone(&stop)),
        listener: match scope.kind(call.arg(1))? {
            Kind::Function => Some(env.keep(scope, call.arg(1))?),
            _ => None,
        },
    };
    let entered = enter(call)?;
    let allowed = refuse_any_inside(call, |holders| caller.holders(holders));
    let work = {
        let (caller, env) = (Rc::clone(caller), Rc::clone(env));
        let began = Rc::clone(&began);
        async move {
            let _entered = entered;
            allowed?;
            let _turn = caller.turns.take(&env).await?;
            began.set(true);
            let done = caller.reconcile(&env, reconciling, objects).await;
            done.map_err(|error| error.or_in("reconcile"))
        }
    };
    let answer = scope.object()?;
    scope.set_named(answer, "promise", spawn_traced(scope, env, work)?)?;
    let stop = function(scope, env, "stop", move |call| {
        stop.stop();
        call.scope.boolean(began.get())
    })?;
    scope.set_named(answer, "stop", stop)?;
    Ok(answer)
}

fn is_signal(scope: Scope<'_>, signal: Value<'_>) -> Result<bool> {
    if scope.kind(signal)? != Kind::Object {
        return Ok(false);
    }
    let listens = scope.get_named(signal, "addEventListener")?;
    Ok(scope.kind(listens)? == Kind::Function)
}

impl IntoJs for Option<Reconciled<Body>> {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        let Some(done) = self else {
            return scope.undefined();
        };
        let result = scope.object()?;
        for (name, count) in [
            ("differing", done.differing),
            ("applied", done.applied),
            ("shipped", done.shipped),
            ("requests", done.requests),
        ] {
            scope.set_named(result, name, scope.count(count as u64)?)?;
        }
        if let Some(in_sync) = done.in_sync {
            scope.set_named(result, "inSync", scope.boolean(in_sync)?)?;
        }
        let held = scope.array()?;
        for (index, one) in (0u32..).zip(&done.held) {
            env.scope(|scope| scope.set_element(held, index, write_held(scope, env, one)?))?;
        }
        scope.set_named(result, "held", held)?;
        if let Some(objects) = &done.objects {
            scope.set_named(result, "objects", write_objects(scope, env, objects)?)?;
        }
        Ok(result)
    }
}

fn write_objects<'s>(scope: Scope<'s>, env: &Rc<Env>, objects: &Objects) -> Result<Value<'s>> {
    let result = scope.object()?;
    for (name, count) in [
        ("checked", objects.checked),
        ("sent", objects.sent),
        ("received", objects.received),
    ] {
        scope.set_named(result, name, scope.count(count as u64)?)?;
    }
    let missing = scope.array()?;
    for (index, key) in (0u32..).zip(&objects.missing) {
        scope.set_element(missing, index, scope.string(key)?)?;
    }
    scope.set_named(result, "missing", missing)?;
    let failed = scope.array()?;
    for (index, (key, error)) in (0u32..).zip(&objects.failed) {
        env.scope(|scope| scope.set_element(failed, index, failure(scope, env, key, error)?))?;
    }
    scope.set_named(result, "failed", failed)?;
    Ok(result)
}

fn failure<'s>(scope: Scope<'s>, env: &Rc<Env>, key: &Text, error: &Error) -> Result<Value<'s>> {
    let object = scope.object()?;
    scope.set_named(object, "key", scope.string(key)?)?;
    scope.set(env, object, Key::Code, scope.text(&said_code(error))?)?;
    scope.set_named(object, "reason", scope.text(&error.to_string())?)?;
    Ok(object)
}
