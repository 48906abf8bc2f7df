//! Values and the scope they live in.

use std::marker::PhantomData;
use std::ptr;
use std::sync::OnceLock;

use napi::sys;

use crate::error::{Error, ErrorKind, Result};

/// A JavaScript value, valid in its scope.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Value<'s>(sys::napi_value, PhantomData<&'s ()>);

impl Value<'_> {
    /// For calls to napi.
    pub fn raw(self) -> sys::napi_value {
        self.0
    }
}

/// What `typeof` says, with `null` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true` and `false`
    Boolean,
    /// Numbers.
    Number,
    /// Strings.
    String,
    /// Objects and arrays.
    Object,
    /// Functions.
    Function,
    /// Symbols, bigints, externals.
    Other,
}

/// Makes the error of a value that was just thrown in the operation.
type OfThrown = fn(Scope<'_>, Value<'_>, &'static str) -> Error;

static OF_THROWN: OnceLock<OfThrown> = OnceLock::new();

/// From now on `make` makes the errors of values that are thrown. To keep such a value takes more than a scope
/// knows of.
pub fn keep_thrown_by(make: OfThrown) {
    OF_THROWN.get_or_init(|| make);
}

fn error_of_thrown(scope: Scope<'_>, value: Value<'_>, operation: &'static str) -> Error {
    match OF_THROWN.get() {
        Some(make) => make(scope, value, operation),
        None => Error::new(
            ErrorKind::Internal,
            operation,
            "an exception could not be kept",
        ),
    }
}

/// An open handle scope on the JS thread.
#[derive(Clone, Copy)]
pub struct Scope<'s> {
    raw_env: sys::napi_env,
    life: PhantomData<&'s ()>,
}

macro_rules! make {
    ($scope:expr, $call:ident $(, $arg:expr)*) => {{
        let mut result = ptr::null_mut();
        // SAFETY: the scope is open, so the environment runs; the arguments live in it.
        $scope.check(unsafe { sys::$call($scope.raw_env(), $($arg,)* &raw mut result) })?;
        Ok($scope.value(result))
    }};
}

pub(super) use make;

impl<'s> Scope<'s> {
    /// The scope that a callback from JavaScript runs in.
    pub fn of_callback(raw_env: sys::napi_env) -> Self {
        Self {
            raw_env,
            life: PhantomData,
        }
    }

    /// Opens a scope for `body`.
    pub fn open<R>(
        raw_env: sys::napi_env,
        body: impl for<'inner> FnOnce(Scope<'inner>) -> Result<R>,
    ) -> Result<R> {
        let outer = Scope::of_callback(raw_env);
        let mut handle = ptr::null_mut();
        // SAFETY: this is the JS thread; what is opened is closed below.
        outer.check(unsafe { sys::napi_open_handle_scope(raw_env, &raw mut handle) })?;
        let result = body(Scope::of_callback(raw_env));
        // SAFETY: the scope was opened above, and those opened in `body` are closed.
        let closed = outer.check(unsafe { sys::napi_close_handle_scope(raw_env, handle) });
        result.and_then(|value| closed.map(|()| value))
    }

    /// For calls to napi.
    pub fn raw_env(self) -> sys::napi_env {
        self.raw_env
    }

    /// A value that napi gave in this scope.
    #[allow(
        clippy::unused_self,
        reason = "the scope is what bounds the value's life"
    )]
    pub fn value(self, raw: sys::napi_value) -> Value<'s> {
        Value(raw, PhantomData)
    }

    /// What a function answers that answers nothing. Good for nothing else.
    pub fn nothing(self) -> Value<'s> {
        self.value(ptr::null_mut())
    }

    /// Turns a status into a result. Whatever was thrown is not pending any more.
    pub fn check(self, status: sys::napi_status) -> Result<()> {
        if status == sys::Status::napi_ok {
            return Ok(());
        }
        Err(self.failure(status))
    }

    #[cold]
    fn failure(self, status: sys::napi_status) -> Error {
        let mut pending = false;
        let mut thrown = ptr::null_mut();
        // SAFETY: both calls are allowed while an exception is pending.
        unsafe {
            sys::napi_is_exception_pending(self.raw_env, &raw mut pending);
            if pending {
                sys::napi_get_and_clear_last_exception(self.raw_env, &raw mut thrown);
            }
        }
        if pending && !thrown.is_null() {
            return error_of_thrown(self, self.value(thrown), "a call into JavaScript");
        }
        Error::new(
            ErrorKind::Internal,
            "a call into JavaScript",
            format!("Node-API answered with status {status}"),
        )
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
            this.0,
            function.0,
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
            constructor.0,
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
            self.text(message)?.0
        )
    }

    /// Throws a value when the callback returns.
    pub fn throw(self, value: Value<'_>) {
        // SAFETY: the value lives in an open scope.
        unsafe { sys::napi_throw(self.raw_env, value.0) };
    }

    /// A strong reference. It lives as long as the environment.
    pub fn reference(self, value: Value<'_>) -> Result<sys::napi_ref> {
        let mut reference = ptr::null_mut();
        // SAFETY: the value lives in an open scope and is an object.
        self.check(unsafe {
            sys::napi_create_reference(self.raw_env, value.0, 1, &raw mut reference)
        })?;
        Ok(reference)
    }

    /// What a reference refers to.
    pub fn dereference(self, reference: sys::napi_ref) -> Result<Value<'s>> {
        make!(self, napi_get_reference_value, reference)
    }

    /// A promise, and the way to settle it.
    pub fn promise(self) -> Result<(sys::napi_deferred, Value<'s>)> {
        let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: both pointers are valid.
        self.check(unsafe {
            sys::napi_create_promise(self.raw_env, &raw mut deferred, &raw mut promise)
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
                Ok(value) => sys::napi_resolve_deferred(self.raw_env, deferred, value.0),
                Err(reason) => sys::napi_reject_deferred(self.raw_env, deferred, reason.0),
            }
        })
    }
}
