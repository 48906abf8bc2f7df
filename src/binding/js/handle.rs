//! Values that belong to an object of ours, without being rooted by it.
//!
//! An engine needs the app's adapters whenever it is called. Were they kept by a root, an adapter that
//! refers back to its engine, as one that syncs after a write does, could never be collected. So they
//! hang on a [`Holder`]: an array that is bound to the object's functions as their `this`, which the
//! garbage collector sees like any other reference. The native side gets at it only during a call.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::function::{Call, function};
use super::realm::{Kept, Realm};
use super::value::{Scope, Value};
use crate::error::{Error, ErrorKind, Result};

/// The values of one object of ours.
pub struct Holder {
    realm: Rc<Realm>,
    array: RefCell<Option<Kept>>,
    calls: Cell<usize>,
    len: Cell<u32>,
}

/// A call during which the values can be reached.
pub struct Entered(Rc<Holder>);

impl Holder {
    /// An empty holder, and its array.
    pub fn new<'s>(scope: Scope<'s>, realm: &Rc<Realm>) -> Result<(Rc<Self>, Value<'s>)> {
        let holder = Self {
            realm: Rc::clone(realm),
            array: RefCell::new(None),
            calls: Cell::new(0),
            len: Cell::new(0),
        };
        Ok((Rc::new(holder), scope.array()?))
    }

    /// Hangs a value on the array.
    pub fn hang(self: &Rc<Self>, scope: Scope<'_>, array: Value<'_>, value: Value<'_>) -> Result<Handle> {
        let index = self.len.replace(self.len.get() + 1);
        scope.set_element(array, index, value)?;
        Ok(Handle::Hung(Rc::clone(self), index))
    }

    /// Makes the values reachable until the answer is dropped. The call is one to a function that
    /// [`bound`] made with this holder's array.
    pub fn enter(self: &Rc<Self>, call: &Call<'_>) -> Result<Entered> {
        self.enter_with(call.scope, call.this)
    }

    /// The same for who has the array.
    pub fn enter_with(self: &Rc<Self>, scope: Scope<'_>, array: Value<'_>) -> Result<Entered> {
        if self.calls.get() == 0 {
            *self.array.borrow_mut() = Some(self.realm.keep(scope, array)?);
        }
        self.calls.set(self.calls.get() + 1);
        Ok(Entered(Rc::clone(self)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = self.0.calls.get() - 1;
        self.0.calls.set(left);
        if left == 0 {
            self.0.array.replace(None);
        }
    }
}

/// A value that outlives the scope it came from.
#[derive(Clone)]
pub enum Handle {
    /// Rooted for as long as the handle lives.
    Kept(Kept),
    /// Reachable during calls of the holder's functions.
    Hung(Rc<Holder>, u32),
}

impl Handle {
    /// The value, in `scope`.
    pub fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        match self {
            Self::Kept(kept) => kept.value(scope),
            Self::Hung(holder, index) => match &*holder.array.borrow() {
                Some(array) => scope.element(array.value(scope)?, *index),
                None => Err(Error::new(
                    ErrorKind::Internal,
                    "reach an adapter",
                    "no call of its owner is running",
                )),
            },
        }
    }

    /// The environment it lives in.
    pub fn realm(&self) -> &Rc<Realm> {
        match self {
            Self::Kept(kept) => kept.realm(),
            Self::Hung(holder, _) => &holder.realm,
        }
    }
}

/// Makes a function whose `this` is `this`, however it is called.
pub fn bound<'s>(
    scope: Scope<'s>,
    realm: &Rc<Realm>,
    name: &str,
    this: Value<'s>,
    body: impl for<'c> Fn(&Call<'c>) -> Result<Value<'c>> + 'static,
) -> Result<Value<'s>> {
    let function = function(scope, realm, name, body)?;
    let bind = scope.get_named(function, "bind")?;
    let bound = scope.call(function, bind, &[this])?;
    scope.define_hidden(bound, "name", scope.text(name)?)?;
    Ok(bound)
}
