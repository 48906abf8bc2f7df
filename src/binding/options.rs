//! Reading the options objects that JavaScript passes in.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::adapters::AnyRows;
use super::error::invalid;
use super::js::{Handle, Kind, Realm, Scope, Value};
use crate::engine::round::DEFAULT_MAX_CLOCK_SKEW_MS;
use crate::error::Result;
use crate::protocol::hlc::safe_integer;
use crate::protocol::message::as_count;

/// An options object, and the function it was passed to.
pub struct Options<'s> {
    scope: Scope<'s>,
    object: Value<'s>,
    function: &'static str,
    realm: Rc<Realm>,
    hung: Rc<Cell<u32>>,
    array: Value<'s>,
}

impl<'s> Options<'s> {
    /// The options of `function`.
    pub fn new(
        scope: Scope<'s>,
        realm: &Rc<Realm>,
        object: Value<'s>,
        function: &'static str,
    ) -> Result<Self> {
        if scope.kind(object)? != Kind::Object {
            return Err(invalid(function, "takes an options object"));
        }
        Ok(Self {
            scope,
            object,
            function,
            realm: Rc::clone(realm),
            hung: Rc::default(),
            array: scope.array()?,
        })
    }

    /// Options that are one of these options; what they refer to hangs on the same array.
    pub fn part(&self, object: Value<'s>) -> Result<Self> {
        let options = Self::new(self.scope, &self.realm, object, self.function)?;
        Ok(Self {
            hung: Rc::clone(&self.hung),
            array: self.array,
            ..options
        })
    }

    fn wrong(&self, name: &str, what: &str) -> crate::error::Error {
        invalid(&format!("{}({name})", self.function), what)
    }

    /// An option as it stands.
    pub fn get(&self, name: &str) -> Result<Value<'s>> {
        self.scope.get_named(self.object, name)
    }

    /// The array to bind, on which the values hang that [`Self::handle`] and its like answered.
    pub fn array(&self) -> Value<'s> {
        self.array
    }

    /// Hangs a value on the array.
    pub fn hang(&self, value: Value<'s>) -> Result<Handle> {
        let index = self.hung.replace(self.hung.get() + 1);
        Handle::hang(self.scope, &self.realm, (self.array, index), value)
    }

    /// An object that is called later. Whether it is there, and has what is called, is found out then.
    pub fn handle(&self, name: &str) -> Result<Handle> {
        let value = self.get(name)?;
        if matches!(
            self.scope.kind(value)?,
            Kind::Boolean | Kind::Number | Kind::String | Kind::Other
        ) {
            return Err(self.wrong(name, "is an object"));
        }
        self.hang(value)
    }

    /// The same, or nothing where the option is not given.
    pub fn handle_if_given(&self, name: &str) -> Result<Option<Handle>> {
        if self.scope.is_nullish(self.get(name)?)? {
            return Ok(None);
        }
        self.handle(name).map(Some)
    }

    /// A function, or nothing where the option is not given.
    pub fn function(&self, name: &str) -> Result<Option<Handle>> {
        let value = self.get(name)?;
        if self.scope.is_nullish(value)? {
            return Ok(None);
        }
        if self.scope.kind(value)? != Kind::Function {
            return Err(self.wrong(name, "is a function"));
        }
        self.hang(value).map(Some)
    }

    /// A string, or nothing where the option is not given.
    pub fn string(&self, name: &str) -> Result<Option<String>> {
        let value = self.get(name)?;
        if self.scope.is_nullish(value)? {
            return Ok(None);
        }
        let text = self.scope.as_text(value).and_then(|text| text.to_utf8());
        text.map(Some)
            .ok_or_else(|| self.wrong(name, "is a string"))
    }

    /// A boolean.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        let value = self.get(name)?;
        if self.scope.is_nullish(value)? {
            return Ok(default);
        }
        self.scope
            .as_boolean(value)
            .ok_or_else(|| self.wrong(name, "is true or false"))
    }

    /// A count of at least one; `Infinity` is the greatest there is.
    pub fn count(&self, name: &str, default: usize) -> Result<usize> {
        let value = self.get(name)?;
        if self.scope.is_nullish(value)? {
            return Ok(default);
        }
        let number = self.scope.as_number(value);
        number
            .and_then(as_count)
            .ok_or_else(|| self.wrong(name, "is a positive integer"))
    }

    /// `timeoutMs`: milliseconds, `Infinity` for no limit.
    pub fn timeout(&self, default: Option<Duration>) -> Result<Option<Duration>> {
        let value = self.get("timeoutMs")?;
        if self.scope.is_nullish(value)? {
            return Ok(default);
        }
        self.milliseconds(value)
            .ok_or_else(|| self.wrong("timeoutMs", "is a positive number of milliseconds"))
    }

    /// `transactionTimeoutMs`: milliseconds, `null` or `Infinity` for no limit.
    pub fn transaction_timeout(&self, default: Duration) -> Result<Option<Duration>> {
        const NAME: &str = "transactionTimeoutMs";
        let value = self.get(NAME)?;
        match self.scope.kind(value)? {
            Kind::Undefined => Ok(Some(default)),
            Kind::Null => Ok(None),
            _ => self
                .milliseconds(value)
                .ok_or_else(|| self.wrong(NAME, "is a positive number of milliseconds, or null")),
        }
    }

    /// A positive number of milliseconds, of which infinitely many are no limit.
    #[expect(
        clippy::option_option,
        reason = "no limit is not the same as no such number"
    )]
    fn milliseconds(&self, value: Value<'s>) -> Option<Option<Duration>> {
        let number = self.scope.as_number(value).filter(|number| *number > 0.0)?;
        // What is longer than any clock runs is no limit, and so is infinity.
        Some(Duration::try_from_secs_f64(number / 1000.0).ok())
    }

    /// `retries`: an integer from 0, 0 by default.
    pub fn retries(&self) -> Result<u32> {
        let value = self.get("retries")?;
        if self.scope.is_nullish(value)? {
            return Ok(0);
        }
        let number = self.scope.as_number(value).and_then(safe_integer);
        number
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| self.wrong("retries", "is an integer from 0"))
    }

    /// `maxClockSkewMs`: milliseconds, `null` for no limit.
    pub fn max_clock_skew(&self) -> Result<Option<u64>> {
        let value = self.get("maxClockSkewMs")?;
        match self.scope.kind(value)? {
            Kind::Undefined => Ok(Some(DEFAULT_MAX_CLOCK_SKEW_MS)),
            Kind::Null => Ok(None),
            _ => match self.scope.as_number(value) {
                Some(number) if number == f64::INFINITY => Ok(None),
                Some(number) if number >= 0.0 => Ok(safe_integer(number.floor())),
                _ => Err(self.wrong("maxClockSkewMs", "is a number of milliseconds, or null")),
            },
        }
    }

    /// `appSyncableSource`: `{ namespaces, applier }`.
    pub fn rows(&self, scan_page_size: f64) -> Result<Option<AnyRows>> {
        let source = self.get("appSyncableSource")?;
        if self.scope.is_nullish(source)? {
            return Ok(None);
        }
        let part = |name| self.hang(self.scope.get_named(source, name)?);
        Ok(Some(AnyRows::new(
            part("namespaces")?,
            part("applier")?,
            scan_page_size,
        )))
    }
}
