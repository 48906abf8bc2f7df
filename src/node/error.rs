//! Errors across the bridge.
//!
//! What the app's code throws stays the same object. What this package reports becomes an error of the
//! class that the app's entry knows, with `code`, `operation` and `cause`.

use std::error::Error as StdError;
use std::rc::Rc;

use super::value::{Env, Intrinsic, Persistent, Scope, Value, thrown_in};
use crate::error::{Error, ErrorKind, Result, one_line};

/// The error as JavaScript sees it.
pub fn to_js<'s>(scope: Scope<'s>, error: &Error) -> Result<Value<'s>> {
    if error.kind() == ErrorKind::Foreign
        && let Some(thrown) = thrown_in(error)
    {
        return thrown.value(scope);
    }
    let said = scope.text(&error.to_json().to_string())?;
    let parts = [said, cause_to_js(scope, error)?];
    scope.helper(Intrinsic::Fault, &parts)
}

/// The error as JavaScript sees it, whose stack is that of the call that it ends. What the app's own code
/// threw stays as it is.
pub fn to_js_of_call<'s>(
    scope: Scope<'s>,
    error: &Error,
    called: &Persistent,
) -> Result<Value<'s>> {
    let seen = to_js(scope, error)?;
    if error.kind() == ErrorKind::Foreign && thrown_in(error).is_some() {
        return Ok(seen);
    }
    scope.helper(Intrinsic::Traced, &[seen, called.value(scope)?])
}

fn cause_to_js<'s>(scope: Scope<'s>, error: &Error) -> Result<Value<'s>> {
    if let Some(thrown) = thrown_in(error) {
        return thrown.value(scope);
    }
    let Some(cause) = error.cause() else {
        return scope.undefined();
    };
    let cause: &(dyn StdError + 'static) = cause;
    match cause.downcast_ref::<Error>() {
        Some(error) => to_js(scope, error),
        None => scope.error(&one_line(cause.to_string())),
    }
}

/// Says a warning through the `console` that the app's entry sees: a test runner may give each of its files
/// a global object of its own.
pub fn warn(env: &Rc<Env>, message: &str, error: Option<&Error>) {
    say(env, Intrinsic::Warn, message, error);
}

/// Says a warning the first time in this environment.
pub fn warn_once(env: &Rc<Env>, message: &str) {
    say(env, Intrinsic::WarnOnce, message, None);
}

fn say(env: &Rc<Env>, how: Intrinsic, message: &str, error: Option<&Error>) {
    // If not even the console works, there is no way to tell.
    let _ = env.scope(|scope| {
        let mut words = vec![scope.text(&one_line(message.to_owned()))?];
        if let Some(error) = error {
            words.push(to_js(scope, error)?);
        }
        scope.helper(how, &words).map(drop)
    });
}

/// An argument or option that cannot be used.
pub fn invalid(option: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, option.to_owned(), what)
}
