//! Objects that this package made, and how it knows them again.
//!
//! A store or transport of ours is a plain object of functions. Where the engine meets one it goes
//! straight to what is behind it, but only while its functions are the ones it was given: an app that
//! replaces one of them, in place or in a copy, is called like any other adapter.

use std::any::Any;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use napi::sys;

use super::realm::{Kept, Realm};
use super::value::{Kind, Scope, Value};
use crate::error::Result;

static TAG: sys::napi_type_tag = sys::napi_type_tag {
    lower: 0x5354_4152_4B45_4550,
    upper: 0x5359_4E43_454E_4731,
};

struct Mark {
    behind: Rc<dyn Any>,
    functions: Vec<(String, Kept)>,
}

/// Puts `behind` behind `object`, whose functions stand as they are now.
pub fn mark(scope: Scope<'_>, realm: &Rc<Realm>, object: Value<'_>, behind: Rc<dyn Any>) -> Result<()> {
    unsafe extern "C" fn finalized(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
        // SAFETY: `data` came from `Box::into_raw` below, and a finalizer runs once.
        drop(unsafe { Box::from_raw(data.cast::<Mark>()) });
    }
    let names = scope.own_names(object)?;
    let mut functions = Vec::new();
    for index in 0..scope.length(names)? {
        let name = scope.element(names, index)?;
        let value = scope.property(object, name)?;
        if let (Some(name), Kind::Function) = (scope.as_text(name), scope.kind(value)?) {
            functions.push((name.to_string(), realm.keep(scope, value)?));
        }
    }
    let data = Box::into_raw(Box::new(Mark { behind, functions }));
    // SAFETY: the object is new and unwrapped; the finalizer takes back the box.
    let wrapped = scope.check(unsafe {
        sys::napi_wrap(
            scope.env(),
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
    scope.check(unsafe { sys::napi_type_tag_object(scope.env(), object.raw(), &raw const TAG) })
}

/// What is behind an object of this package, while its functions are its own.
pub fn behind<T: 'static>(scope: Scope<'_>, object: Value<'_>) -> Result<Option<Rc<T>>> {
    if scope.kind(object)? != Kind::Object {
        return Ok(None);
    }
    let mut ours = false;
    // SAFETY: the object lives in an open scope.
    let status = unsafe {
        sys::napi_check_object_type_tag(scope.env(), object.raw(), &raw const TAG, &raw mut ours)
    };
    if status != sys::Status::napi_ok || !ours {
        return Ok(None);
    }
    let mut data = ptr::null_mut();
    // SAFETY: only `mark` tags objects, and it wraps them first.
    scope.check(unsafe { sys::napi_unwrap(scope.env(), object.raw(), &raw mut data) })?;
    // SAFETY: the wrapped box lives as long as the object.
    let mark = unsafe { &*data.cast::<Mark>() };
    for (name, function) in &mark.functions {
        let stands = scope.get_named(object, name)?;
        if !scope.same(stands, function.value(scope)?)? {
            return Ok(None);
        }
    }
    Ok(Rc::clone(&mark.behind).downcast().ok())
}
