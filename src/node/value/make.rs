//! Values that this package makes.

use std::ptr;

use napi::sys;

use super::env::{Scope, Value};
use super::kind::make;
use crate::error::Result;
use crate::protocol::text::Text;

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
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts and timestamps are safe integers"
    )]
    pub fn count(self, value: u64) -> Result<Value<'s>> {
        self.number(value as f64)
    }
    /// A string.
    pub fn text(self, text: &str) -> Result<Value<'s>> {
        make!(
            self,
            napi_create_string_utf8,
            text.as_ptr().cast(),
            text.len().cast_signed()
        )
    }
    /// A string of any code units.
    pub fn string(self, text: &Text) -> Result<Value<'s>> {
        let units = text.units();
        make!(
            self,
            napi_create_string_utf16,
            units.as_ptr(),
            units.len().cast_signed()
        )
    }
    /// `{}`.
    pub fn object(self) -> Result<Value<'s>> {
        make!(self, napi_create_object)
    }
    /// An object with these properties.
    pub fn object_of(self, fields: &[(&str, Value<'_>)]) -> Result<Value<'s>> {
        let object = self.object()?;
        for (name, value) in fields {
            self.set_named(object, name, *value)?;
        }
        Ok(object)
    }
    /// `[]`.
    pub fn array(self) -> Result<Value<'s>> {
        make!(self, napi_create_array)
    }
    /// A copy of bytes as a `Buffer`, which is a `Uint8Array` too.
    pub fn buffer(self, bytes: &[u8]) -> Result<Value<'s>> {
        let mut copy = ptr::null_mut();
        make!(
            self,
            napi_create_buffer_copy,
            bytes.len(),
            bytes.as_ptr().cast(),
            &raw mut copy
        )
    }
    /// A copy of bytes as a `Uint8Array`.
    pub fn bytes(self, bytes: &[u8]) -> Result<Value<'s>> {
        let mut data = ptr::null_mut();
        let mut buffer = ptr::null_mut();
        // SAFETY: napi makes a buffer of that length, and it is filled before anybody sees it.
        self.check(unsafe {
            sys::napi_create_arraybuffer(
                self.raw_env(),
                bytes.len(),
                &raw mut data,
                &raw mut buffer,
            )
        })?;
        if !bytes.is_empty() {
            // SAFETY: `data` has room for `bytes.len()` bytes, and is not JavaScript's yet.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast(), bytes.len()) };
        }
        make!(
            self,
            napi_create_typedarray,
            sys::TypedarrayType::uint8_array,
            bytes.len(),
            buffer,
            0
        )
    }
}
