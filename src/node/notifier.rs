//! `createChangeNotifier()`
//!
//! The listeners are in a `Set` that is bound to the notifier's functions: it keeps the order of
//! subscription, knows a listener that is subscribed twice, and the garbage collector sees through it.

use std::rc::Rc;

use super::error::{Thrown, must_be, warn};
use super::known_options::CHANGE_NOTIFIER;
use super::value::{Call, Env, Intrinsic, Kind, Scope, Value, bound, function};
use crate::error::Result;

fn call_set<'s>(
    scope: Scope<'s>,
    set: Value<'s>,
    name: &str,
    argument: Value<'s>,
) -> Result<Value<'s>> {
    scope.call(set, scope.get_named(set, name)?, &[argument])
}

fn subscribe<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, listeners, listener) = (call.scope, call.this, call.arg(0));
    if scope.kind(listener)? != Kind::Function {
        let got = scope.describe_kind(listener);
        return Err(must_be("subscribe(listener)", "a function", &got));
    }
    call_set(scope, listeners, "add", listener)?;
    let subscription = scope.array()?;
    scope.set_element(subscription, 0, listeners)?;
    scope.set_element(subscription, 1, listener)?;
    bound(scope, call.env, "unsubscribe", subscription, |call| {
        let (listeners, listener) = (
            call.scope.element(call.this, 0)?,
            call.scope.element(call.this, 1)?,
        );
        call_set(call.scope, listeners, "delete", listener)?;
        call.scope.undefined()
    })
}

/// A notifier object: `{ subscribe, emit }`.
pub fn create_notifier<'s>(scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
    let set = scope.get_named(scope.global()?, "Set")?;
    let listeners = scope.construct(set, &[])?;
    let object = scope.object()?;
    scope.set_named(
        object,
        "subscribe",
        bound(scope, env, "subscribe", listeners, subscribe)?,
    )?;
    let threw = function(scope, env, "", |call| {
        let error = Thrown::kept(call.env.keep(call.scope, call.arg(0))?, "a change listener");
        warn(call.env, "a change listener threw", Some(&error));
        call.scope.undefined()
    })?;
    // One listener that throws is warned of, and keeps no other from hearing.
    let emit = env.helper(scope, Intrinsic::CreateEmit, &[listeners, threw])?;
    scope.set_named(object, "emit", emit)?;
    Ok(object)
}

/// `createChangeNotifier()`
pub fn create_change_notifier<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    CHANGE_NOTIFIER.check(call.scope, call.env, call.arg(0))?;
    create_notifier(call.scope, call.env)
}

/// Says that records were applied, through whatever the notifier's `emit` is now.
pub fn emit_applied<'s>(
    scope: Scope<'s>,
    env: &Rc<Env>,
    notifier: Value<'s>,
    [ids, stamp]: [Value<'s>; 2],
) {
    let told = env.helper(scope, Intrinsic::EmitApplied, &[notifier, ids, stamp]);
    if let Err(error) = told {
        warn(env, "the change notifier threw", Some(&error));
    }
}
