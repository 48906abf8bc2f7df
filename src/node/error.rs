//! Errors across the bridge.
//!
//! What the app's code throws stays the same object. What this package reports becomes an error of the
//! class that the app's entry knows, with `code`, `operation` and `cause`.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use send_wrapper::SendWrapper;

use super::value::{Env, Intrinsic, Kind, Persistent, Remote, Scope, Value};
use crate::error::{Error, ErrorKind, Result};

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
    /// The error of a value that was just thrown.
    pub fn error(scope: Scope<'_>, value: Value<'_>, operation: &'static str) -> Error {
        let kept = Env::of(scope).and_then(|env| env.keep(scope, value).ok());
        match kept {
            Some(kept) => Self::kept(kept, operation),
            None => Error::new(
                ErrorKind::Internal,
                operation,
                "an exception could not be kept",
            ),
        }
    }

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
    if scope.kind(value)? == Kind::Object {
        let message = scope.get_named(value, "message")?;
        if let Some(text) = scope.as_text(message) {
            return Ok(text.to_string());
        }
    }
    Ok(scope.as_text(value).map_or_else(
        || "the app's code threw something that is no error".to_owned(),
        |text| text.to_string(),
    ))
}

/// The value that the app's code threw, if that is what the error is about.
pub fn thrown_in(error: &Error) -> Option<Persistent> {
    let cause: &(dyn StdError + 'static) = error.cause()?;
    let thrown = cause.downcast_ref::<Thrown>()?;
    let value = thrown.value.as_ref().filter(|value| value.valid())?;
    Some(Persistent::clone(value))
}

/// The error as JavaScript sees it.
pub fn to_js<'s>(scope: Scope<'s>, env: &Rc<Env>, error: &Error) -> Result<Value<'s>> {
    if error.kind() == ErrorKind::Foreign
        && let Some(thrown) = thrown_in(error)
    {
        return thrown.value(scope);
    }
    let code = scope.text(error.kind().code())?;
    let before_message = match error.operation() {
        _ if error.says_its_operation() => "",
        operation => operation,
    };
    let before_message = scope.text(before_message)?;
    let message = scope.text(error.message())?;
    let cause = cause_to_js(scope, env, error)?;
    let more = more_to_js(scope, error)?;
    env.helper(
        scope,
        Intrinsic::Fault,
        &[code, before_message, message, cause, more],
    )
}

/// What an error says besides.
fn more_to_js<'s>(scope: Scope<'s>, error: &Error) -> Result<Value<'s>> {
    if error.network().is_none() && !error.says_its_operation() {
        return scope.undefined();
    }
    let more = scope.object()?;
    if error.says_its_operation() {
        scope.set_named(more, "operation", scope.text(error.operation())?)?;
    }
    if let Some(network) = error.network() {
        scope.set_named(more, "reason", scope.text(network.reason.name())?)?;
        scope.set_named(more, "retryable", scope.boolean(network.retryable)?)?;
        scope.set_named(more, "url", scope.text(&network.url)?)?;
        if let Some(status) = network.status {
            scope.set_named(more, "status", scope.number(status.into())?)?;
        }
        if let Some(code) = &network.peer_code {
            scope.set_named(more, "peerCode", scope.text(code)?)?;
        }
    }
    Ok(more)
}

/// The error as JavaScript sees it, whose stack is that of the call that it ends. What the app's own code
/// threw stays as it is.
pub fn to_js_of_call<'s>(
    scope: Scope<'s>,
    env: &Rc<Env>,
    error: &Error,
    called: &Persistent,
) -> Result<Value<'s>> {
    let seen = to_js(scope, env, error)?;
    if error.kind() == ErrorKind::Foreign && thrown_in(error).is_some() {
        return Ok(seen);
    }
    env.helper(scope, Intrinsic::Traced, &[seen, called.value(scope)?])
}

fn cause_to_js<'s>(scope: Scope<'s>, env: &Rc<Env>, error: &Error) -> Result<Value<'s>> {
    if let Some(thrown) = thrown_in(error) {
        return thrown.value(scope);
    }
    let Some(cause) = error.cause() else {
        return scope.undefined();
    };
    let cause: &(dyn StdError + 'static) = cause;
    match cause.downcast_ref::<Error>() {
        Some(error) => to_js(scope, env, error),
        None => scope.error(&cause.to_string()),
    }
}

/// A panic, caught at the bridge.
pub fn panicked(payload: &(dyn Any + Send)) -> Error {
    let what = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::new(
        ErrorKind::Internal,
        "sync engine",
        format!("a fault of @starkeep/sync-engine, please report it: {what}"),
    )
}

/// Says a warning through the `console` that the app's entry sees: a test runner may give each of its files
/// a global object of its own.
pub fn warn(env: &Rc<Env>, message: &str, error: Option<&Error>) {
    // If not even the console works, there is no way to tell.
    let _ = env.scope(|scope| {
        let text = scope.text(&format!("[starkeep sync] {message}"))?;
        match error {
            Some(error) => {
                let error = to_js(scope, env, error)?;
                env.helper(scope, Intrinsic::Warn, &[text, error])?
            }
            None => env.helper(scope, Intrinsic::Warn, &[text])?,
        };
        Ok(())
    });
}

/// An argument or option that cannot be used.
pub fn invalid(option: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, option.to_owned(), what)
}

/// The same, of a value that is not what it must be. `got` is from [`Scope::describe`] or, where the value may
/// be a secret, from [`Scope::describe_kind`].
pub fn must_be(option: &str, what: &str, got: &str) -> Error {
    let advice = if got == "a Promise" {
        ": await it first"
    } else {
        ""
    };
    invalid(option, &format!("must be {what}, got {got}{advice}"))
}

/// Says a warning the first time in this environment.
pub fn warn_once(env: &Rc<Env>, message: &str) {
    if env.warned.borrow_mut().insert(message.to_owned()) {
        warn(env, message, None);
    }
}
