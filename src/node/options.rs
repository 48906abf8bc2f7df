//! Reading the options objects that JavaScript passes in.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::error::must_be;
use super::known_options::Factory;
use super::value::{Env, Handle, Key, Kind, Scope, Value};
use crate::engine::round::DEFAULT_MAX_CLOCK_SKEW_MS;
use crate::error::{Error, Result};
use crate::protocol::hlc::safe_integer;
use crate::protocol::message::as_count;

/// When it is found out that an adapter lacks a function without which no exchange can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// When it is passed in.
    Refused,
    /// When the function is needed, as it may never be.
    FoundOutLater,
}

/// An options object, and the function it was passed to.
pub struct Options<'s> {
    scope: Scope<'s>,
    object: Value<'s>,
    function: &'static str,
    env: Rc<Env>,
    hung: Rc<Cell<u32>>,
    array: Value<'s>,
}

impl<'s> Options<'s> {
    /// The options of `factory`, which knows each of them.
    pub fn new(
        scope: Scope<'s>,
        env: &Rc<Env>,
        object: Value<'s>,
        factory: &'static Factory,
    ) -> Result<Self> {
        let function = factory.name;
        if scope.kind(object)? != Kind::Object || scope.is_promise(object) {
            let got = scope.describe_kind(object);
            return Err(must_be(function, "called with an options object", &got));
        }
        factory.check(scope, env, object)?;
        Ok(Self {
            scope,
            object,
            function,
            env: Rc::clone(env),
            hung: Rc::default(),
            array: scope.array()?,
        })
    }

    /// Options of `factory` that are one of these options; what they refer to hangs on the same array.
    pub fn part(&self, object: Value<'s>, factory: &'static Factory) -> Result<Self> {
        let options = Self::new(self.scope, &self.env, object, factory)?;
        Ok(Self {
            hung: Rc::clone(&self.hung),
            array: self.array,
            ..options
        })
    }

    fn place(&self, name: &str) -> String {
        format!("{}({name})", self.function)
    }

    /// That an option is not what it must be. The value is shown.
    pub fn wrong(&self, name: &str, what: &str, value: Value<'_>) -> Error {
        must_be(&self.place(name), what, &self.scope.describe(value))
    }

    /// The same of what may be a secret, or is no plain value: only its kind is shown.
    fn wrong_kind(&self, name: &str, what: &str, value: Value<'_>) -> Error {
        must_be(&self.place(name), what, &self.scope.describe_kind(value))
    }

    /// An option as it stands.
    pub fn get(&self, name: &str) -> Result<Value<'s>> {
        self.scope.get_named(self.object, name)
    }

    /// What the option is, for the message that says what it must be.
    pub fn describe(&self, name: &str) -> Result<String> {
        Ok(self.scope.describe(self.get(name)?))
    }

    /// The array to bind, on which the values hang that [`Self::handle`] and its like answered.
    pub fn array(&self) -> Value<'s> {
        self.array
    }

    /// Hangs a value on the array.
    pub fn hang(&self, value: Value<'s>) -> Result<Handle> {
        let index = self.hung.replace(self.hung.get() + 1);
        Handle::hang(self.scope, &self.env, (self.array, index), value)
    }

    /// An object that is called later. Whether it is there, and has what is called, is found out then.
    pub fn handle(&self, name: &str) -> Result<Handle> {
        let value = self.get(name)?;
        self.need_object(name, value)?;
        self.hang(value)
    }

    /// Refuses what never can be an adapter.
    fn need_object(&self, name: &str, value: Value<'s>) -> Result<()> {
        let can_be = match self.scope.kind(value)? {
            Kind::Undefined | Kind::Null | Kind::Function => true,
            Kind::Object => !self.scope.is_promise(value),
            Kind::Boolean | Kind::Number | Kind::String | Kind::Other => false,
        };
        if can_be {
            return Ok(());
        }
        Err(self.wrong_kind(name, "an adapter", value))
    }

    /// An object whose `functions` every exchange calls: one that is missing is told at once.
    pub fn adapter(&self, name: &str, functions: &[Key]) -> Result<Handle> {
        let value = self.get(name)?;
        self.need(name, value, functions)?;
        self.hang(value)
    }

    /// The same, or nothing where the option is not given.
    pub fn adapter_if_given(&self, name: &str, functions: &[Key]) -> Result<Option<Handle>> {
        if self.scope.is_nullish(self.get(name)?)? {
            return Ok(None);
        }
        self.adapter(name, functions).map(Some)
    }

    /// A store of records. One that cannot find its delta itself has to be scanned at every exchange.
    pub fn records(&self, name: &str, lacking: Lacking) -> Result<Handle> {
        if lacking == Lacking::FoundOutLater {
            return self.handle(name);
        }
        let adapter = self.get(name)?;
        self.need(name, adapter, &[])?;
        let instead = [Key::QueryUnseen, Key::GetNodeWatermarks];
        if !instead.iter().any(|key| self.may_call(adapter, *key)) {
            self.need(name, adapter, &[Key::Query])?;
        }
        self.hang(adapter)
    }

    fn need(&self, name: &str, value: Value<'s>, functions: &[Key]) -> Result<()> {
        self.need_object(name, value)?;
        if self.scope.is_nullish(value)? {
            return Err(self.wrong_kind(name, "an adapter", value));
        }
        for key in functions {
            if !self.may_call(value, *key) {
                let found = self.scope.get(&self.env, value, *key)?;
                let place = format!("{name}.{}", key.name());
                return Err(self.wrong_kind(&place, "a function", found));
            }
        }
        Ok(())
    }

    /// Whether the object has the function, as far as can be seen: a getter may throw now and not later.
    fn may_call(&self, object: Value<'s>, key: Key) -> bool {
        let found = self.scope.get(&self.env, object, key);
        found.map_or(
            true,
            |found| !matches!(self.scope.kind(found), Ok(kind) if kind != Kind::Function),
        )
    }

    /// A function, or nothing where the option is not given.
    pub fn function(&self, name: &str) -> Result<Option<Handle>> {
        let value = self.get(name)?;
        if self.scope.is_nullish(value)? {
            return Ok(None);
        }
        if self.scope.kind(value)? != Kind::Function {
            return Err(self.wrong_kind(name, "a function", value));
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
            .ok_or_else(|| self.wrong_kind(name, "a string", value))
    }

    /// A boolean.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        let value = self.get(name)?;
        if self.scope.is_nullish(value)? {
            return Ok(default);
        }
        self.scope
            .as_boolean(value)
            .ok_or_else(|| self.wrong(name, "true or false", value))
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
            .ok_or_else(|| self.wrong(name, "a positive integer", value))
    }

    /// `timeoutMs`: milliseconds, `Infinity` for no limit.
    pub fn timeout(&self, default: Option<Duration>) -> Result<Option<Duration>> {
        let value = self.get("timeoutMs")?;
        if self.scope.is_nullish(value)? {
            return Ok(default);
        }
        self.milliseconds(value)
            .ok_or_else(|| self.wrong("timeoutMs", "a positive number of milliseconds", value))
    }

    /// `transactionTimeoutMs`: milliseconds, `null` or `Infinity` for no limit.
    pub fn transaction_timeout(&self, default: Duration) -> Result<Option<Duration>> {
        const NAME: &str = "transactionTimeoutMs";
        let value = self.get(NAME)?;
        match self.scope.kind(value)? {
            Kind::Undefined => Ok(Some(default)),
            Kind::Null => Ok(None),
            _ => self.milliseconds(value).ok_or_else(|| {
                self.wrong(NAME, "a positive number of milliseconds, or null", value)
            }),
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
            .ok_or_else(|| self.wrong("retries", "an integer from 0", value))
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
                _ => Err(self.wrong(
                    "maxClockSkewMs",
                    "a number of milliseconds from 0, or null",
                    value,
                )),
            },
        }
    }

    /// `appSyncableSource`: the objects `{ namespaces, applier }`. `lists` says, of the applier, whether every
    /// exchange asks for the namespaces.
    pub fn rows(
        &self,
        lists: impl FnOnce(Value<'s>) -> Result<bool>,
    ) -> Result<Option<[Handle; 2]>> {
        let option = "appSyncableSource";
        let source = self.get(option)?;
        if self.scope.is_nullish(source)? {
            return Ok(None);
        }
        let is_object = matches!(self.scope.kind(source)?, Kind::Object | Kind::Function);
        if !is_object || self.scope.is_promise(source) {
            return Err(self.wrong_kind(option, "{ namespaces, applier }", source));
        }
        let part = |name| self.scope.get_named(source, name);
        let (namespaces, applier) = (part("namespaces")?, part("applier")?);
        self.need_object("appSyncableSource.applier", applier)?;
        let place = "appSyncableSource.namespaces";
        self.need_object(place, namespaces)?;
        if lists(applier)? {
            self.need(place, namespaces, &[Key::List])?;
        }
        Ok(Some([self.hang(namespaces)?, self.hang(applier)?]))
    }

    /// Whether an answering side with this applier asks for the namespaces at every exchange.
    pub fn is_scanned(&self, applier: Value<'s>) -> Result<bool> {
        let is_object = matches!(self.scope.kind(applier)?, Kind::Object | Kind::Function);
        Ok(is_object && self.may_call(applier, Key::ScanSince))
    }
}
