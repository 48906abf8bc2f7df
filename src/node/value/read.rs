//! Reading values.

use std::ffi::c_void;
use std::ptr;

use napi::{ValueType as Kind, sys};

use super::env::{Scope, Value};
use super::make::ask;
use crate::error::Result;
use crate::protocol::text::Text;

/// Calls a function of Node-API that writes what it answers into its last argument, and fails without throwing for a
/// value of another type.
macro_rules! probe {
    ($scope:expr, $call:ident($($arg:expr),*), $out:expr) => {{
        let mut out = $out;
        // SAFETY: the value lives in an open scope; a wrong type is a status, not an exception.
        let status = unsafe { sys::$call($scope.raw_env(), $($arg,)* &raw mut out) };
        (status == sys::Status::napi_ok).then_some(out)
    }};
}

impl<'s> Scope<'s> {
    /// What `typeof` says, with `null` apart.
    pub fn kind(self, value: Value<'_>) -> Result<Kind> {
        ask!(self, napi_typeof(value.raw()), 0).map(Kind::from)
    }

    /// Whether the value is `undefined` or `null`.
    pub fn is_nullish(self, value: Value<'_>) -> Result<bool> {
        Ok(matches!(self.kind(value)?, Kind::Undefined | Kind::Null))
    }

    /// Whether the value is an object or a function.
    pub fn is_object(self, value: Value<'_>) -> Result<bool> {
        Ok(matches!(self.kind(value)?, Kind::Object | Kind::Function))
    }

    /// Whether the value is an array.
    pub fn is_array(self, value: Value<'_>) -> Result<bool> {
        ask!(self, napi_is_array(value.raw()), false)
    }

    /// `a === b`.
    pub fn is_same(self, a: Value<'_>, b: Value<'_>) -> bool {
        probe!(self, napi_strict_equals(a.raw(), b.raw()), false) == Some(true)
    }

    /// Whether `if (value)` would go in.
    pub fn is_truthy(self, value: Value<'_>) -> bool {
        let boolean = probe!(self, napi_coerce_to_bool(value.raw()), ptr::null_mut());
        boolean.and_then(|boolean| self.as_boolean(self.value(boolean))) == Some(true)
    }

    /// The number, if it is one.
    pub fn as_number(self, value: Value<'_>) -> Option<f64> {
        probe!(self, napi_get_value_double(value.raw()), 0.0)
    }

    /// The boolean, if it is one.
    pub fn as_boolean(self, value: Value<'_>) -> Option<bool> {
        probe!(self, napi_get_value_bool(value.raw()), false)
    }

    /// What `read` makes of the code units of a string, if the value is a string. Most are short, and read by one call.
    fn units<R>(self, value: Value<'_>, read: impl FnOnce(&[u16]) -> R) -> Option<R> {
        let mut short = [0; 64];
        let mut long = Vec::new();
        let mut units = &mut short[..];
        loop {
            let (start, room) = (units.as_mut_ptr(), units.len());
            // No more is written than there is room for, the last a terminating zero.
            let length = probe!(
                self,
                napi_get_value_string_utf16(value.raw(), start, room),
                0
            )?;
            if length + 1 < room {
                return units.get(..length).map(read);
            }
            let (whole, none) = (value.raw(), ptr::null_mut());
            long.resize(
                probe!(self, napi_get_value_string_utf16(whole, none, 0), 0)? + 2,
                0,
            );
            units = &mut long;
        }
    }

    /// The string, if it is one.
    pub fn as_text(self, value: Value<'_>) -> Option<Text> {
        self.units(value, Text::from_units)
    }

    /// The same as UTF-8; what that cannot express is replaced.
    pub fn as_string(self, value: Value<'_>) -> Option<String> {
        self.units(value, String::from_utf16_lossy)
    }

    /// The string that an object has under `name`; none of what is no object.
    pub fn string_in(self, value: Value<'_>, name: &str) -> Result<Option<String>> {
        Ok(match self.kind(value)? {
            Kind::Object => self.as_string(self.get(value, name)?),
            _ => None,
        })
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

    /// The first numbers of a `Float64Array`, at most `most`; none of another value.
    pub fn doubles(self, value: Value<'_>, most: usize) -> Vec<f64> {
        match self.typed_array(value) {
            Some((sys::TypedarrayType::float64_array, data, length)) if length > 0 => {
                // SAFETY: napi gave `length` numbers at `data`, aligned as typed arrays are, and they are copied
                // before JavaScript runs again.
                let numbers = unsafe { std::slice::from_raw_parts(data.cast::<f64>(), length) };
                numbers[..length.min(most)].to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// The type of a typed array, where its elements are, and how many.
    fn typed_array(self, value: Value<'_>) -> Option<(i32, *const c_void, usize)> {
        let (mut kind, mut length, mut data, mut buffer) = (0, 0, ptr::null_mut(), ptr::null_mut());
        probe!(
            self,
            napi_get_typedarray_info(
                value.raw(),
                &raw mut kind,
                &raw mut length,
                &raw mut data,
                &raw mut buffer
            ),
            0
        )?;
        Some((kind, data.cast_const(), length))
    }

    /// The length of an array.
    pub fn length(self, array: Value<'_>) -> Result<u32> {
        ask!(self, napi_get_array_length(array.raw()), 0)
    }

    /// The elements of an array, in this scope.
    pub fn elements(self, array: Value<'_>) -> Result<Vec<Value<'s>>> {
        let elements = 0..self.length(array)?;
        elements.map(|index| self.element(array, index)).collect()
    }

    /// What `read` makes of each element of an array, each in a scope of its own.
    pub fn each<T>(
        self,
        array: Value<'_>,
        mut read: impl for<'e> FnMut(Scope<'e>, Value<'e>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let elements = 0..self.length(array)?;
        elements
            .map(|index| self.nested(|scope| read(scope, scope.element(array, index)?)))
            .collect()
    }
}
