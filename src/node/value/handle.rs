//! Values that belong to an object of ours, without being rooted by it.
//!
//! An engine needs the app's adapters whenever it is called. Were they kept by a root, an adapter that
//! refers back to its engine, as one that syncs after a write does, could never be collected. So they
//! hang on an array that is bound to the object's functions as their `this`, which the garbage collector
//! sees like any other reference. The native side refers to them weakly, and keeps the array for the
//! time of a call.

use std::ptr;
use std::rc::Rc;

use napi::sys;

use super::env::{Env, Persistent, Scope, Value};
use super::function::{Call, function};
use super::kind::Kind;
use super::native::{is_ours, native_of};
use crate::error::{Error, ErrorKind, Result};

/// A value that outlives the scope it came from.
#[derive(Clone)]
pub enum Handle {
    /// Rooted for as long as the handle lives.
    Persistent(Persistent),
    /// Reachable while the array that it hangs on is.
    Hung(Rc<Weak>),
    /// `undefined`
    Missing(Rc<Env>),
}

/// A weak reference.
pub struct Weak {
    env: Rc<Env>,
    reference: sys::napi_ref,
    /// Whether this package made the object. It cannot become so later.
    ours: bool,
}

impl Drop for Weak {
    fn drop(&mut self) {
        // SAFETY: this is the environment's thread, and nobody else has the reference. The environment is
        // there: what holds a reference is dropped at the latest by the hook that ends it, or by a
        // finalizer that runs after the hook. A reference that nobody deletes is lost memory.
        unsafe { sys::napi_delete_reference(self.env.raw(), self.reference) };
    }
}

impl Handle {
    /// Hangs a value on an array, at `index`.
    pub fn hang(
        scope: Scope<'_>,
        (array, index): (Value<'_>, u32),
        value: Value<'_>,
    ) -> Result<Self> {
        if !matches!(scope.kind(value)?, Kind::Object | Kind::Function) {
            return Ok(Self::Missing(Rc::clone(scope.env())));
        }
        scope.set_element(array, index, value)?;
        let mut reference = ptr::null_mut();
        // SAFETY: the value is an object in an open scope; a count of zero makes the reference weak.
        scope.check(unsafe {
            sys::napi_create_reference(scope.raw_env(), value.raw(), 0, &raw mut reference)
        })?;
        Ok(Self::Hung(Rc::new(Weak {
            env: Rc::clone(scope.env()),
            reference,
            ours: is_ours(scope, value),
        })))
    }

    /// The value, in `scope`.
    pub fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        match self {
            Self::Persistent(kept) => kept.value(scope),
            Self::Missing(_) => scope.undefined(),
            Self::Hung(weak) => {
                let value = scope.dereference(weak.reference)?;
                if value.raw().is_null() {
                    return Err(Error::new(
                        ErrorKind::Internal,
                        "reach an adapter",
                        "no call of its owner is running",
                    ));
                }
                Ok(value)
            }
        }
    }

    /// Whether this package may have made the object.
    pub fn may_be_ours(&self) -> bool {
        match self {
            Self::Persistent(_) => true,
            Self::Hung(weak) => weak.ours,
            Self::Missing(_) => false,
        }
    }

    /// The native half of the object; see [`native_of`].
    pub fn native<T: 'static>(&self) -> Result<Option<Rc<T>>> {
        if !self.may_be_ours() {
            return Ok(None);
        }
        let env = self.env();
        env.scope(|scope| native_of::<T>(scope, self.value(scope)?))
    }

    /// The environment it lives in.
    pub fn env(&self) -> &Rc<Env> {
        match self {
            Self::Persistent(kept) => kept.env(),
            Self::Hung(weak) => &weak.env,
            Self::Missing(env) => env,
        }
    }
}

/// Keeps what hangs on the array of a [`bound`] function until the answer is dropped.
pub fn enter(call: &Call<'_>) -> Result<Persistent> {
    call.scope.keep(call.this)
}

/// Makes a function whose `this` is `this`, however it is called.
pub fn bound<'s>(
    scope: Scope<'s>,
    name: &str,
    this: Value<'s>,
    body: impl for<'c> Fn(&Call<'c>) -> Result<Value<'c>> + 'static,
) -> Result<Value<'s>> {
    let function = function(scope, name, body)?;
    let bind = scope.get_named(function, "bind")?;
    let bound = scope.call(function, bind, &[this])?;
    scope.define_hidden(bound, "name", scope.text(name)?)?;
    Ok(bound)
}
