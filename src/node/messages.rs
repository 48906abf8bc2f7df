//! Requests and answers as JavaScript objects.

use serde::de::DeserializeOwned;

use super::convert::{Body, read_record, read_row, read_watermarks};
use super::runtime::{Argument, IntoJs, parse_json, stringify};
use super::value::{Kind, Scope, Value, list};
use crate::error::{Error, Result};
use crate::protocol::item::{Item, ItemKind, NoItem};
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Refusal, Request, as_count};
use crate::protocol::watermarks::Watermarks;
use crate::protocol::wire;

/// A message of the app's that is read, and what errors call it.
struct Message<'s> {
    scope: Scope<'s>,
    value: Value<'s>,
    operation: &'static str,
}

impl<'s> Message<'s> {
    fn new(scope: Scope<'s>, value: Value<'s>, kind: (&str, &'static str)) -> Result<Self> {
        let (what, operation) = kind;
        if scope.kind(value)? != Kind::Object {
            return Err(Error::sync(operation, format!("{what} must be an object")));
        }
        Ok(Self {
            scope,
            value,
            operation,
        })
    }

    fn wrong(&self, what: &str) -> Error {
        Error::sync(self.operation, what)
    }

    /// A field, if it is there.
    fn given(&self, name: &str) -> Result<Option<Value<'s>>> {
        let value = self.scope.get(self.value, name)?;
        Ok((!self.scope.is_nullish(value)?).then_some(value))
    }

    /// What `read` makes of a field, if it is there; it must be `what`.
    fn field<T>(
        &self,
        name: &str,
        what: &str,
        read: impl FnOnce(Value<'s>) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.given(name)? else {
            return Ok(None);
        };
        let wrong = || self.wrong(&format!("{name} must be {what}"));
        read(value).map(Some).ok_or_else(wrong)
    }

    fn count(&self, name: &str) -> Result<Option<usize>> {
        self.field(name, "a positive integer", |value| {
            self.scope.as_number(value).and_then(as_count)
        })
    }

    fn watermarks(&self, name: &str) -> Result<Option<Watermarks>> {
        let Some(value) = self.given(name)? else {
            return Ok(None);
        };
        let read = read_watermarks(self.scope, value)?;
        let wrong = |what| self.wrong(&format!("{name}: {what}"));
        read.map(Some).map_err(wrong)
    }

    fn items(&self) -> Result<Vec<Item<Body>>> {
        let mut items = Vec::new();
        for (name, read) in [
            ("records", read_record as Reader),
            ("appSyncableRows", read_row),
        ] {
            let Some(list) = self.given(name)? else {
                continue;
            };
            if !self.scope.is_array(list)? {
                return Err(self.wrong(&format!("{name} must be an array")));
            }
            for (index, item) in (0u32..).zip(self.scope.each(list, read)?) {
                let wrong = |what| self.wrong(&format!("{name}[{index}]: {what}"));
                items.push(item.map_err(wrong)?);
            }
        }
        Ok(items)
    }

    /// What sides with change logs say to each other. It is data alone, so it crosses as JSON.
    fn log<T: DeserializeOwned>(&self) -> Result<Option<Box<T>>> {
        let Some(log) = self.given("log")? else {
            return Ok(None);
        };
        let json = stringify(self.scope, log)?;
        let read = serde_json::from_str(&json).map(|log| Some(Box::new(log)));
        read.map_err(|error| self.wrong(&format!("log: {error}")))
    }

    /// What a peer says of items that it did not take in or cannot send. It only explains: what cannot be read
    /// of it is passed over.
    fn refusals(&self, name: &str) -> Result<Vec<Refusal>> {
        let list = self.scope.get(self.value, name)?;
        let json = stringify(self.scope, list).unwrap_or_else(|_| "[]".into());
        Ok(wire::read_refusals(&json))
    }
}

type Reader = fn(Scope<'_>, Value<'_>) -> Result<std::result::Result<Item<Body>, NoItem>>;

/// A request as `SyncTransport.exchange` takes it. Lists without items are left `undefined`.
pub fn write_request(scope: Scope<'_>, mut request: Request<Body>) -> Result<Value<'_>> {
    let items = std::mem::take(&mut request.items);
    let has_limit = request.limit != usize::MAX;
    let head = request.with_bodies(|body| body.to_json(scope.env()))?;
    let object = write_around(scope, &wire::write_request(&head), (&items, true))?;
    if !has_limit {
        scope.set(object, "limit", scope.number(f64::INFINITY)?)?;
    }
    Ok(object)
}

/// Reads a request.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_request(scope: Scope<'_>, value: Value<'_>) -> Result<Request<Body>> {
    let request = Message::new(scope, value, ("a request", "malformed exchange request"))?;
    Ok(Request {
        limit: request.count("limit")?.unwrap_or(DEFAULT_PAGE_LIMIT),
        watermarks: request
            .watermarks("watermarks")?
            .ok_or_else(|| request.wrong("a request must have `watermarks`"))?,
        shipped_after: request.watermarks("shippedAfter")?.unwrap_or_default(),
        items: request.items()?,
        max_answer_bytes: request.count("maxAnswerBytes")?,
        log: request.log()?,
        ..Request::default()
    })
}

/// An answer as `SyncTransport.exchange` gives it.
impl IntoJs for Answer<Body> {
    fn into_js(mut self, scope: Scope<'_>) -> Result<Value<'_>> {
        let items = std::mem::take(&mut self.items);
        let head = self.with_bodies(|body| body.to_json(scope.env()))?;
        write_around(scope, &wire::write_answer(&head), (&items, false))
    }
}

/// Reads an answer.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_answer(scope: Scope<'_>, value: Value<'_>) -> Result<Answer<Body>> {
    let answer = Message::new(scope, value, ("an answer", "malformed exchange answer"))?;
    let [records, rows] = scope.pick(value, ["records", "appSyncableRows"])?;
    if !scope.is_array(records)? && !scope.is_array(rows)? {
        return Err(answer.wrong("an answer must have `records`, `appSyncableRows` or both"));
    }
    let has_more = answer.field("hasMore", "true or false", |more| scope.as_boolean(more))?;
    Ok(Answer {
        items: answer.items()?,
        has_more: has_more.unwrap_or(false),
        coverage: answer.watermarks("responderWatermarks")?,
        refused: answer.refusals("refused")?,
        withheld: answer.refusals("withheld")?,
        log: answer.log()?,
        ..Answer::default()
    })
}

/// The message, whose head is JSON: with the records and the rows, each in an array of their own.
fn write_around<'s>(
    scope: Scope<'s>,
    head: &str,
    (items, leaves_out): (&[Item<Body>], bool),
) -> Result<Value<'s>> {
    let message = parse_json(scope, head)?;
    for (name, records) in [("records", true), ("appSyncableRows", false)] {
        let is_one = |item: &&Item<Body>| matches!(item.kind, ItemKind::Record(_)) == records;
        let items: Vec<_> = items.iter().filter(is_one).collect();
        let list = if items.is_empty() && leaves_out {
            scope.undefined()?
        } else {
            list(scope, items, |scope, item| item.body.to_js(scope))?
        };
        scope.set(message, name, list)?;
    }
    Ok(message)
}
