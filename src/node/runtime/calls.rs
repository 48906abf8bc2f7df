//! Calls of the app's code by a round.

use std::fmt;
use std::rc::Rc;

use super::executor::Executor;
use super::wait::{Settlement, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::node::error::must_be;
use crate::node::value::{Env, Key, Kind, Persistent, Scope, Thrown, Value};

/// `object[key](...args)` of an adapter that came in as `owner`.
pub fn call_method<'s>(
    scope: Scope<'s>,
    (object, owner): (Value<'s>, &str),
    key: Key,
    args: &[Value<'s>],
) -> Result<Value<'s>> {
    let no_adapter = || must_be(owner, "an adapter", &scope.describe_kind(object));
    if scope.is_nullish(object)? {
        return Err(no_adapter());
    }
    let function = scope.get(object, key)?;
    match scope.kind(function)? {
        Kind::Function => scope.call(object, function, args),
        _ if scope.is_promise(object) => Err(no_adapter()),
        _ => {
            let place = format!("{owner}.{}", key.name());
            let got = scope.describe_kind(function);
            Err(must_be(&place, "a function", &got))
        }
    }
}

/// Awaits whatever the app's code answers: `read` gets the value, or what the promise was fulfilled with.
/// `begin` calls it at once, in a scope of its own.
pub async fn await_js<R>(
    env: &Rc<Env>,
    operation: impl fmt::Display,
    begin: impl for<'s> FnOnce(Scope<'s>) -> Result<Value<'s>>,
    read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<R>,
) -> Result<R> {
    enum Begun<R, F> {
        Done(R),
        Pending(Waiting, F),
    }
    let state = env.scope(|scope| {
        let answered = begin(scope).and_then(|answer| Ok((answer, wait_for(scope, answer)?)));
        match answered.map_err(|error| Thrown::rename(error, &operation))? {
            (answer, None) => read(scope, answer).map(Begun::Done),
            (_, Some(waiting)) => Ok(Begun::Pending(waiting, read)),
        }
    })?;
    match state {
        Begun::Done(result) => Ok(result),
        Begun::Pending(waiting, read) => {
            let Settlement { fulfilled, value } = waiting.await;
            // A round goes on within a call from JavaScript, whose handles end with it.
            let scope = Scope::of(env);
            let value = value.value(scope)?;
            if fulfilled {
                return read(scope, value);
            }
            let operation = operation.to_string();
            Err(Thrown::kept(scope.keep(value)?, &operation))
        }
    }
}

/// Reads an answer by keeping it.
pub fn kept(scope: Scope<'_>, answer: Value<'_>) -> Result<Persistent> {
    scope.keep(answer)
}

/// Begins to wait for the answer in the name of the current round, if it is a promise or like one.
fn wait_for(scope: Scope<'_>, answer: Value<'_>) -> Result<Option<Waiting>> {
    if !matches!(scope.kind(answer)?, Kind::Object | Kind::Function) {
        return Ok(None);
    }
    let executor = Executor::of(scope.env());
    let task = executor.current.borrow().clone();
    let task = task.ok_or_else(|| {
        let what = "nothing but a round may wait";
        Error::new(ErrorKind::Internal, "call an adapter", what)
    })?;
    executor.waits.wait_for(scope, task, answer)
}
