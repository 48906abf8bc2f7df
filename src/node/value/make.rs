//! Values that this package makes, and what it does with objects.

use std::ffi::CString;
use std::ptr;

use napi::sys;

use super::env::{Scope, Value};
use super::intrinsics::Intrinsic;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::text::Text;

/// Calls a function of Node-API that writes what it answers into its last argument.
macro_rules! ask {
    ($scope:expr, $call:ident($($arg:expr),*), $out:expr) => {{
        let mut out = $out;
        // SAFETY: the scope is open, so the environment runs; the arguments live in it.
        $scope.check(unsafe { sys::$call($scope.raw_env(), $($arg,)* &raw mut out) }).map(|()| out)
    }};
}

/// The same where the answer is a value.
macro_rules! make {
    ($scope:expr, $call:ident($($arg:expr),*)) => {
        ask!($scope, $call($($arg),*), ptr::null_mut()).map(|made| $scope.value(made))
    };
}

pub(super) use ask;

/// Methods of a scope that answer the value which a function of Node-API makes of these arguments.
macro_rules! makers {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) = $call:ident($($given:expr),*);)*) => {
        impl<'s> Scope<'s> {
            $($(#[$doc])* pub fn $name(self, $($arg: $type),*) -> Result<Value<'s>> {
                make!(self, $call($($given),*))
            })*
        }
    };
}

makers! {
    /// `undefined`.
    undefined() = napi_get_undefined();
    /// `null`.
    null() = napi_get_null();
    /// A boolean.
    boolean(value: bool) = napi_get_boolean(value);
    /// A number.
    number(value: f64) = napi_create_double(value);
    /// A string.
    text(text: &str) = napi_create_string_utf8(text.as_ptr().cast(), text.len().cast_signed());
    /// A string of any code units.
    string(text: &Text) =
        napi_create_string_utf16(text.units().as_ptr(), text.units().len().cast_signed());
    /// `{}`.
    object() = napi_create_object();
    /// `[]`.
    array() = napi_create_array();
    /// `array[index]`.
    element(array: Value<'_>, index: u32) = napi_get_element(array.raw(), index);
    /// `object[name]`.
    property(object: Value<'_>, name: Value<'_>) = napi_get_property(object.raw(), name.raw());
}

/// An array of what `make` makes of each item, each in a scope of its own.
pub fn list<'s, T>(
    scope: Scope<'s>,
    items: impl IntoIterator<Item = T>,
    make: impl for<'i> Fn(Scope<'i>, T) -> Result<Value<'i>>,
) -> Result<Value<'s>> {
    let list = scope.array()?;
    for (index, item) in (0u32..).zip(items) {
        scope.nested(|scope| scope.set_element(list, index, make(scope, item)?))?;
    }
    Ok(list)
}

impl<'s> Scope<'s> {
    /// A count.
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts and timestamps are safe integers"
    )]
    pub fn count(self, value: u64) -> Result<Value<'s>> {
        self.number(value as f64)
    }
    /// An object with these properties.
    pub fn object_of(self, fields: &[(&str, Value<'_>)]) -> Result<Value<'s>> {
        let object = self.object()?;
        for (name, value) in fields {
            self.set(object, name, *value)?;
        }
        Ok(object)
    }
    /// A copy of bytes as a `Buffer`, which is a `Uint8Array` too.
    pub fn buffer(self, bytes: &[u8]) -> Result<Value<'s>> {
        let (mut copy, length) = (ptr::null_mut(), bytes.len());
        let start = bytes.as_ptr().cast();
        make!(self, napi_create_buffer_copy(length, start, &raw mut copy))
    }
    /// A copy of bytes as a `Uint8Array`.
    pub fn bytes(self, bytes: &[u8]) -> Result<Value<'s>> {
        let (mut data, length) = (ptr::null_mut(), bytes.len());
        let buffer = make!(self, napi_create_arraybuffer(length, &raw mut data))?;
        if length > 0 {
            // SAFETY: `data` has room for `length` bytes, and is not JavaScript's yet.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast(), length) };
        }
        let kind = sys::TypedarrayType::uint8_array;
        make!(self, napi_create_typedarray(kind, length, buffer.raw(), 0))
    }
    /// What a function answers that answers nothing. Good for nothing else.
    pub fn nothing(self) -> Value<'s> {
        self.value(ptr::null_mut())
    }

    /// `array[index] = value`.
    pub fn set_element(self, array: Value<'_>, index: u32, value: Value<'_>) -> Result<()> {
        // SAFETY: the values live in open scopes.
        self.check(unsafe {
            sys::napi_set_element(self.raw_env(), array.raw(), index, value.raw())
        })
    }
    /// `object[name]`. V8 looks a name that ends with a zero up among those that it knows, where a string that is made for
    /// it would be another one first.
    pub fn get(self, object: Value<'_>, name: &str) -> Result<Value<'s>> {
        match CString::new(name) {
            Ok(name) => make!(self, napi_get_named_property(object.raw(), name.as_ptr())),
            Err(_) => self.property(object, self.text(name)?),
        }
    }
    /// The same of several names, in their order.
    pub fn pick<const N: usize>(
        self,
        object: Value<'_>,
        names: [&str; N],
    ) -> Result<[Value<'s>; N]> {
        let mut picked = [object.raw(); N].map(|raw| self.value(raw));
        for (place, name) in picked.iter_mut().zip(names) {
            *place = self.get(object, name)?;
        }
        Ok(picked)
    }
    /// Gives an object of our own a property. To define one takes several times as long as to set it, and only one
    /// name makes a difference.
    pub fn set(self, object: Value<'_>, name: &str, value: Value<'_>) -> Result<()> {
        let Some(short) = CString::new(name).ok().filter(|_| name != "__proto__") else {
            let args = [object, self.text(name)?, value];
            return self.helper(Intrinsic::SetOwn, &args).map(drop);
        };
        // SAFETY: the values live in open scopes, and the name is there until the call is over.
        self.check(unsafe {
            sys::napi_set_named_property(self.raw_env(), object.raw(), short.as_ptr(), value.raw())
        })
    }
    /// Makes `name` an own property that loops over the object do not meet.
    pub fn define_hidden(self, object: Value<'_>, name: &str, value: Value<'_>) -> Result<()> {
        let args = [object, self.text(name)?, value];
        self.helper(Intrinsic::Hide, &args).map(drop)
    }
    /// Calls a function.
    pub fn call(
        self,
        this: Value<'_>,
        function: Value<'_>,
        args: &[Value<'_>],
    ) -> Result<Value<'s>> {
        let (this, function) = (this.raw(), function.raw());
        // `Value` is a `napi_value` and nothing else, so the slices are laid out alike.
        let (count, args) = (args.len(), args.as_ptr().cast());
        make!(self, napi_call_function(this, function, count, args))
    }
    /// `object[name](...args)`
    pub fn invoke(self, object: Value<'_>, name: &str, args: &[Value<'_>]) -> Result<Value<'s>> {
        self.call(object, self.get(object, name)?, args)
    }
    /// A new `Error`.
    pub fn error(self, message: &str) -> Result<Value<'s>> {
        let message = self.text(message)?.raw();
        make!(self, napi_create_error(ptr::null_mut(), message))
    }
    /// Throws a value when the callback returns.
    pub fn throw(self, value: Value<'_>) {
        // SAFETY: the value lives in an open scope.
        unsafe { sys::napi_throw(self.raw_env(), value.raw()) };
    }
    /// A promise, and the way to settle it.
    pub fn promise(self) -> Result<(sys::napi_deferred, Value<'s>)> {
        let mut deferred = ptr::null_mut();
        let promise = make!(self, napi_create_promise(&raw mut deferred))?;
        Ok((deferred, promise))
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

    /// The error of an argument or option that is not `what` it must be; it shows the value, if that is short.
    pub fn must_be(self, option: &str, what: &str, value: Value<'_>) -> Error {
        self.unfit(option, what, value, false)
    }
    /// The same, but of the value it shows only of what kind it is: it may be a secret.
    pub fn must_be_some(self, option: &str, what: &str, value: Value<'_>) -> Error {
        self.unfit(option, what, value, true)
    }
    fn unfit(self, option: &str, what: &str, value: Value<'_>, hides: bool) -> Error {
        let got = self.describe(value, hides).unwrap_or_default();
        let is_promise = got == "a Promise";
        let advice = if is_promise { ": await it first" } else { "" };
        let what = format!("must be {what}, got {got}{advice}");
        Error::new(ErrorKind::InvalidArgument, option.to_owned(), what)
    }
    /// What a value is, in a few words. Runs no code of the app's.
    pub fn describe(self, value: Value<'_>, hides: bool) -> Result<String> {
        let args = [value, self.boolean(hides)?];
        let got = self.helper(Intrinsic::Describe, &args)?;
        Ok(self.as_string(got).unwrap_or_default())
    }
}
