//! Functions that JavaScript calls.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::sys;

use super::env::Env;
use super::scope::{Scope, Value};
use crate::error::{Error, Result};
use crate::node::error::{panicked, to_js};

const MAX_ARGS: usize = 6;

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
    args: [sys::napi_value; MAX_ARGS],
}

impl<'s> Call<'s> {
    /// The argument at `index`, `undefined` where none was given.
    pub fn arg(&self, index: usize) -> Value<'s> {
        self.scope.value(self.args[index])
    }
}

/// What an exported function does.
pub type Function = for<'c> fn(&Call<'c>) -> Result<Value<'c>>;

/// What a method of an object does; `T` is the native half of the object.
pub type Method<T> = for<'c> fn(&Call<'c>, &T) -> Result<Value<'c>>;

type FunctionBody = dyn for<'c> Fn(&Call<'c>) -> Result<Value<'c>>;

struct FunctionData {
    env: Rc<Env>,
    name: Box<str>,
    body: Box<FunctionBody>,
}

/// Makes a function that needs no `this`. An error that `body` answers with is thrown.
pub fn function<'s>(
    scope: Scope<'s>,
    env: &Rc<Env>,
    name: &str,
    body: impl for<'c> Fn(&Call<'c>) -> Result<Value<'c>> + 'static,
) -> Result<Value<'s>> {
    let data = Box::into_raw(Box::new(FunctionData {
        env: Rc::clone(env),
        name: Box::from(name),
        body: Box::new(body),
    }));
    let mut raw = ptr::null_mut();
    // SAFETY: `called` reads the data, which lives until `finalized`.
    let made = scope.check(unsafe {
        sys::napi_create_function(
            scope.raw_env(),
            name.as_ptr().cast(),
            name.len().cast_signed(),
            Some(called),
            data.cast(),
            &raw mut raw,
        )
    });
    let made = made.and_then(|()| {
        // SAFETY: the finalizer runs once, after the last call.
        scope.check(unsafe {
            sys::napi_add_finalizer(
                scope.raw_env(),
                raw,
                data.cast(),
                Some(finalized),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })
    });
    if let Err(error) = made {
        // SAFETY: nobody else has the data: the function has no finalizer and is not handed out.
        drop(unsafe { Box::from_raw(data) });
        return Err(error);
    }
    Ok(scope.value(raw))
}

unsafe extern "C" fn finalized(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `data` came from `Box::into_raw`, and a finalizer runs once.
    let data = unsafe { Box::from_raw(data.cast::<FunctionData>()) };
    let env = Rc::clone(&data.env);
    // A panic in a destructor must not unwind into Node. What the function held is let go of here: no
    // round may follow that would.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        drop(data);
        if env.is_alive() {
            let _ = env.let_go(0);
        }
    }));
}

unsafe extern "C" fn called(
    raw_env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let scope = Scope::of_callback(raw_env);
    let mut args = [ptr::null_mut(); MAX_ARGS];
    let mut count = MAX_ARGS;
    let (mut this, mut data) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: napi fills all `MAX_ARGS` places, with `undefined` past what was given.
    let status = unsafe {
        sys::napi_get_cb_info(
            raw_env,
            info,
            &raw mut count,
            args.as_mut_ptr(),
            &raw mut this,
            &raw mut data,
        )
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the data lives as long as the function, and the function is being called.
    let data = unsafe { &*data.cast::<FunctionData>() };
    let call = Call {
        scope,
        env: &data.env,
        this: scope.value(this),
        name: &data.name,
        args,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| (data.body)(&call)))
        .unwrap_or_else(|payload| Err(panicked(&*payload)));
    match outcome {
        Ok(value) => value.raw(),
        Err(error) => {
            throw(scope, &data.env, &error);
            ptr::null_mut()
        }
    }
}

fn throw(scope: Scope<'_>, env: &Rc<Env>, error: &Error) {
    if let Ok(value) = to_js(scope, env, error) {
        scope.throw(value);
    }
}
