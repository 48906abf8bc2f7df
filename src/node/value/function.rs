//! Functions that JavaScript calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::{Function as Made, FunctionCallContext, Unknown};
use napi::{JsValue, sys};

use super::env::{Env, Persistent, Scope, Value};
use super::remote::failed;
use crate::error::{Error, Result};
use crate::node::error::to_js;

/// A call from JavaScript.
pub struct Call<'s> {
    /// The scope of the callback.
    pub scope: Scope<'s>,
    /// The environment.
    pub env: &'s Rc<Env>,
    /// `this`
    pub this: Value<'s>,
    /// What the function that is called is called.
    pub name: &'s str,
    args: Vec<Value<'s>>,
}

impl<'s> Call<'s> {
    /// The argument at `index`, `undefined` where none was given.
    pub fn arg(&self, index: usize) -> Value<'s> {
        let given = self.args.get(index).copied();
        // That there is no `undefined` can only be while the environment ends.
        given.unwrap_or_else(|| self.scope.undefined().unwrap_or(self.scope.nothing()))
    }
}

/// What an exported function does.
pub type Function = for<'c> fn(&Call<'c>) -> Result<Value<'c>>;

/// What a method of an object does; `T` is the native half of the object.
pub type Method<T> = for<'c> fn(&Call<'c>, &T) -> Result<Value<'c>>;

/// Makes a function that needs no `this`. An error that `body` answers with is thrown.
pub fn function<'s>(
    scope: Scope<'s>,
    name: &str,
    body: impl for<'c> Fn(&Call<'c>) -> Result<Value<'c>> + 'static,
) -> Result<Value<'s>> {
    let (env, called) = (Rc::clone(scope.env()), name.to_owned());
    let napi = napi::Env::from_raw(scope.raw_env());
    let made = napi.create_function_from_closure(name, move |context: FunctionCallContext<'_>| {
        let scope = Scope::of(&env);
        let value = |given: Unknown<'_>| scope.value(given.raw());
        let call = Call {
            scope,
            env: &env,
            this: value(context.this()?),
            name: &called,
            args: context.arguments()?.into_iter().map(value).collect(),
        };
        // A panic must not unwind into Node.
        let outcome = catch_unwind(AssertUnwindSafe(|| body(&call)));
        let outcome = outcome.unwrap_or_else(|payload| Err(Error::panicked(&*payload)));
        Ok(match outcome {
            Ok(value) => value.raw(),
            Err(error) => {
                // Fails only where the environment is ending.
                let _ = to_js(scope, &error).map(|error| scope.throw(error));
                ptr::null_mut()
            }
        })
    });
    let made: Made<'_, (), sys::napi_value> = made.map_err(failed)?;
    Ok(scope.value(made.raw()))
}

/// Gives an object functions.
pub fn add_functions(
    scope: Scope<'_>,
    object: Value<'_>,
    functions: &[(&str, Function)],
) -> Result<()> {
    for (name, body) in functions {
        scope.set(object, name, function(scope, name, *body)?)?;
    }
    Ok(())
}

/// Makes a function whose `this` is `this`, however it is called.
pub fn bound<'s>(
    scope: Scope<'s>,
    name: &str,
    this: Value<'s>,
    body: impl for<'c> Fn(&Call<'c>) -> Result<Value<'c>> + 'static,
) -> Result<Value<'s>> {
    let function = function(scope, name, body)?;
    let bound = scope.invoke(function, "bind", &[this])?;
    scope.define_hidden(bound, "name", scope.text(name)?)?;
    Ok(bound)
}

/// An object with methods of its native half, which are [`bound`] to `this`.
pub fn object_of_methods<'s, T: Clone + 'static>(
    scope: Scope<'s>,
    this: Value<'s>,
    methods: &[(&str, Method<T>)],
    native: &T,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    for (name, body) in methods {
        let (native, body) = (native.clone(), *body);
        let method = bound(scope, name, this, move |call| body(call, &native))?;
        scope.set(object, name, method)?;
    }
    Ok(object)
}

/// Keeps what [hangs](Scope::hang) on the array of a [`bound`] function until the answer is dropped.
pub fn enter(call: &Call<'_>) -> Result<Persistent> {
    call.scope.keep(call.this)
}
