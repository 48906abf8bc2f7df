//! Elements and properties.

use std::ptr;

use napi::sys;

use super::env::{Scope, Value};
use super::keys::Key;
use super::kind::make;
use crate::error::Result;

impl<'s> Scope<'s> {
    /// `array[index]`.
    pub fn element(self, array: Value<'_>, index: u32) -> Result<Value<'s>> {
        make!(self, napi_get_element, array.raw(), index)
    }

    /// What `read` makes of each element of an array, each in a scope of its own.
    pub fn each<T>(
        self,
        array: Value<'_>,
        read: impl for<'e> FnMut(Scope<'e>, Value<'e>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.first_of(array, usize::MAX, read)
    }

    /// The same of the first elements, at most `most`.
    pub fn first_of<T>(
        self,
        array: Value<'_>,
        most: usize,
        mut read: impl for<'e> FnMut(Scope<'e>, Value<'e>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let elements = (0..self.length(array)?).take(most);
        elements
            .map(|index| self.nested(|scope| read(scope, scope.element(array, index)?)))
            .collect()
    }

    /// `array[index] = value`.
    pub fn set_element(self, array: Value<'_>, index: u32, value: Value<'_>) -> Result<()> {
        // SAFETY: the values live in open scopes.
        self.check(unsafe {
            sys::napi_set_element(self.raw_env(), array.raw(), index, value.raw())
        })
    }

    /// `object[name]`.
    pub fn property(self, object: Value<'_>, name: Value<'_>) -> Result<Value<'s>> {
        make!(self, napi_get_property, object.raw(), name.raw())
    }

    /// `object[key]`.
    pub fn get(self, object: Value<'_>, key: Key) -> Result<Value<'s>> {
        self.property(object, self.key(key)?)
    }

    /// `object[name]`.
    pub fn get_named(self, object: Value<'_>, name: &str) -> Result<Value<'s>> {
        self.property(object, self.text(name)?)
    }

    /// Makes `name` an own property, whatever name it is: `__proto__` is a name like any other.
    pub fn define(self, object: Value<'_>, name: Value<'_>, value: Value<'_>) -> Result<()> {
        self.define_with(
            object,
            name,
            value,
            sys::PropertyAttributes::writable
                | sys::PropertyAttributes::enumerable
                | sys::PropertyAttributes::configurable,
        )
    }

    /// Makes `name` an own property that loops over the object do not meet.
    pub fn define_hidden(self, object: Value<'_>, name: &str, value: Value<'_>) -> Result<()> {
        self.define_with(
            object,
            self.text(name)?,
            value,
            sys::PropertyAttributes::writable | sys::PropertyAttributes::configurable,
        )
    }

    fn define_with(
        self,
        object: Value<'_>,
        name: Value<'_>,
        value: Value<'_>,
        attributes: sys::napi_property_attributes,
    ) -> Result<()> {
        let descriptor = sys::napi_property_descriptor {
            utf8name: ptr::null(),
            name: name.raw(),
            method: None,
            getter: None,
            setter: None,
            value: value.raw(),
            attributes,
            data: ptr::null_mut(),
        };
        // SAFETY: one descriptor, whose values live in open scopes.
        self.check(unsafe {
            sys::napi_define_properties(self.raw_env(), object.raw(), 1, &raw const descriptor)
        })
    }

    /// `object[key] = value`, on an object of our own.
    pub fn set(self, object: Value<'_>, key: Key, value: Value<'_>) -> Result<()> {
        let name = self.key(key)?;
        // SAFETY: the values live in open scopes.
        self.check(unsafe {
            sys::napi_set_property(self.raw_env(), object.raw(), name.raw(), value.raw())
        })
    }

    /// `object[name] = value`, on an object of our own.
    pub fn set_named(self, object: Value<'_>, name: &str, value: Value<'_>) -> Result<()> {
        self.define(object, self.text(name)?, value)
    }

    /// `name in object`
    pub fn has(self, object: Value<'_>, name: Value<'_>) -> Result<bool> {
        let mut has = false;
        // SAFETY: the values live in open scopes.
        self.check(unsafe {
            sys::napi_has_property(self.raw_env(), object.raw(), name.raw(), &raw mut has)
        })?;
        Ok(has)
    }

    /// Whether the object has `name` itself.
    pub fn has_own(self, object: Value<'_>, name: Value<'_>) -> Result<bool> {
        let mut has = false;
        // SAFETY: the values live in open scopes.
        self.check(unsafe {
            sys::napi_has_own_property(self.raw_env(), object.raw(), name.raw(), &raw mut has)
        })?;
        Ok(has)
    }

    /// The own enumerable names of an object, as an array of strings.
    pub fn own_names(self, object: Value<'_>) -> Result<Value<'s>> {
        make!(
            self,
            napi_get_all_property_names,
            object.raw(),
            sys::KeyCollectionMode::own_only,
            sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols,
            sys::KeyConversion::numbers_to_strings
        )
    }
}
