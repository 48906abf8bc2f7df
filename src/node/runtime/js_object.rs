//! Calls of the app's code by rounds.

use std::fmt;
use std::rc::Rc;

use super::executor::{Called, Executor, Settlement};
use crate::error::{Error, Result};
use crate::node::error::invalid;
use crate::node::value::{Env, Kind, Persistent, Scope, Thrown, Value};
use crate::polling::Waiting;

/// An object of the app's, or of this package, and the option that it came in.
#[derive(Clone)]
pub struct JsObject {
    object: Persistent,
    option: &'static str,
}

impl JsObject {
    /// The object that came in as `option`.
    pub fn new(object: Persistent, option: &'static str) -> Self {
        Self { object, option }
    }

    /// The environment that it lives in.
    pub fn env(&self) -> &Rc<Env> {
        self.object.env()
    }

    /// The object itself.
    pub fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        self.object.value(scope)
    }

    /// What of this package is behind it, if anything of that kind is.
    pub fn native<T: 'static>(&self) -> Result<Option<Rc<T>>> {
        self.object.native()
    }

    /// A method of it, as errors name it.
    pub fn method(&self, name: &str) -> String {
        format!("{}.{name}", self.option)
    }

    /// How an answer of the method is wrong.
    pub fn wrong(&self, name: &str, what: &str) -> Error {
        invalid(&self.method(name), what)
    }

    /// Whether it has the method.
    pub fn has(&self, name: &str) -> Result<bool> {
        self.env().scope(|scope| {
            let object = self.value(scope)?;
            Ok(scope.is_object(object)? && scope.kind(scope.get(object, name)?)? == Kind::Function)
        })
    }

    /// Calls the method, and reads what it answers in the end.
    pub async fn call<R>(
        &self,
        name: &'static str,
        args: impl for<'s> FnOnce(Scope<'s>) -> Result<Vec<Value<'s>>>,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<R>,
    ) -> Result<R> {
        await_call(
            self.env(),
            Method(self.option, name),
            |scope| self.begin(scope, name, &args(scope)?),
            read,
        )
        .await
    }

    fn begin<'s>(&self, scope: Scope<'s>, name: &str, args: &[Value<'s>]) -> Result<Called<'s>> {
        let object = self.value(scope)?;
        if scope.is_nullish(object)? {
            return Err(scope.must_be_some(self.option, "an adapter", object));
        }
        let method = scope.get(object, name)?;
        if scope.kind(method)? == Kind::Function {
            return Executor::of(scope.env()).call(scope, (object, method), args);
        }
        if scope.describe(object, true)? == "a Promise" {
            return Err(scope.must_be_some(self.option, "an adapter", object));
        }
        Err(scope.must_be_some(&self.method(name), "a function", method))
    }

    /// Calls the method, whatever it answers.
    pub async fn tell(
        &self,
        name: &'static str,
        args: impl for<'s> FnOnce(Scope<'s>) -> Result<Vec<Value<'s>>>,
    ) -> Result<()> {
        self.call(name, args, |_, _| Ok(())).await
    }
}

/// A method of an object, as errors name it.
struct Method(&'static str, &'static str);

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
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
    await_call(env, operation, |scope| wait_for(scope, begin(scope)?), read).await
}

/// The same where `begin` has looked at what was answered.
async fn await_call<R>(
    env: &Rc<Env>,
    operation: impl fmt::Display,
    begin: impl for<'s> FnOnce(Scope<'s>) -> Result<Called<'s>>,
    read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<R>,
) -> Result<R> {
    enum Begun<R, F> {
        Done(R),
        Pending(Waiting<Settlement>, F),
    }
    let state = env.scope(|scope| {
        match begin(scope).map_err(|error| Thrown::rename(error, &operation))? {
            Called::Answered(answer) => read(scope, answer).map(Begun::Done),
            Called::Waiting(waiting) => Ok(Begun::Pending(waiting, read)),
        }
    })?;
    match state {
        Begun::Done(result) => Ok(result),
        Begun::Pending(waiting, read) => {
            let settled = waiting.await;
            let thrown = |value| Thrown::kept(value, &operation.to_string());
            let value = settled.map_err(thrown)?;
            env.scope(|scope| read(scope, value.value(scope)?))
        }
    }
}

/// Reads an answer by keeping it.
pub fn kept(scope: Scope<'_>, answer: Value<'_>) -> Result<Persistent> {
    scope.keep(answer)
}

/// Begins to wait for the answer in the name of the current round, if it is a promise or like one.
fn wait_for<'s>(scope: Scope<'s>, answer: Value<'s>) -> Result<Called<'s>> {
    if !scope.is_object(answer)? {
        return Ok(Called::Answered(answer));
    }
    let executor = Executor::of(scope.env());
    let waiting = executor.wait_for(scope, executor.tasks.current()?, answer)?;
    Ok(waiting.map_or(Called::Answered(answer), Called::Waiting))
}
