//! Reading values.

use std::ffi::c_void;
use std::ptr;

use napi::sys;

use super::env::{Scope, Value};
use super::kind::Kind;
use crate::error::Result;
use crate::protocol::text::Text;

impl Scope<'_> {
    /// What the value is.
    pub fn kind(self, value: Value<'_>) -> Result<Kind> {
        let mut kind = 0;
        // SAFETY: the value lives in an open scope.
        self.check(unsafe { sys::napi_typeof(self.raw_env(), value.raw(), &raw mut kind) })?;
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
        let status =
            unsafe { sys::napi_get_value_double(self.raw_env(), value.raw(), &raw mut number) };
        (status == sys::Status::napi_ok).then_some(number)
    }

    /// The boolean, if it is one.
    pub fn as_boolean(self, value: Value<'_>) -> Option<bool> {
        let mut boolean = false;
        // SAFETY: as in `as_number`.
        let status =
            unsafe { sys::napi_get_value_bool(self.raw_env(), value.raw(), &raw mut boolean) };
        (status == sys::Status::napi_ok).then_some(boolean)
    }

    /// Whether `if (value)` would go in.
    pub fn is_truthy(self, value: Value<'_>) -> bool {
        let mut boolean = ptr::null_mut();
        // SAFETY: as in `as_number`; every value can be asked, and none of an app's code runs for it.
        let status =
            unsafe { sys::napi_coerce_to_bool(self.raw_env(), value.raw(), &raw mut boolean) };
        status == sys::Status::napi_ok && self.as_boolean(self.value(boolean)) == Some(true)
    }

    /// Hands the code units of a string to `read`, if the value is a string.
    pub fn with_units<R>(self, value: Value<'_>, read: impl FnOnce(&[u16]) -> R) -> Option<R> {
        let mut short = [0u16; 64];
        let mut length = 0;
        // SAFETY: napi writes at most `short.len()` units, the last a terminating zero.
        let status = unsafe {
            sys::napi_get_value_string_utf16(
                self.raw_env(),
                value.raw(),
                short.as_mut_ptr(),
                short.len(),
                &raw mut length,
            )
        };
        if status != sys::Status::napi_ok {
            return None;
        }
        if length + 1 < short.len() {
            return Some(read(&short[..length]));
        }
        // SAFETY: without a buffer napi answers the length, and then fills a buffer with room for it.
        unsafe {
            sys::napi_get_value_string_utf16(
                self.raw_env(),
                value.raw(),
                ptr::null_mut(),
                0,
                &raw mut length,
            );
            let mut long = vec![0u16; length + 1];
            sys::napi_get_value_string_utf16(
                self.raw_env(),
                value.raw(),
                long.as_mut_ptr(),
                long.len(),
                &raw mut length,
            );
            Some(read(&long[..length]))
        }
    }

    /// The string, if it is one.
    pub fn as_text(self, value: Value<'_>) -> Option<Text> {
        self.with_units(value, Text::from_units)
    }

    /// The bytes of a `Uint8Array`, a `Buffer` or another view of bytes.
    pub fn as_bytes(self, value: Value<'_>) -> Option<Vec<u8>> {
        let (data, length) = self.view(value)?;
        if length == 0 {
            return Some(Vec::new());
        }
        // SAFETY: napi gave `length` bytes at `data`, and they are copied before JavaScript runs again.
        Some(unsafe { std::slice::from_raw_parts(data, length) }.to_vec())
    }

    /// How many bytes a `Uint8Array`, a `Buffer` or another view of bytes has.
    pub fn byte_length(self, value: Value<'_>) -> Option<u64> {
        self.view(value).map(|(_, length)| length as u64)
    }

    fn view(self, value: Value<'_>) -> Option<(*const u8, usize)> {
        use sys::TypedarrayType as Type;
        let (kind, data, length) = self.typed_array(value)?;
        let bytes = [
            Type::uint8_array,
            Type::uint8_clamped_array,
            Type::int8_array,
        ];
        bytes.contains(&kind).then_some((data.cast(), length))
    }

    /// The numbers of a `Float64Array`; none of another value.
    pub fn doubles(self, value: Value<'_>) -> Vec<f64> {
        match self.typed_array(value) {
            Some((sys::TypedarrayType::float64_array, data, length)) if length > 0 => {
                // SAFETY: napi gave `length` numbers at `data`, aligned as typed arrays are, and they are copied
                // before JavaScript runs again.
                unsafe { std::slice::from_raw_parts(data.cast::<f64>(), length) }.to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// The type of a typed array, where its elements are, and how many.
    fn typed_array(self, value: Value<'_>) -> Option<(i32, *const c_void, usize)> {
        let (mut kind, mut length, mut data, mut buffer, mut offset) =
            (0, 0, ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: the value lives in an open scope; another type is a status.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                self.raw_env(),
                value.raw(),
                &raw mut kind,
                &raw mut length,
                &raw mut data,
                &raw mut buffer,
                &raw mut offset,
            )
        };
        (status == sys::Status::napi_ok).then_some((kind, data.cast_const(), length))
    }

    /// Whether the value is an array.
    pub fn is_array(self, value: Value<'_>) -> Result<bool> {
        let mut is = false;
        // SAFETY: the value lives in an open scope.
        self.check(unsafe { sys::napi_is_array(self.raw_env(), value.raw(), &raw mut is) })?;
        Ok(is)
    }

    /// The length of an array.
    pub fn length(self, array: Value<'_>) -> Result<u32> {
        let mut length = 0;
        // SAFETY: the value lives in an open scope; another type is a status.
        self.check(unsafe {
            sys::napi_get_array_length(self.raw_env(), array.raw(), &raw mut length)
        })?;
        Ok(length)
    }
}
