//! The options of a function, which `js/options.js` has read: each is what it must be, or is not given.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::runtime::JsObject;
use super::value::{Call, Intrinsic, Kind, Persistent, Scope, Value};
use crate::error::{Error, Result};
use crate::protocol::message::as_count;

/// What a function does that takes options.
pub type Factory = for<'s> fn(&Call<'s>, &Options<'s>) -> Result<Value<'s>>;

/// Options that were read.
pub struct Options<'s> {
    scope: Scope<'s>,
    object: Value<'s>,
    hung: Rc<Cell<u32>>,
    array: Value<'s>,
}

impl<'s> Options<'s> {
    /// The options in `object`.
    pub fn new(scope: Scope<'s>, object: Value<'s>) -> Result<Self> {
        Ok(Self {
            scope,
            object,
            hung: Rc::default(),
            array: scope.array()?,
        })
    }

    /// Options that are one of these options; what they refer to hangs on the same array.
    pub fn part(&self, object: Value<'s>) -> Self {
        Self {
            scope: self.scope,
            object,
            hung: Rc::clone(&self.hung),
            array: self.array,
        }
    }

    /// An option as it stands.
    pub fn get(&self, name: &str) -> Result<Value<'s>> {
        self.scope.get(self.object, name)
    }

    /// An option, if it is given.
    pub fn given(&self, name: &str) -> Result<Option<Value<'s>>> {
        let value = self.get(name)?;
        Ok((!self.scope.is_nullish(value)?).then_some(value))
    }

    /// The array to bind, on which the values hang that [`Self::object`] and its like answered.
    pub fn array(&self) -> Value<'s> {
        self.array
    }

    /// Hangs a value on the array.
    pub fn hang(&self, value: Value<'s>) -> Result<Persistent> {
        let index = self.hung.replace(self.hung.get() + 1);
        self.scope.hang((self.array, index), value)
    }

    /// What a store reads of them that is data alone.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T> {
        let json = self.scope.helper(Intrinsic::DataOf, &[self.object])?;
        let json = self.scope.as_string(json).unwrap_or_default();
        serde_json::from_str(&json).map_err(|error| Error::json("read options", error))
    }

    /// An object that is called.
    pub fn object(&self, name: &'static str) -> Result<JsObject> {
        Ok(JsObject::new(self.hang(self.get(name)?)?, name))
    }

    /// The same, or nothing where the option is not given.
    pub fn object_if_given(&self, name: &'static str) -> Result<Option<JsObject>> {
        self.given(name)?.map(|_| self.object(name)).transpose()
    }

    /// A function.
    pub fn function(&self, name: &str) -> Result<Option<Persistent>> {
        self.given(name)?.map(|value| self.hang(value)).transpose()
    }

    /// A string.
    pub fn string(&self, name: &str) -> Result<Option<String>> {
        Ok(self.scope.as_string(self.get(name)?))
    }

    /// A boolean.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        Ok(self.scope.as_boolean(self.get(name)?).unwrap_or(default))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.scope.as_number(self.get(name)?))
    }

    /// A count of at least one; `Infinity` is the greatest there is.
    pub fn count(&self, name: &str, default: usize) -> Result<usize> {
        Ok(self.number(name)?.and_then(as_count).unwrap_or(default))
    }

    /// A number of milliseconds. `null`, and what is longer than any clock runs, is no limit.
    pub fn time(&self, name: &str, default: Option<Duration>) -> Result<Option<Duration>> {
        Ok(match self.scope.kind(self.get(name)?)? {
            Kind::Undefined => default,
            _ => self
                .number(name)?
                .and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()),
        })
    }

    /// `appSyncableSource`: the objects `{ namespaces, applier }`.
    pub fn rows(&self) -> Result<Option<[JsObject; 2]>> {
        let Some(source) = self.given("appSyncableSource")? else {
            return Ok(None);
        };
        let source = self.part(source);
        Ok(Some([
            source.object("namespaces")?,
            source.object("applier")?,
        ]))
    }
}
