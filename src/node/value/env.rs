//! One JavaScript environment, the scopes that its values live in, and values that are kept for longer.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::sys;
use send_wrapper::SendWrapper;

use super::intrinsics::Intrinsic;
use super::remote::{Remote, failed};
use crate::error::{Error, ErrorKind, Result};

/// What runs the rounds of an environment.
pub trait Runtime: Any {
    /// Tells rounds what was rung for them, on the JS thread.
    fn hear(&self, env: &Rc<Env>, rung: Vec<u64>);

    /// The environment ends.
    fn end(&self);
}

/// One JavaScript environment: the main thread's, or a worker's. Nothing is shared between two.
pub struct Env {
    raw: sys::napi_env,
    alive: Cell<bool>,
    runtime: OnceCell<Rc<dyn Runtime>>,
    /// The way to this environment from other threads.
    pub remote: Arc<Remote>,
    intrinsics: [Cell<Option<sys::napi_ref>>; Intrinsic::COUNT],
}

impl Env {
    /// Sets up the environment. Must be called on its thread, inside a call from JavaScript.
    pub fn new(raw: sys::napi_env) -> Result<Rc<Self>> {
        let env = Rc::new(Self {
            raw,
            alive: Cell::new(true),
            runtime: OnceCell::new(),
            remote: Arc::default(),
            intrinsics: std::array::from_fn(|_| Cell::default()),
        });
        let hearing = Rc::clone(&env);
        env.remote.attach(raw, move |rung, said| {
            for message in said {
                let warn = |scope: Scope<'_>| {
                    scope
                        .helper(Intrinsic::Warn, &[scope.text(&message)?])
                        .map(drop)
                };
                // If not even the console works, there is no way to tell.
                let _ = hearing.scope(warn);
            }
            if let Some(runtime) = hearing.runtime.get() {
                runtime.hear(&hearing, rung);
            }
        })?;
        let ending =
            napi::Env::from_raw(raw).add_env_cleanup_hook(Rc::clone(&env), |env| env.ended());
        ending.map_err(failed)?;
        Ok(env)
    }

    /// What runs its rounds: what `begin` returns, unless something runs them already.
    pub fn run_by(&self, begin: impl FnOnce() -> Rc<dyn Runtime>) -> Rc<dyn Any> {
        Rc::clone(self.runtime.get_or_init(begin)) as _
    }

    /// For calls to napi.
    pub fn raw(&self) -> sys::napi_env {
        self.raw
    }

    /// Whether the environment still runs.
    pub fn is_alive(&self) -> bool {
        self.alive.get()
    }

    /// Opens a scope: the handles made in it end with it.
    pub fn scope<R>(
        self: &Rc<Self>,
        body: impl for<'s> FnOnce(Scope<'s>) -> Result<R>,
    ) -> Result<R> {
        let scope = Scope::of(self);
        let mut handle = ptr::null_mut();
        // SAFETY: this is the JS thread; what is opened is closed below.
        scope.check(unsafe { sys::napi_open_handle_scope(self.raw, &raw mut handle) })?;
        let result = body(scope);
        // SAFETY: the scope was opened above, and those opened in `body` are closed.
        let closed = scope.check(unsafe { sys::napi_close_handle_scope(self.raw, handle) });
        result.and_then(|value| closed.map(|()| value))
    }

    fn ended(&self) {
        self.alive.set(false);
        self.remote.detach();
        if let Some(runtime) = self.runtime.get() {
            runtime.end();
        }
        for reference in self.intrinsics.iter().filter_map(Cell::take) {
            // SAFETY: the environment is there while its hooks run, and the reference was taken out.
            unsafe { sys::napi_delete_reference(self.raw, reference) };
        }
    }
}

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

/// An open handle scope on the JS thread.
#[derive(Clone, Copy)]
pub struct Scope<'s> {
    env: &'s Rc<Env>,
}

impl<'s> Scope<'s> {
    /// The scope that a callback from JavaScript runs in.
    pub fn of(env: &'s Rc<Env>) -> Self {
        Self { env }
    }

    /// The environment.
    pub fn env(self) -> &'s Rc<Env> {
        self.env
    }

    /// For calls to napi.
    pub fn raw_env(self) -> sys::napi_env {
        self.env.raw
    }

    /// Opens a scope within this one.
    pub fn nested<R>(self, body: impl for<'n> FnOnce(Scope<'n>) -> Result<R>) -> Result<R> {
        self.env.scope(body)
    }

    /// A value that napi gave in this scope.
    #[allow(
        clippy::unused_self,
        reason = "the scope is what bounds the value's life"
    )]
    pub fn value(self, raw: sys::napi_value) -> Value<'s> {
        Value(raw, PhantomData)
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
            sys::napi_is_exception_pending(self.raw_env(), &raw mut pending);
            if pending {
                sys::napi_get_and_clear_last_exception(self.raw_env(), &raw mut thrown);
            }
        }
        let operation = "a call into JavaScript";
        if !pending || thrown.is_null() {
            let what = format!("Node-API answered with status {status}");
            return Error::new(ErrorKind::Internal, operation, what);
        }
        let kept = self.keep(self.value(thrown));
        kept.map_or_else(|error| error, |kept| Thrown::kept(kept, operation))
    }

    /// A reference, strong with a count of one and weak with none. A strong one lives as long as the environment,
    /// unless it is deleted.
    fn reference(self, value: Value<'_>, count: u32) -> Result<sys::napi_ref> {
        let mut reference = ptr::null_mut();
        // SAFETY: the value lives in an open scope and is an object.
        self.check(unsafe {
            sys::napi_create_reference(self.raw_env(), value.0, count, &raw mut reference)
        })?;
        Ok(reference)
    }

    /// What a reference refers to.
    fn dereference(self, reference: sys::napi_ref) -> Result<Value<'s>> {
        let mut value = ptr::null_mut();
        // SAFETY: the reference is there as long as what it is taken from.
        self.check(unsafe {
            sys::napi_get_reference_value(self.raw_env(), reference, &raw mut value)
        })?;
        Ok(self.value(value))
    }

    /// Holds a value until the answer is dropped.
    pub fn keep(self, value: Value<'_>) -> Result<Persistent> {
        if self.is_object(value)? {
            return self.kept(value, 1, Form::Itself);
        }
        // Only objects can be referred to.
        let holder = self.array()?;
        self.set_element(holder, 0, value)?;
        self.kept(holder, 1, Form::InArray)
    }

    /// A value that is kept; `undefined` if there is none.
    pub fn if_kept(self, kept: Option<&Persistent>) -> Result<Value<'s>> {
        kept.map_or_else(|| self.undefined(), |kept| kept.value(self))
    }

    /// Hangs a value on an array, at `index`, and refers to it weakly: it is reachable while the array is.
    ///
    /// An engine needs the app's adapters whenever it is called. Were they kept by a root, an adapter that refers back
    /// to its engine, as one that syncs after a write does, could never be collected. So they hang on an array that is
    /// [bound](super::bound) to the object's functions as their `this`, which the garbage collector sees like any
    /// other reference. A call keeps the array [for its time](super::enter).
    pub fn hang(self, (array, index): (Value<'_>, u32), value: Value<'_>) -> Result<Persistent> {
        if !self.is_object(value)? {
            return self.keep(self.undefined()?);
        }
        self.set_element(array, index, value)?;
        let is_ours = self.helper(Intrinsic::IsOurs, &[value])?;
        let is_ours = self.is_truthy(is_ours);
        self.kept(value, 0, Form::Hung { is_ours })
    }

    fn kept(self, value: Value<'_>, count: u32, form: Form) -> Result<Persistent> {
        Ok(Persistent(Rc::new(Kept {
            reference: self.reference(value, count)?,
            form,
            env: Rc::clone(self.env),
        })))
    }

    /// Keeps a class, function or object of the environment.
    pub fn set_intrinsic(self, which: Intrinsic, value: Value<'_>) -> Result<()> {
        self.env.intrinsics[which as usize].set(Some(self.reference(value, 1)?));
        Ok(())
    }

    /// The kept value; `undefined` if there is none.
    pub fn intrinsic(self, which: Intrinsic) -> Result<Value<'s>> {
        match self.env.intrinsics[which as usize].get() {
            Some(reference) => self.dereference(reference),
            None => self.undefined(),
        }
    }

    /// Calls one of the functions that the environment has once, which needs no `this`.
    pub fn helper(self, which: Intrinsic, args: &[Value<'_>]) -> Result<Value<'s>> {
        let function = self.intrinsic(which)?;
        self.call(function, function, args)
    }
}

struct Kept {
    env: Rc<Env>,
    reference: sys::napi_ref,
    form: Form,
}

/// How a value is referred to.
enum Form {
    Itself,
    InArray,
    /// Weakly; and whether this package made it. It cannot become so later.
    Hung {
        is_ours: bool,
    },
}

impl Drop for Kept {
    fn drop(&mut self) {
        // A weak one is held by what ends with the environment, or by finalizers that run after its hooks.
        if self.env.is_alive() || matches!(self.form, Form::Hung { .. }) {
            // SAFETY: this is the environment's thread, and this is the only holder of the reference.
            unsafe { sys::napi_delete_reference(self.env.raw, self.reference) };
        }
    }
}

/// A JavaScript value that outlives the scope it came from. Cheap to clone.
#[derive(Clone)]
pub struct Persistent(Rc<Kept>);

impl Persistent {
    /// The value, in `scope`.
    pub fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        let referred = scope.dereference(self.0.reference)?;
        match self.0.form {
            Form::InArray => scope.element(referred, 0),
            Form::Hung { .. } if referred.0.is_null() => Err(Error::new(
                ErrorKind::Internal,
                "reach an adapter",
                "no call of its owner is running",
            )),
            Form::Itself | Form::Hung { .. } => Ok(referred),
        }
    }

    /// The native half of the object; see [`Scope::native_of`].
    pub fn native<T: 'static>(&self) -> Result<Option<Rc<T>>> {
        match self.0.form {
            Form::InArray | Form::Hung { is_ours: false } => Ok(None),
            _ => self
                .env()
                .scope(|scope| scope.native_of(self.value(scope)?)),
        }
    }

    /// How many bytes it has; see [`Scope::byte_length`].
    pub fn byte_length(&self) -> Result<Option<u64>> {
        self.env()
            .scope(|scope| Ok(scope.byte_length(self.value(scope)?)))
    }

    /// The environment it lives in.
    pub fn env(&self) -> &Rc<Env> {
        &self.0.env
    }
}

impl fmt::Debug for Persistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Persistent")
    }
}

/// A value that JavaScript threw. Its error may go to other threads; the value itself stays where it is.
#[derive(Debug)]
pub struct Thrown {
    value: Option<SendWrapper<Persistent>>,
    env: Arc<Remote>,
    message: String,
}

impl Drop for Thrown {
    fn drop(&mut self) {
        if let Some(value) = self.value.take().filter(|value| !value.valid()) {
            self.env.drop_there(value);
        }
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Thrown {}

impl Thrown {
    /// A value that was thrown, as the cause of an error.
    pub fn new(value: Persistent) -> Self {
        let message = value.env().clone().scope(|scope| message_of(scope, &value));
        Self {
            env: Arc::clone(&value.env().remote),
            value: Some(SendWrapper::new(value)),
            message: message.unwrap_or_else(|_| "the app's code threw".to_owned()),
        }
    }

    /// The error of a value that was thrown, or that a promise was rejected with.
    pub fn kept(value: Persistent, operation: &str) -> Error {
        Error::foreign(operation.to_owned(), Self::new(value))
    }

    /// The same error, thrown in `operation`.
    pub fn rename(error: Error, operation: &impl fmt::Display) -> Error {
        match thrown_in(&error) {
            Some(value) => Self::kept(value, &operation.to_string()),
            None => error,
        }
    }
}

fn message_of(scope: Scope<'_>, value: &Persistent) -> Result<String> {
    let value = value.value(scope)?;
    let mut text = scope.as_string(value);
    if scope.is_object(value)? {
        text = scope.as_string(scope.get(value, "message")?);
    }
    Ok(text.unwrap_or_else(|| "the app's code threw something that is no error".to_owned()))
}

/// The value that the app's code threw, if that is what the error is about.
pub fn thrown_in(error: &Error) -> Option<Persistent> {
    let cause: &(dyn StdError + 'static) = error.cause()?;
    let thrown = cause.downcast_ref::<Thrown>()?;
    let value = thrown.value.as_ref().filter(|value| value.valid())?;
    Some(Persistent::clone(value))
}
