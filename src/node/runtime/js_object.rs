//! Calls of the app's code by rounds.

use std::fmt;
use std::rc::Rc;

use super::executor::Executor;
use crate::error::{Error, Result};
use crate::node::error::invalid;
use crate::node::value::{Env, Kind, Persistent, Scope, Thrown, Value};

/// What a method can be called with.
pub trait Argument {
    /// The value.
    fn to_js<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>>;
}

/// What is made for the call.
pub struct Made<F: for<'s> Fn(Scope<'s>) -> Result<Value<'s>>>(pub F);

impl<F: for<'s> Fn(Scope<'s>) -> Result<Value<'s>>> Argument for Made<F> {
    fn to_js<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        (self.0)(scope)
    }
}

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
        args: &[&dyn Argument],
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<R>,
    ) -> Result<R> {
        await_js(
            self.env(),
            self.method(name),
            |scope| {
                let object = self.value(scope)?;
                let given: Result<Vec<_>> = args.iter().map(|arg| arg.to_js(scope)).collect();
                let answer = scope.invoke(object, name, &given?);
                answer.map_err(|error| self.not_callable(scope, name).unwrap_or(error))
            },
            read,
        )
        .await
    }

    /// The error of a call that JavaScript made, and that threw this.
    pub fn threw(&self, scope: Scope<'_>, name: &str, thrown: Value<'_>) -> Result<Error> {
        if let Some(error) = self.not_callable(scope, name) {
            return Ok(error);
        }
        Ok(Thrown::kept(scope.keep(thrown)?, &self.method(name)))
    }

    /// Why a call failed, where there is nothing to call.
    fn not_callable(&self, scope: Scope<'_>, name: &str) -> Option<Error> {
        let object = self.value(scope).ok()?;
        if scope.is_nullish(object).ok()? {
            return Some(scope.must_be_some(self.option, "an adapter", object));
        }
        let method = scope.get(object, name).ok()?;
        if scope.kind(method).ok()? == Kind::Function {
            return None;
        }
        Some(match scope.describe(object, true).ok()?.as_str() {
            "a Promise" => scope.must_be_some(self.option, "an adapter", object),
            _ => scope.must_be_some(&self.method(name), "a function", method),
        })
    }

    /// Calls the method, whatever it answers.
    pub async fn tell(&self, name: &'static str, args: &[&dyn Argument]) -> Result<()> {
        self.call(name, args, |_, _| Ok(())).await
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
    let executor = Executor::of(env);
    let task = executor.tasks.current()?;
    let state = env.scope(|scope| {
        let called = begin(scope).and_then(|answer| executor.wait_for(scope, task, answer));
        match called.map_err(|error| Thrown::rename(error, &operation))? {
            (answer, None) => read(scope, answer).map(Ok),
            (_, Some(waiting)) => Ok(Err((waiting, read))),
        }
    })?;
    let (waiting, read) = match state {
        Ok(result) => return Ok(result),
        Err(pending) => pending,
    };
    let thrown = |value| Thrown::kept(value, &operation.to_string());
    let value = waiting.await.map_err(thrown)?;
    env.scope(|scope| read(scope, value.value(scope)?))
}

/// Reads an answer by keeping it.
pub fn kept(scope: Scope<'_>, answer: Value<'_>) -> Result<Persistent> {
    scope.keep(answer)
}
