//! Statements on an app's own handle of a database: what `js/sqlite/log.js` offers, as [`Sql`].

use std::rc::Rc;

use rusqlite::types::Value as Cell;

use crate::error::{Error, ErrorKind, Result};
use crate::node::error::thrown_in;
use crate::node::value::{Env, Handle, Intrinsic, Key, Kind, Scope, Value, native_of};
use crate::protocol::hlc::safe_integer;
use crate::protocol::item::Table;
use crate::protocol::log::Stream;
use crate::store::sqlite::log::{Sql, Tracked};

const OPERATION: &str = "read the change log";

/// Where the log of an adapter is found, if the adapter has one and is as it was made.
pub struct LogAt {
    adapter: Handle,
    /// The namespaces of app rows.
    beside: Option<Handle>,
}

impl LogAt {
    /// The log of this adapter, or of these app rows with their namespaces.
    pub fn new(adapter: Handle, beside: Option<Handle>) -> Self {
        Self { adapter, beside }
    }

    /// The environment of the adapter.
    pub fn env(&self) -> &Rc<Env> {
        self.adapter.env()
    }

    /// The object that is the log.
    fn object<'s>(&self, scope: Scope<'s>) -> Result<Option<Value<'s>>> {
        let adapter = self.adapter.value(scope)?;
        let beside = match &self.beside {
            Some(beside) => beside.value(scope)?,
            None => scope.undefined()?,
        };
        let found = self
            .env()
            .helper(scope, Intrinsic::LogOf, &[adapter, beside])?;
        Ok((scope.kind(found)? == Kind::Object).then_some(found))
    }

    /// Its native half.
    pub fn native<T: 'static>(&self) -> Result<Option<Rc<T>>> {
        let env = self.env();
        env.scope(|scope| match self.object(scope)? {
            Some(object) => native_of::<T>(scope, env, object),
            None => Ok(None),
        })
    }

    /// The object that is the log, which was there at the beginning of the round.
    pub fn found<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        self.object(scope)?.ok_or_else(|| {
            let message =
                "the adapter was exchanged for another one during a round; exchange again";
            Error::new(ErrorKind::Closed, OPERATION, message)
        })
    }

    fn log<'s>(&'s self, scope: Scope<'s>) -> Result<HandleSql<'s>> {
        let object = self.found(scope)?;
        Ok(HandleSql {
            scope,
            env: self.env(),
            object,
            run: scope.get_named(object, "run")?,
            rows: scope.get_named(object, "rows")?,
        })
    }

    /// Runs `work` all or nothing and in one view of the database. `work` is told whether the app has a transaction
    /// open, in which it runs then.
    pub fn within<T>(
        &self,
        write: bool,
        work: impl FnOnce(&HandleSql<'_>, bool) -> Result<T>,
    ) -> Result<T> {
        self.env().scope(|scope| {
            let log = self.log(scope)?;
            let own = log.call("begin", &[scope.boolean(write)?])?;
            let done = work(&log, scope.as_boolean(own) != Some(true));
            let ended = log.call("end", &[own, scope.boolean(done.is_ok())?]);
            let done = done?;
            ended?;
            Ok(done)
        })
    }
}

/// An app's handle, in a scope.
pub struct HandleSql<'s> {
    /// The scope.
    pub scope: Scope<'s>,
    /// The environment.
    pub env: &'s Rc<Env>,
    /// The object that is the log.
    pub object: Value<'s>,
    run: Value<'s>,
    rows: Value<'s>,
}

impl<'s> HandleSql<'s> {
    /// Calls a function of the log.
    pub fn call(&self, name: &str, args: &[Value<'s>]) -> Result<Value<'s>> {
        let function = self.scope.get_named(self.object, name)?;
        self.scope.call(self.object, function, args)
    }

    /// The tables whose versions are noted; `None` if there can be no log of them.
    pub fn tables(&self) -> Result<Option<Vec<Tracked>>> {
        let scope = self.scope;
        let found = self.call("tables", &[])?;
        if !scope.is_array(found)? {
            return Ok(None);
        }
        let mut tables = Vec::new();
        for index in 0..scope.length(found)? {
            let table = scope.element(found, index)?;
            let text = |name| -> Result<Option<String>> {
                let value = scope.get_named(table, name)?;
                Ok(scope.as_text(value).and_then(|text| text.to_utf8()))
            };
            let stream = match (text("appId")?, text("table")?) {
                (Some(app), Some(name)) => Stream::Rows(Table {
                    app: app.as_str().into(),
                    name: name.as_str().into(),
                }),
                _ => Stream::Records,
            };
            let Some(name) = text("name")? else {
                return Ok(None);
            };
            let columns = scope.get_named(table, "key")?;
            let mut key = Vec::new();
            for index in 0..scope.length(columns)? {
                let column = scope.as_text(scope.element(columns, index)?);
                key.extend(column.and_then(|column| column.to_utf8()));
            }
            tables.push(Tracked {
                stream: stream.name(),
                table: name,
                key,
            });
        }
        Ok(Some(tables))
    }

    /// An array of values for a statement.
    pub fn array(&self, values: &[Cell]) -> Result<Value<'s>> {
        let scope = self.scope;
        let array = scope.array()?;
        for (at, value) in (0u32..).zip(values) {
            #[allow(
                clippy::cast_precision_loss,
                reason = "the numbers of a log are safe integers"
            )]
            let value = match value {
                Cell::Text(text) => scope.text(text)?,
                Cell::Integer(number) => scope.number(*number as f64)?,
                Cell::Real(number) => scope.number(*number)?,
                Cell::Null | Cell::Blob(_) => scope.null()?,
            };
            scope.set_element(array, at, value)?;
        }
        Ok(array)
    }
}

impl Sql for HandleSql<'_> {
    fn run(&self, sql: &str, parameters: &[Cell]) -> Result<usize> {
        self.env.scope(|scope| {
            let (text, parameters) = (scope.text(sql)?, self.array(parameters)?);
            let changed = scope.call(self.object, self.run, &[text, parameters])?;
            let changed = scope.as_number(changed).and_then(safe_integer);
            Ok(changed.and_then(|n| usize::try_from(n).ok()).unwrap_or(0))
        })
    }

    fn each(
        &self,
        sql: &str,
        parameters: &[Cell],
        row: &mut dyn FnMut(&[Cell]) -> Result<()>,
    ) -> Result<()> {
        self.env.scope(|scope| {
            let (text, parameters) = (scope.text(sql)?, self.array(parameters)?);
            let rows = scope.call(self.object, self.rows, &[text, parameters])?;
            let mut values = Vec::new();
            for index in 0..scope.length(rows)? {
                self.env.scope(|scope| {
                    let found = scope.element(rows, index)?;
                    values.clear();
                    for column in 0..scope.length(found)? {
                        values.push(cell(scope, scope.element(found, column)?)?);
                    }
                    row(&values)
                })?;
            }
            Ok(())
        })
    }
}

fn cell(scope: Scope<'_>, value: Value<'_>) -> Result<Cell> {
    Ok(match scope.kind(value)? {
        Kind::String => Cell::Text(
            scope
                .as_text(value)
                .map_or_else(String::new, |text| text.to_string()),
        ),
        Kind::Number => {
            let number = scope.as_number(value).unwrap_or_default();
            match safe_integer(number).and_then(|whole| i64::try_from(whole).ok()) {
                Some(whole) => Cell::Integer(whole),
                None => Cell::Real(number),
            }
        }
        _ => Cell::Null,
    })
}

/// The code of what was thrown.
pub fn code_of(env: &Rc<Env>, error: &Error) -> Option<String> {
    let thrown = thrown_in(error)?;
    let code = env.scope(|scope| {
        let thrown = thrown.value(scope)?;
        if scope.kind(thrown)? != Kind::Object {
            return Ok(None);
        }
        Ok(scope.as_text(scope.get(env, thrown, Key::Code)?))
    });
    code.ok().flatten().map(|code| code.to_string())
}
