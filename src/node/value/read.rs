//! Reading values.

use std::cell::Cell;
use std::ptr;

use napi::sys;

use super::scope::{Kind, Scope, Value};
use crate::error::Result;
use crate::protocol::text::Text;

impl<'s> Scope<'s> {
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
        let mut is_view = false;
        // SAFETY: the value lives in an open scope.
        unsafe { sys::napi_is_typedarray(self.raw_env(), value.raw(), &raw mut is_view) };
        if !is_view {
            return None;
        }
        let (mut kind, mut length, mut data, mut buffer, mut offset) =
            (0, 0, ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: it is a typed array.
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
        let is_bytes = matches!(
            kind,
            sys::TypedarrayType::uint8_array
                | sys::TypedarrayType::uint8_clamped_array
                | sys::TypedarrayType::int8_array
        );
        if status != sys::Status::napi_ok || !is_bytes {
            return None;
        }
        Some((data.cast::<u8>().cast_const(), length))
    }

    /// The numbers of a `Float64Array`, where they are.
    pub fn doubles(self, value: Value<'s>) -> Result<&'s [Cell<f64>]> {
        // SAFETY: a cell is laid out as what it holds.
        unsafe { self.elements(value, sys::TypedarrayType::float64_array) }
    }

    /// The code units of a `Uint16Array`, where they are.
    pub fn units(self, value: Value<'s>) -> Result<&'s [Cell<u16>]> {
        // SAFETY: as in `doubles`.
        unsafe { self.elements(value, sys::TypedarrayType::uint16_array) }
    }

    /// The elements of a typed array of `wanted`, which has to be the type of `T`. Another has none.
    unsafe fn elements<T>(
        self,
        value: Value<'s>,
        wanted: sys::napi_typedarray_type,
    ) -> Result<&'s [Cell<T>]> {
        let (mut kind, mut length, mut data, mut buffer, mut offset) =
            (0, 0, ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: the value lives in an open scope; another type is a status.
        self.check(unsafe {
            sys::napi_get_typedarray_info(
                self.raw_env(),
                value.raw(),
                &raw mut kind,
                &raw mut length,
                &raw mut data,
                &raw mut buffer,
                &raw mut offset,
            )
        })?;
        if kind != wanted || length == 0 {
            return Ok(&[]);
        }
        // SAFETY: napi gave `length` elements at `data`, aligned as typed arrays are, and the scope keeps
        // the array. Cells may change under whoever holds them.
        Ok(unsafe { std::slice::from_raw_parts(data.cast::<Cell<T>>().cast_const(), length) })
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
