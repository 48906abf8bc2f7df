//! What a value is, in a few words, for the messages of errors.

use std::ptr;

use napi::sys;

use super::env::{Scope, Value};
use super::kind::Kind;

/// Longer strings, in code units, are not shown whole.
const SHOWN: usize = 40;

impl Scope<'_> {
    /// The value, if it is short, or what kind of value it is. Not for what may be a secret, such as a
    /// header: see [`Self::describe_kind`].
    pub fn describe(self, value: Value<'_>) -> String {
        if let Some(number) = self.as_number(value) {
            return written(number);
        }
        self.as_text(value)
            .filter(|text| text.units().len() <= SHOWN)
            .map_or_else(|| self.describe_kind(value), |text| format!("{text:?}"))
    }

    /// The same, but of a string or number only that it is one. Runs no code of the app's.
    pub fn describe_kind(self, value: Value<'_>) -> String {
        let known = match self.kind(value) {
            Ok(Kind::Undefined) => "undefined",
            Ok(Kind::Null) => "null",
            Ok(Kind::Boolean) if self.as_boolean(value) == Some(true) => "true",
            Ok(Kind::Boolean) => "false",
            Ok(Kind::Number) => "a number",
            Ok(Kind::String) => "a string",
            Ok(Kind::Function) => "a function",
            Ok(Kind::Object) if self.is_promise(value) => "a Promise",
            Ok(Kind::Object) if self.is_array(value).unwrap_or(false) => "an array",
            Ok(Kind::Object) => "an object",
            Ok(Kind::Other) | Err(_) => return self.describe_other(value),
        };
        known.to_owned()
    }

    /// Whether the value is a promise of the language, of whichever global object.
    pub fn is_promise(self, value: Value<'_>) -> bool {
        let mut is = false;
        // SAFETY: the value lives in an open scope.
        let status =
            unsafe { sys::napi_is_promise(self.raw_env(), value.raw(), ptr::from_mut(&mut is)) };
        status == sys::Status::napi_ok && is
    }

    /// `a === b`.
    pub fn is_same(self, a: Value<'_>, b: Value<'_>) -> bool {
        let mut same = false;
        // SAFETY: the values live in open scopes.
        let status = unsafe {
            sys::napi_strict_equals(self.raw_env(), a.raw(), b.raw(), ptr::from_mut(&mut same))
        };
        status == sys::Status::napi_ok && same
    }

    fn describe_other(self, value: Value<'_>) -> String {
        let mut kind = 0;
        // SAFETY: the value lives in an open scope.
        unsafe { sys::napi_typeof(self.raw_env(), value.raw(), ptr::from_mut(&mut kind)) };
        let known = match kind {
            sys::ValueType::napi_symbol => "a symbol",
            sys::ValueType::napi_bigint => "a bigint",
            _ => "something else",
        };
        known.to_owned()
    }
}

/// A number as JavaScript writes it, but for its exponents.
fn written(number: f64) -> String {
    if number.is_finite() {
        let is_long = number != 0.0 && !(1e-6..1e21).contains(&number.abs());
        return if is_long {
            format!("{number:e}")
        } else {
            number.to_string()
        };
    }
    let name = match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    name.to_owned()
}
