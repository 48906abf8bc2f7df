//! Calls, errors and promises.

use napi::sys;
use std::ptr;

use super::env::{Scope, Value};
use super::kind::make;
use crate::error::Result;

impl<'s> Scope<'s> {
    /// What a function answers that answers nothing. Good for nothing else.
    pub fn nothing(self) -> Value<'s> {
        self.value(ptr::null_mut())
    }

    /// Calls a function.
    pub fn call(
        self,
        this: Value<'_>,
        function: Value<'_>,
        args: &[Value<'_>],
    ) -> Result<Value<'s>> {
        // SAFETY: `Value` is a `napi_value` and nothing else, so the slices are laid out alike.
        make!(
            self,
            napi_call_function,
            this.raw(),
            function.raw(),
            args.len(),
            args.as_ptr().cast()
        )
    }

    /// `new constructor(...args)`.
    pub fn construct(self, constructor: Value<'_>, args: &[Value<'_>]) -> Result<Value<'s>> {
        // SAFETY: as in `call`.
        make!(
            self,
            napi_new_instance,
            constructor.raw(),
            args.len(),
            args.as_ptr().cast()
        )
    }

    /// A new `Error`.
    pub fn error(self, message: &str) -> Result<Value<'s>> {
        make!(
            self,
            napi_create_error,
            ptr::null_mut(),
            self.text(message)?.raw()
        )
    }

    /// Throws a value when the callback returns.
    pub fn throw(self, value: Value<'_>) {
        // SAFETY: the value lives in an open scope.
        unsafe { sys::napi_throw(self.raw_env(), value.raw()) };
    }

    /// A promise, and the way to settle it.
    pub fn promise(self) -> Result<(sys::napi_deferred, Value<'s>)> {
        let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: both pointers are valid.
        self.check(unsafe {
            sys::napi_create_promise(self.raw_env(), &raw mut deferred, &raw mut promise)
        })?;
        Ok((deferred, self.value(promise)))
    }

    /// Settles a promise; a deferred is used up by it.
    pub fn settle(
        self,
        deferred: sys::napi_deferred,
        outcome: std::result::Result<Value<'_>, Value<'_>>,
    ) -> Result<()> {
        // SAFETY: the caller gives up the deferred.
        self.check(unsafe {
            match outcome {
                Ok(value) => sys::napi_resolve_deferred(self.raw_env(), deferred, value.raw()),
                Err(reason) => sys::napi_reject_deferred(self.raw_env(), deferred, reason.raw()),
            }
        })
    }
}
