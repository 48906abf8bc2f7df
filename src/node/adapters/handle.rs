//! An app's own handle of a database: what `js/sqlite/log.js` offers, as [`AppHandle`].

use std::rc::Rc;

use super::pages::{page_of, read_outcomes};
use crate::error::{Error, ErrorKind, Result};
use crate::node::convert::{Body, read_hlcs, read_stored};
use crate::node::error::warn_once;
use crate::node::runtime::{JsObject, await_js, kept, parse_json};
use crate::node::value::{Call, Env, Intrinsic, Persistent, Scope, Value, brand, thrown_in};
use crate::protocol::hlc::safe_integer;
use crate::protocol::item::{Item, malformed, without_time};
use crate::store::sqlite::handle::{Accepted, AppHandle, AskHandle, HandleLog, Logged, WantedKey};
use crate::store::sqlite::log::Plane;

const OPERATION: &str = "read the change log";
const TAKE_IN: &str = "take in a page";

/// `brandLog(object, isOfRows)`: makes the object of functions the log of a wrapped handle.
pub fn brand_log<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let plane = if call.scope.as_boolean(call.arg(1)) == Some(true) {
        Plane::Rows
    } else {
        Plane::Records
    };
    brand(call.scope, call.arg(0), Rc::new(HandleLog::new(plane)))
}

/// The log of an adapter over a database that the app opened.
pub type AppLog = Logged<LogAt>;

/// Where the log of an adapter is found, if the adapter has one and is as it was made.
pub struct LogAt {
    adapter: JsObject,
    /// The namespaces of app rows.
    beside: Option<JsObject>,
}

impl LogAt {
    /// The log of this adapter, or of these app rows with their namespaces.
    pub fn new(adapter: JsObject, beside: Option<JsObject>) -> Self {
        Self { adapter, beside }
    }

    /// The log, if the adapter is one over a database that the app opened.
    pub fn log(&self) -> Result<Option<Rc<HandleLog>>> {
        self.env().scope(|scope| {
            let object = self.object(scope)?;
            if !scope.is_object(object)? {
                return Ok(None);
            }
            scope.native_of(object)
        })
    }

    fn env(&self) -> &Rc<Env> {
        self.adapter.env()
    }

    /// The object that is the log.
    fn object<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        let beside = match &self.beside {
            Some(beside) => beside.value(scope)?,
            None => scope.undefined()?,
        };
        scope.helper(Intrinsic::LogOf, &[self.adapter.value(scope)?, beside])
    }

    /// The same, which was there at the beginning of the round.
    fn found<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        let object = self.object(scope)?;
        if scope.is_object(object)? {
            return Ok(object);
        }
        let message = "the adapter was exchanged for another one during a round; exchange again";
        Err(Error::new(ErrorKind::Closed, OPERATION, message))
    }
}

/// An app's handle, while a transaction is open.
pub struct HandleSql {
    env: Rc<Env>,
    log: Persistent,
}

impl HandleSql {
    /// Calls a function of the log.
    fn call<T>(
        &self,
        name: &str,
        args: impl for<'s> FnOnce(Scope<'s>) -> Result<Vec<Value<'s>>>,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<T>,
    ) -> Result<T> {
        self.env.scope(|scope| {
            let log = self.log.value(scope)?;
            let answer = scope.invoke(log, name, &args(scope)?)?;
            read(scope, answer)
        })
    }
}

impl AskHandle for HandleSql {
    fn ask_json(&self, what: &str, args: &str) -> Result<String> {
        self.call(
            "ask",
            |scope| Ok(vec![scope.text(what)?, scope.text(args)?]),
            |scope, answer| Ok(scope.as_string(answer).unwrap_or_default()),
        )
    }
}

impl AppHandle for LogAt {
    type Sql = HandleSql;
    type Body = Body;
    type Found = Persistent;

    fn handle(&self) -> Result<HandleSql> {
        let env = Rc::clone(self.env());
        let log = env.scope(|scope| scope.keep(self.found(scope)?))?;
        Ok(HandleSql { env, log })
    }

    fn find(&self, sql: &HandleSql, wanted: &str) -> Result<Persistent> {
        sql.call("items", |scope| Ok(vec![scope.text(wanted)?]), kept)
    }

    async fn items(
        &self,
        found: Persistent,
        plane: Plane,
        wanted: &[WantedKey],
    ) -> Result<Option<Vec<Vec<Item<Body>>>>> {
        await_js(
            self.env(),
            OPERATION,
            |scope| {
                let log = self.found(scope)?;
                scope.invoke(log, "settled", &[found.value(scope)?])
            },
            |scope, answer| {
                if scope.is_nullish(answer)? {
                    return Ok(None);
                }
                read_items(scope, answer, (plane, wanted)).map(Some)
            },
        )
        .await
    }

    fn take_now(
        &self,
        sql: &HandleSql,
        keys: &str,
        items: &[Item<Body>],
    ) -> Result<Option<Accepted>> {
        sql.call(
            "take",
            |scope| Ok(vec![page_of(scope, items)?, parse_json(scope, keys)?]),
            |scope, answer| {
                if scope.is_nullish(answer)? {
                    return Ok(None);
                }
                read_accepted(scope, answer, items.len()).map(Some)
            },
        )
    }

    async fn take(&self, items: &[Item<Body>]) -> Result<Accepted> {
        await_js(
            self.env(),
            TAKE_IN,
            |scope| {
                let log = self.found(scope)?;
                scope.invoke(log, "putAll", &[page_of(scope, items)?])
            },
            |scope, answer| read_accepted(scope, answer, items.len()),
        )
        .await
    }

    fn code_of(&self, error: &Error) -> Option<String> {
        let thrown = thrown_in(error)?;
        let code = |scope: Scope<'_>| scope.string_in(thrown.value(scope)?, "code");
        let code = self.env().scope(code);
        code.ok().flatten()
    }

    fn warn_once(&self, message: &str) {
        warn_once(self.env(), message);
    }
}

/// Reads `{ items, counts, reasons }`: all items, how many lie under each key, and what is said of those that have
/// no time.
fn read_items(
    scope: Scope<'_>,
    answer: Value<'_>,
    (plane, wanted): (Plane, &[WantedKey]),
) -> Result<Vec<Vec<Item<Body>>>> {
    let [found, counts, reasons] = scope.pick(answer, ["items", "counts", "reasons"])?;
    let time = match plane {
        Plane::Records => "updatedAt",
        Plane::Rows => "timestamp",
    };
    let mut stamps = (0u32..).zip(read_hlcs(scope, found, Some(time))?);
    let counts = scope.each(counts, |scope, count| Ok(scope.as_number(count)))?;
    let mut all = Vec::with_capacity(wanted.len());
    for (wanted, count) in wanted.iter().zip(counts) {
        let count = count.and_then(safe_integer).unwrap_or_default();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let items = stamps.by_ref().take(count).map(|(at, stamp)| {
            scope.nested(|scope| {
                let fault = || -> Result<Error> {
                    let reason = scope.as_string(scope.element(reasons, at)?);
                    Ok(reason.map_or_else(without_time, malformed))
                };
                let stamp = match stamp {
                    Some(hlc) => Ok(hlc),
                    None => Err(fault()?),
                };
                read_stored(scope, &wanted.stream, scope.element(found, at)?, stamp)
            })
        });
        all.push(items.collect::<Result<Vec<_>>>()?);
    }
    Ok(all)
}

fn read_accepted(scope: Scope<'_>, answer: Value<'_>, count: usize) -> Result<Accepted> {
    let outcomes = read_outcomes(scope, TAKE_IN, answer, count)?;
    let equal = scope.each(answer, |scope, result| {
        Ok(scope.as_string(scope.get(result, "equal")?))
    })?;
    let equal = equal.into_iter().enumerate();
    Ok(Accepted {
        outcomes,
        equal: equal.filter_map(|(at, key)| Some((at, key?))).collect(),
    })
}
