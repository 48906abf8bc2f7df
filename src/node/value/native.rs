//! Objects that this package made, and how it knows them again.
//!
//! A store or transport of ours is a plain object of functions. Where the engine meets one it goes
//! straight to its native half, but only while its functions are the ones it was given: an app that
//! replaces one of them, in place or in a copy, is called like any other adapter. `js/brands.js` knows the objects.

use std::any::Any;
use std::rc::Rc;

use napi::ValueType;
use napi::bindgen_prelude::{External, FromNapiRef, ToNapiValue};

use super::env::{Scope, Value};
use super::intrinsics::Intrinsic;
use super::remote::failed;
use crate::error::Result;

type Half = External<Rc<dyn Any>>;

/// Brands `object`, whose functions stand as they are now, with its native half.
pub fn brand<'s>(scope: Scope<'s>, object: Value<'s>, native: Rc<dyn Any>) -> Result<Value<'s>> {
    let branded = scope.helper(Intrinsic::Brand, &[object, half(scope, native)?]);
    branded.map(|_| object)
}

/// The native half of an object, as JavaScript has it.
pub fn half(scope: Scope<'_>, native: Rc<dyn Any>) -> Result<Value<'_>> {
    // SAFETY: this is the thread of the environment, in an open scope.
    let half = unsafe { ToNapiValue::to_napi_value(scope.raw_env(), Half::new(native)) };
    half.map(|half| scope.value(half)).map_err(failed)
}

impl Scope<'_> {
    /// The native half of an object of this package, while its functions are its own. `None` also for an object
    /// of another entry of the package: its rounds are not of this env.
    pub fn native_of<T: 'static>(self, object: Value<'_>) -> Result<Option<Rc<T>>> {
        let half = self.helper(Intrinsic::NativeOf, &[object])?;
        if self.kind(half)? != ValueType::External {
            return Ok(None);
        }
        // SAFETY: the value lives in an open scope, and whose external it is is looked at.
        let half = unsafe { Half::from_napi_ref(self.raw_env(), half.raw()) };
        Ok(half.ok().and_then(|half| Rc::clone(half).downcast().ok()))
    }
}
