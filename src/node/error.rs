//! Errors across the bridge.
//!
//! What the app's code throws stays the same object. What this package reports becomes an error of the
//! class that the app's entry knows, with `code`, `operation` and `cause`.

use std::error::Error as StdError;
use std::rc::Rc;

use super::value::{Env, Intrinsic, Persistent, Scope, Value, thrown_in};
use crate::engine::ports::Log;
use crate::error::{Error, ErrorKind, Network, Result};

/// The error as JavaScript sees it.
pub fn to_js<'s>(scope: Scope<'s>, error: &Error) -> Result<Value<'s>> {
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
    let cause = cause_to_js(scope, error)?;
    // What it says besides.
    let mut more = error.network().map(Network::properties);
    if error.says_its_operation() {
        let more = more.get_or_insert_default();
        more.insert("operation".to_owned(), error.operation().into());
    }
    let more = match more {
        Some(more) => {
            let text = scope.text(&serde_json::Value::Object(more).to_string())?;
            scope.helper(Intrinsic::Parse, &[text])?
        }
        None => scope.undefined()?,
    };
    let parts = [code, before_message, message, cause, more];
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
        None => scope.error(&cause.to_string()),
    }
}

/// Says a warning through the `console` that the app's entry sees: a test runner may give each of its files
/// a global object of its own.
pub fn warn(env: &Rc<Env>, message: &str, error: Option<&Error>) {
    // If not even the console works, there is no way to tell.
    let _ = env.scope(|scope| {
        let text = scope.text(message)?;
        match error {
            Some(error) => {
                let error = to_js(scope, error)?;
                scope.helper(Intrinsic::Warn, &[text, error])?
            }
            None => scope.helper(Intrinsic::Warn, &[text])?,
        };
        Ok(())
    });
}

/// Warnings go to the app's `console`.
#[derive(Clone)]
pub struct Console(pub Rc<Env>);

impl Log for Console {
    fn warn(&self, message: &str, error: Option<&Error>) {
        warn(&self.0, message, error);
    }
}

/// An argument or option that cannot be used.
pub fn invalid(option: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, option.to_owned(), what)
}

/// Says a warning the first time in this environment.
pub fn warn_once(env: &Rc<Env>, message: &str) {
    // As above.
    let _ = env.scope(|scope| {
        scope
            .helper(Intrinsic::WarnOnce, &[scope.text(message)?])
            .map(drop)
    });
}
