//! Objects of the app's, whose methods are called by rounds.

use std::fmt;
use std::rc::Rc;

use super::calls::{await_js, call_method};
use crate::error::{Error, Result};
use crate::node::error::invalid;
use crate::node::value::{Env, Handle, Key, Kind, Scope, Value};

/// An object of the app's, or of this package, and the option that it came in.
#[derive(Clone)]
pub struct JsObject {
    handle: Handle,
    option: &'static str,
}

/// A method of an object, as errors name it.
#[derive(Debug, Clone, Copy)]
pub struct Method(&'static str, Key);

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1.name())
    }
}

impl JsObject {
    /// The object that came in as `option`.
    pub fn new(handle: Handle, option: &'static str) -> Self {
        Self { handle, option }
    }

    /// The environment that it lives in.
    pub fn env(&self) -> &Rc<Env> {
        self.handle.env()
    }

    /// The object itself.
    pub fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        self.handle.value(scope)
    }

    /// What of this package is behind it, if anything of that kind is.
    pub fn native<T: 'static>(&self) -> Result<Option<Rc<T>>> {
        self.handle.native()
    }

    /// One of its methods.
    pub fn method(&self, key: Key) -> Method {
        Method(self.option, key)
    }

    /// How an answer of the method is wrong.
    pub fn wrong(&self, key: Key, what: &str) -> Error {
        invalid(&self.method(key).to_string(), what)
    }

    /// Whether it has the method.
    pub fn has(&self, key: Key) -> Result<bool> {
        let env = self.env();
        env.scope(|scope| {
            let object = self.value(scope)?;
            if !matches!(scope.kind(object)?, Kind::Object | Kind::Function) {
                return Ok(false);
            }
            Ok(scope.kind(scope.get(object, key)?)? == Kind::Function)
        })
    }

    /// Calls the method, and reads what it answers in the end.
    pub async fn call<R>(
        &self,
        key: Key,
        args: impl for<'s> FnOnce(Scope<'s>) -> Result<Vec<Value<'s>>>,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<R>,
    ) -> Result<R> {
        let env = self.env();
        await_js(
            env,
            self.method(key),
            |scope| {
                let object = (self.value(scope)?, self.option);
                call_method(scope, object, key, &args(scope)?)
            },
            read,
        )
        .await
    }

    /// Calls the method, whatever it answers.
    pub async fn tell(
        &self,
        key: Key,
        args: impl for<'s> FnOnce(Scope<'s>) -> Result<Vec<Value<'s>>>,
    ) -> Result<()> {
        self.call(key, args, |_, _| Ok(())).await
    }
}
