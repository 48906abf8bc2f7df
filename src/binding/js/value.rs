//! Values and the scope they live in.

use std::marker::PhantomData;
use std::ptr;

use napi::sys;

use super::keys::Key;
use super::realm::Realm;
use crate::binding::error::Thrown;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::text::Text;

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

/// An open handle scope on the JS thread.
#[derive(Clone, Copy)]
pub struct Scope<'s> {
    env: sys::napi_env,
    life: PhantomData<&'s ()>,
}

macro_rules! make {
    ($scope:expr, $call:ident $(, $arg:expr)*) => {{
        let mut result = ptr::null_mut();
        // SAFETY: the scope is open, so the environment runs; the arguments live in it.
        $scope.check(unsafe { sys::$call($scope.env, $($arg,)* &raw mut result) })?;
        Ok(Value(result, PhantomData))
    }};
}

impl<'s> Scope<'s> {
    /// The scope that a callback from JavaScript runs in.
    pub fn of_callback(env: sys::napi_env) -> Self {
        Self {
            env,
            life: PhantomData,
        }
    }

    /// Opens a scope for `body`.
    pub fn open<R>(
        env: sys::napi_env,
        body: impl for<'inner> FnOnce(Scope<'inner>) -> Result<R>,
    ) -> Result<R> {
        let outer = Scope::of_callback(env);
        let mut handle = ptr::null_mut();
        // SAFETY: this is the JS thread; what is opened is closed below.
        outer.check(unsafe { sys::napi_open_handle_scope(env, &raw mut handle) })?;
        let result = body(Scope::of_callback(env));
        // SAFETY: the scope was opened above, and those opened in `body` are closed.
        let closed = outer.check(unsafe { sys::napi_close_handle_scope(env, handle) });
        result.and_then(|value| closed.map(|()| value))
    }

    /// For calls to napi.
    pub fn env(self) -> sys::napi_env {
        self.env
    }

    /// A value that napi gave in this scope.
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
            sys::napi_is_exception_pending(self.env, &raw mut pending);
            if pending {
                sys::napi_get_and_clear_last_exception(self.env, &raw mut thrown);
            }
        }
        if pending && !thrown.is_null() {
            return Thrown::error(self, self.value(thrown), "a call into JavaScript");
        }
        Error::new(
            ErrorKind::Internal,
            "a call into JavaScript",
            format!("Node-API answered with status {status}"),
        )
    }

    /// `globalThis`.
    pub fn global(self) -> Result<Value<'s>> {
        make!(self, napi_get_global)
    }
    /// `undefined`.
    pub fn undefined(self) -> Result<Value<'s>> {
        make!(self, napi_get_undefined)
    }
    /// `null`.
    pub fn null(self) -> Result<Value<'s>> {
        make!(self, napi_get_null)
    }
    /// A boolean.
    pub fn boolean(self, value: bool) -> Result<Value<'s>> {
        make!(self, napi_get_boolean, value)
    }
    /// A number.
    pub fn number(self, value: f64) -> Result<Value<'s>> {
        make!(self, napi_create_double, value)
    }
    /// A count.
    #[allow(clippy::cast_precision_loss, reason = "counts and timestamps are safe integers")]
    pub fn count(self, value: u64) -> Result<Value<'s>> {
        self.number(value as f64)
    }
    /// A string.
    pub fn text(self, text: &str) -> Result<Value<'s>> {
        make!(self, napi_create_string_utf8, text.as_ptr().cast(), text.len().cast_signed())
    }
    /// A string of any code units.
    pub fn string(self, text: &Text) -> Result<Value<'s>> {
        let units = text.units();
        make!(self, napi_create_string_utf16, units.as_ptr(), units.len().cast_signed())
    }
    /// `{}`.
    pub fn object(self) -> Result<Value<'s>> {
        make!(self, napi_create_object)
    }
    /// `[]`.
    pub fn array(self) -> Result<Value<'s>> {
        make!(self, napi_create_array)
    }
    /// A copy of bytes as a `Uint8Array`.
    pub fn bytes(self, bytes: &[u8]) -> Result<Value<'s>> {
        let mut data = ptr::null_mut();
        let mut buffer = ptr::null_mut();
        // SAFETY: napi makes a buffer of that length, and it is filled before anybody sees it.
        self.check(unsafe {
            sys::napi_create_arraybuffer(self.env, bytes.len(), &raw mut data, &raw mut buffer)
        })?;
        if !bytes.is_empty() {
            // SAFETY: `data` has room for `bytes.len()` bytes, and is not JavaScript's yet.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast(), bytes.len()) };
        }
        make!(self, napi_create_typedarray, sys::TypedarrayType::uint8_array, bytes.len(), buffer, 0)
    }

    /// What the value is.
    pub fn kind(self, value: Value<'_>) -> Result<Kind> {
        let mut kind = 0;
        // SAFETY: the value lives in an open scope.
        self.check(unsafe { sys::napi_typeof(self.env, value.0, &raw mut kind) })?;
        Ok(match kind {
            sys::ValueType::napi_undefined => Kind::Undefined,
            sys::ValueType::napi_null => Kind::Null,
            sys::ValueType::napi_boolean => Kind::Boolean,
            sys::ValueType::napi_number => Kind::Number,
            sys::ValueType::napi_string => Kind::String,
            sys::ValueType::napi_object => Kind::Object,
            sys::ValueType::napi_function => Kind::Function,
            _ => Kind::Other,
        })
    }

    /// Whether the value is `undefined` or `null`.
    pub fn is_nullish(self, value: Value<'_>) -> Result<bool> {
        Ok(matches!(self.kind(value)?, Kind::Undefined | Kind::Null))
    }

    /// The number, if it is one.
    pub fn as_number(self, value: Value<'_>) -> Option<f64> {
        let mut number = 0.0;
        // SAFETY: the value lives in an open scope; a wrong type is a status, not an exception.
        let status = unsafe { sys::napi_get_value_double(self.env, value.0, &raw mut number) };
        (status == sys::Status::napi_ok).then_some(number)
    }

    /// The boolean, if it is one.
    pub fn as_boolean(self, value: Value<'_>) -> Option<bool> {
        let mut boolean = false;
        // SAFETY: as in `as_number`.
        let status = unsafe { sys::napi_get_value_bool(self.env, value.0, &raw mut boolean) };
        (status == sys::Status::napi_ok).then_some(boolean)
    }

    /// Hands the code units of a string to `read`, if the value is a string.
    pub fn with_units<R>(self, value: Value<'_>, read: impl FnOnce(&[u16]) -> R) -> Option<R> {
        let mut short = [0u16; 64];
        let mut length = 0;
        // SAFETY: napi writes at most `short.len()` units, the last a terminating zero.
        let status = unsafe {
            sys::napi_get_value_string_utf16(self.env, value.0, short.as_mut_ptr(), short.len(), &raw mut length)
        };
        if status != sys::Status::napi_ok {
            return None;
        }
        if length + 1 < short.len() {
            return Some(read(&short[..length]));
        }
        // SAFETY: without a buffer napi answers the length, and then fills a buffer with room for it.
        unsafe {
            sys::napi_get_value_string_utf16(self.env, value.0, ptr::null_mut(), 0, &raw mut length);
            let mut long = vec![0u16; length + 1];
            sys::napi_get_value_string_utf16(self.env, value.0, long.as_mut_ptr(), long.len(), &raw mut length);
            Some(read(&long[..length]))
        }
    }

    /// The string, if it is one.
    pub fn as_text(self, value: Value<'_>) -> Option<Text> {
        self.with_units(value, Text::from_units)
    }

    /// The bytes of a `Uint8Array`, a `Buffer` or another view of bytes.
    pub fn as_bytes(self, value: Value<'_>) -> Option<Vec<u8>> {
        let mut is_view = false;
        // SAFETY: the value lives in an open scope.
        unsafe { sys::napi_is_typedarray(self.env, value.0, &raw mut is_view) };
        if !is_view {
            return None;
        }
        let (mut kind, mut length, mut data, mut buffer, mut offset) = (0, 0, ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: it is a typed array; the bytes are copied before JavaScript runs again.
        let status = unsafe {
            sys::napi_get_typedarray_info(self.env, value.0, &raw mut kind, &raw mut length, &raw mut data, &raw mut buffer, &raw mut offset)
        };
        let is_bytes = matches!(kind, sys::TypedarrayType::uint8_array | sys::TypedarrayType::uint8_clamped_array | sys::TypedarrayType::int8_array);
        if status != sys::Status::napi_ok || !is_bytes {
            return None;
        }
        if length == 0 {
            return Some(Vec::new());
        }
        // SAFETY: napi gave `length` bytes at `data`.
        Some(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) }.to_vec())
    }

    /// The first `length` numbers of a `Float64Array`, copied.
    pub fn doubles(self, value: Value<'_>, length: usize) -> Result<Vec<f64>> {
        let (mut kind, mut there, mut data, mut buffer, mut offset) = (0, 0, ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: the value lives in an open scope; another type is a status.
        self.check(unsafe {
            sys::napi_get_typedarray_info(self.env, value.0, &raw mut kind, &raw mut there, &raw mut data, &raw mut buffer, &raw mut offset)
        })?;
        if kind != sys::TypedarrayType::float64_array || there < length || length == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: napi gave `there` numbers at `data`, aligned as typed arrays are.
        Ok(unsafe { std::slice::from_raw_parts(data.cast::<f64>(), length) }.to_vec())
    }

    /// Whether the value is an array.
    pub fn is_array(self, value: Value<'_>) -> Result<bool> {
        let mut is = false;
        // SAFETY: the value lives in an open scope.
        self.check(unsafe { sys::napi_is_array(self.env, value.0, &raw mut is) })?;
        Ok(is)
    }

    /// Whether the value is a promise.
    pub fn is_promise(self, value: Value<'_>) -> Result<bool> {
        let mut is = false;
        // SAFETY: the value lives in an open scope.
        self.check(unsafe { sys::napi_is_promise(self.env, value.0, &raw mut is) })?;
        Ok(is)
    }

    /// The length of an array.
    pub fn length(self, array: Value<'_>) -> Result<u32> {
        let mut length = 0;
        // SAFETY: the value lives in an open scope; another type is a status.
        self.check(unsafe { sys::napi_get_array_length(self.env, array.0, &raw mut length) })?;
        Ok(length)
    }

    /// `array[index]`.
    pub fn element(self, array: Value<'_>, index: u32) -> Result<Value<'s>> {
        make!(self, napi_get_element, array.0, index)
    }

    /// `array[index] = value`.
    pub fn set_element(self, array: Value<'_>, index: u32, value: Value<'_>) -> Result<()> {
        // SAFETY: the values live in open scopes.
        self.check(unsafe { sys::napi_set_element(self.env, array.0, index, value.0) })
    }

    /// `object[name]`.
    pub fn property(self, object: Value<'_>, name: Value<'_>) -> Result<Value<'s>> {
        make!(self, napi_get_property, object.0, name.0)
    }

    /// `object[key]`.
    pub fn get(self, realm: &Realm, object: Value<'_>, key: Key) -> Result<Value<'s>> {
        self.property(object, realm.key(self, key)?)
    }

    /// `object[name]`.
    pub fn get_named(self, object: Value<'_>, name: &str) -> Result<Value<'s>> {
        self.property(object, self.text(name)?)
    }

    /// Makes `name` an own property, whatever name it is: `__proto__` is a name like any other.
    pub fn define(self, object: Value<'_>, name: Value<'_>, value: Value<'_>) -> Result<()> {
        self.define_with(object, name, value, sys::PropertyAttributes::writable | sys::PropertyAttributes::enumerable | sys::PropertyAttributes::configurable)
    }

    /// Makes `name` an own property that loops over the object do not meet.
    pub fn define_hidden(self, object: Value<'_>, name: &str, value: Value<'_>) -> Result<()> {
        self.define_with(object, self.text(name)?, value, sys::PropertyAttributes::writable | sys::PropertyAttributes::configurable)
    }

    fn define_with(self, object: Value<'_>, name: Value<'_>, value: Value<'_>, attributes: sys::napi_property_attributes) -> Result<()> {
        let descriptor = sys::napi_property_descriptor {
            utf8name: ptr::null(),
            name: name.0,
            method: None,
            getter: None,
            setter: None,
            value: value.0,
            attributes,
            data: ptr::null_mut(),
        };
        // SAFETY: one descriptor, whose values live in open scopes.
        self.check(unsafe { sys::napi_define_properties(self.env, object.0, 1, &raw const descriptor) })
    }

    /// `object[key] = value`, on an object of our own.
    pub fn set(self, realm: &Realm, object: Value<'_>, key: Key, value: Value<'_>) -> Result<()> {
        let name = realm.key(self, key)?;
        // SAFETY: the values live in open scopes.
        self.check(unsafe { sys::napi_set_property(self.env, object.0, name.0, value.0) })
    }

    /// `object[name] = value`, on an object of our own.
    pub fn set_named(self, object: Value<'_>, name: &str, value: Value<'_>) -> Result<()> {
        self.define(object, self.text(name)?, value)
    }

    /// Whether the object has `name` itself.
    pub fn has_own(self, object: Value<'_>, name: Value<'_>) -> Result<bool> {
        let mut has = false;
        // SAFETY: the values live in open scopes.
        self.check(unsafe { sys::napi_has_own_property(self.env, object.0, name.0, &raw mut has) })?;
        Ok(has)
    }

    /// The own enumerable names of an object, as an array of strings.
    pub fn own_names(self, object: Value<'_>) -> Result<Value<'s>> {
        make!(
            self,
            napi_get_all_property_names,
            object.0,
            sys::KeyCollectionMode::own_only,
            sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols,
            sys::KeyConversion::numbers_to_strings
        )
    }

    /// Calls a function.
    pub fn call(self, this: Value<'_>, function: Value<'_>, args: &[Value<'_>]) -> Result<Value<'s>> {
        // SAFETY: `Value` is a `napi_value` and nothing else, so the slices are laid out alike.
        make!(self, napi_call_function, this.0, function.0, args.len(), args.as_ptr().cast())
    }

    /// `new constructor(...args)`.
    pub fn construct(self, constructor: Value<'_>, args: &[Value<'_>]) -> Result<Value<'s>> {
        // SAFETY: as in `call`.
        make!(self, napi_new_instance, constructor.0, args.len(), args.as_ptr().cast())
    }

    /// A new `Error`.
    pub fn error(self, message: &str) -> Result<Value<'s>> {
        make!(self, napi_create_error, ptr::null_mut(), self.text(message)?.0)
    }

    /// Throws a value when the callback returns.
    pub fn throw(self, value: Value<'_>) {
        // SAFETY: the value lives in an open scope.
        unsafe { sys::napi_throw(self.env, value.0) };
    }

    /// A strong reference. It lives as long as the environment.
    pub fn reference(self, value: Value<'_>) -> Result<sys::napi_ref> {
        let mut reference = ptr::null_mut();
        // SAFETY: the value lives in an open scope and is an object.
        self.check(unsafe { sys::napi_create_reference(self.env, value.0, 1, &raw mut reference) })?;
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
        self.check(unsafe { sys::napi_create_promise(self.env, &raw mut deferred, &raw mut promise) })?;
        Ok((deferred, self.value(promise)))
    }

    /// Settles a promise; a deferred is used up by it.
    pub fn settle(self, deferred: sys::napi_deferred, outcome: std::result::Result<Value<'_>, Value<'_>>) -> Result<()> {
        // SAFETY: the caller gives up the deferred.
        self.check(unsafe {
            match outcome {
                Ok(value) => sys::napi_resolve_deferred(self.env, deferred, value.0),
                Err(reason) => sys::napi_reject_deferred(self.env, deferred, reason.0),
            }
        })
    }
}
