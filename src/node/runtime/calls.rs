//! Calls of the app's code by a round.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::executor::Executor;
use super::wait::{Settlement, Waiting, is};
use crate::error::{Error, ErrorKind, Result};
use crate::node::convert::{put_watermarks, write_watermarks};
use crate::node::error::{Thrown, must_be};
use crate::node::value::{
    Env, Intrinsic, Key, NOT_CALLABLE, Persistent, Scope, Slot, Value, WAITING,
};
use crate::protocol::hlc::Hlc;
use crate::protocol::watermarks::Watermarks;

/// One call of the app's code by a round.
pub struct Invocation<'r> {
    env: &'r Rc<Env>,
    waiting: RefCell<Option<Waiting>>,
}

impl Invocation<'_> {
    /// `object[key](...args)` of an adapter that came in as `owner`.
    pub fn method<'s>(
        &self,
        scope: Scope<'s>,
        (object, owner): (Value<'s>, &str),
        key: Key,
        args: &[Value<'s>],
    ) -> Result<Value<'s>> {
        let shared = &self.env.shared;
        shared.put_key(Some(key));
        let mut all = Vec::with_capacity(1 + args.len());
        all.push(object);
        all.extend_from_slice(args);
        self.call(scope, Intrinsic::CallMethod, &all, (owner, key))
    }

    /// `object[key](hlc)`
    pub fn with_hlc<'s>(
        &self,
        scope: Scope<'s>,
        (object, owner): (Value<'s>, &str),
        key: Key,
        hlc: &Hlc,
    ) -> Result<Value<'s>> {
        self.env.put_hlc(scope, 0, hlc)?;
        self.env.shared.put_key(Some(key));
        self.call(scope, Intrinsic::CallWithHlc, &[object], (owner, key))
    }

    /// `object[key](watermarks)`
    pub fn with_watermarks<'s>(
        &self,
        scope: Scope<'s>,
        (object, owner): (Value<'s>, &str),
        key: Key,
        watermarks: &Watermarks,
    ) -> Result<Value<'s>> {
        if !put_watermarks(scope, self.env, watermarks)? {
            let watermarks = write_watermarks(scope, self.env, watermarks)?;
            return self.method(scope, (object, owner), key, &[watermarks]);
        }
        self.env.shared.put_key(Some(key));
        self.call(
            scope,
            Intrinsic::CallWithWatermarks,
            &[object],
            (owner, key),
        )
    }

    /// `object[key]({ limit, cursor })`
    pub fn with_query<'s>(
        &self,
        scope: Scope<'s>,
        (object, owner): (Value<'s>, &str),
        key: Key,
        (limit, cursor): (f64, Option<&Persistent>),
    ) -> Result<Value<'s>> {
        let shared = &self.env.shared;
        shared.put(Slot::First, limit);
        shared.put_key(Some(key));
        let caller = Intrinsic::CallWithQuery;
        match cursor {
            Some(cursor) => {
                let cursor = cursor.value(scope)?;
                self.call(scope, caller, &[object, cursor], (owner, key))
            }
            None => self.call(scope, caller, &[object], (owner, key)),
        }
    }

    /// Takes whatever a function of the app's answered.
    pub fn take<'s>(&self, scope: Scope<'s>, answer: Value<'s>) -> Result<Value<'s>> {
        self.with_wait(scope, Intrinsic::Take, &[answer])
    }

    fn call<'s>(
        &self,
        scope: Scope<'s>,
        caller: Intrinsic,
        args: &[Value<'s>],
        (owner, key): (&str, Key),
    ) -> Result<Value<'s>> {
        let answer = self.with_wait(scope, caller, args)?;
        if is(self.env.shared.get(Slot::State), NOT_CALLABLE) {
            return Err(self.not_callable(scope, args.first().copied(), (owner, key)));
        }
        Ok(answer)
    }

    fn not_callable(
        &self,
        scope: Scope<'_>,
        object: Option<Value<'_>>,
        (owner, key): (&str, Key),
    ) -> Error {
        let Some(object) = object.filter(|object| {
            !scope.is_promise(*object) && !matches!(scope.is_nullish(*object), Ok(true) | Err(_))
        }) else {
            let got = object.map(|object| scope.describe_kind(object));
            return must_be(owner, "an adapter", &got.unwrap_or_default());
        };
        let found = scope.get(self.env, object, key);
        let got = found.map_or_else(
            |_| "a getter that throws".to_owned(),
            |found| scope.describe_kind(found),
        );
        must_be(&format!("{owner}.{}", key.name()), "a function", &got)
    }

    /// Calls a function of `js/bridge/calls.js` that may begin a wait.
    fn with_wait<'s>(
        &self,
        scope: Scope<'s>,
        caller: Intrinsic,
        args: &[Value<'s>],
    ) -> Result<Value<'s>> {
        let executor = Executor::of(self.env);
        let task = executor.current.borrow().clone();
        let task = task.ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "call an adapter",
                "nothing but a round may wait",
            )
        })?;
        let (env, waits) = (self.env, &executor.waits);
        for lasting in waits.loosen_lasting() {
            let id = scope.count(u64::from(lasting))?;
            env.helper(scope, Intrinsic::Loosen, &[id])?;
        }
        let wait = waits.arm(task);
        env.shared.put(Slot::Wait, f64::from(wait.id));
        let answer = env.helper(scope, caller, args);
        if answer.is_ok() && is(env.shared.get(Slot::State), WAITING) {
            *self.waiting.borrow_mut() = Some(Waiting {
                waits: Rc::clone(waits),
                wait: Some(wait),
            });
        } else {
            waits.rest(&wait);
        }
        answer
    }
}

/// Awaits whatever an adapter answers: `read` gets the value, or what the promise was fulfilled with.
/// `begin` is called at once, in a scope of its own.
pub async fn await_js<R>(
    env: &Rc<Env>,
    operation: impl fmt::Display,
    begin: impl for<'s> FnOnce(Scope<'s>, &Invocation<'_>) -> Result<Value<'s>>,
    read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<R>,
) -> Result<R> {
    enum Begun<R, F> {
        Done(R),
        Pending(Waiting, F),
    }
    let state = env.scope(|scope| {
        let invocation = Invocation {
            env,
            waiting: RefCell::new(None),
        };
        let answer =
            begin(scope, &invocation).map_err(|error| Thrown::rename(error, &operation))?;
        match invocation.waiting.take() {
            None => read(scope, answer).map(Begun::Done),
            Some(waiting) => Ok(Begun::Pending(waiting, read)),
        }
    })?;
    match state {
        Begun::Done(result) => Ok(result),
        Begun::Pending(waiting, read) => {
            let Settlement { fulfilled, value } = waiting.await;
            // A round goes on within a call from JavaScript, whose handles end with it.
            let scope = Scope::of_callback(env.raw_env());
            let value = value.value(scope)?;
            if fulfilled {
                return read(scope, value);
            }
            let operation = operation.to_string();
            Err(Thrown::kept(env.keep(scope, value)?, &operation))
        }
    }
}
