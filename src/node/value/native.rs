//! Objects that this package made, and how it knows them again.
//!
//! A store or transport of ours is a plain object of functions. Where the engine meets one it goes
//! straight to its native half, but only while its functions are the ones it was given: an app that
//! replaces one of them, in place or in a copy, is called like any other adapter.

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use napi::sys;

use super::env::{Env, Scope, Value};
use super::kind::Kind;
use crate::error::Result;

/// The tag of the objects that this package made.
static OBJECT: sys::napi_type_tag = sys::napi_type_tag {
    lower: FAMILY,
    upper: 0,
};
const FAMILY: u64 = 0x5354_4152_4B45_4550;

thread_local! {
    /// Numbers the functions of this thread. Tags are how a function is known again without being
    /// rooted.
    static FUNCTIONS: Cell<u64> = const { Cell::new(1) };
}

struct Brand {
    native: Rc<dyn Any>,
    env: Rc<Env>,
    functions: Vec<(String, sys::napi_type_tag)>,
}

/// Brands `object`, whose functions stand as they are now, with its native half.
pub fn brand<'s>(scope: Scope<'s>, object: Value<'s>, native: Rc<dyn Any>) -> Result<()> {
    unsafe extern "C" fn finalized(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
        // SAFETY: `data` came from `Box::into_raw` below, and a finalizer runs once.
        drop(unsafe { Box::from_raw(data.cast::<Brand>()) });
    }
    let names = scope.own_names(object)?;
    let mut functions = Vec::new();
    for index in 0..scope.length(names)? {
        let name = scope.element(names, index)?;
        let value = scope.property(object, name)?;
        if let (Some(name), Kind::Function) = (scope.as_text(name), scope.kind(value)?) {
            let tag = sys::napi_type_tag {
                lower: FAMILY,
                upper: FUNCTIONS.replace(FUNCTIONS.get() + 1),
            };
            // SAFETY: the function lives in an open scope and was not tagged before.
            scope.check(unsafe {
                sys::napi_type_tag_object(scope.raw_env(), value.raw(), &raw const tag)
            })?;
            functions.push((name.to_string(), tag));
        }
    }
    let env = Rc::clone(scope.env());
    let data = Box::into_raw(Box::new(Brand {
        native,
        env,
        functions,
    }));
    // SAFETY: the object is new and unwrapped; the finalizer takes back the box.
    let wrapped = scope.check(unsafe {
        sys::napi_wrap(
            scope.raw_env(),
            object.raw(),
            data.cast(),
            Some(finalized),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    });
    if let Err(error) = wrapped {
        // SAFETY: the wrap failed, so nobody else has the box.
        drop(unsafe { Box::from_raw(data) });
        return Err(error);
    }
    // SAFETY: the object lives in an open scope.
    scope.check(unsafe {
        sys::napi_type_tag_object(scope.raw_env(), object.raw(), &raw const OBJECT)
    })
}

fn has_tag(scope: Scope<'_>, value: Value<'_>, tag: &sys::napi_type_tag) -> bool {
    // A value that is no object would be converted to one, which throws for some.
    if !matches!(scope.kind(value), Ok(Kind::Object | Kind::Function)) {
        return false;
    }
    let mut has = false;
    // SAFETY: the value lives in an open scope; what is no object is a status.
    let status = unsafe {
        sys::napi_check_object_type_tag(scope.raw_env(), value.raw(), &raw const *tag, &raw mut has)
    };
    status == sys::Status::napi_ok && has
}

/// Whether this package made the object.
pub fn is_ours(scope: Scope<'_>, object: Value<'_>) -> bool {
    has_tag(scope, object, &OBJECT)
}

/// The native half of an object of this package, while its functions are its own. `None` also for an object
/// of another entry of the package: its rounds are not of this env.
pub fn native_of<T: 'static>(scope: Scope<'_>, object: Value<'_>) -> Result<Option<Rc<T>>> {
    if !has_tag(scope, object, &OBJECT) {
        return Ok(None);
    }
    let mut data = ptr::null_mut();
    // SAFETY: only `brand` tags objects, and it wraps them first.
    scope.check(unsafe { sys::napi_unwrap(scope.raw_env(), object.raw(), &raw mut data) })?;
    // SAFETY: the wrapped box lives as long as the object.
    let brand = unsafe { &*data.cast::<Brand>() };
    if !Rc::ptr_eq(&brand.env, scope.env()) {
        return Ok(None);
    }
    for (name, tag) in &brand.functions {
        let stands = scope.get_named(object, name)?;
        if !has_tag(scope, stands, tag) {
            return Ok(None);
        }
    }
    Ok(Rc::clone(&brand.native).downcast().ok())
}
