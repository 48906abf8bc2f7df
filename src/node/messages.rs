//! Requests and answers as JavaScript objects.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::convert::{
    Body, parse_json, read_hlc_of, read_record, read_row, read_watermarks, stringify, write_hlc,
    write_watermarks,
};
use super::value::{Key, Kind, Scope, Value, list};
use crate::error::{Error, Result};
use crate::protocol::item::{Item, ItemKind, NoItem, Table};
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Refusal, Request, as_count};
use crate::protocol::watermarks::Watermarks;

/// A message of the app's that is read, and what errors call it.
struct Message<'s> {
    scope: Scope<'s>,
    value: Value<'s>,
    operation: &'static str,
}

impl<'s> Message<'s> {
    fn new(
        scope: Scope<'s>,
        value: Value<'s>,
        what: &str,
        operation: &'static str,
    ) -> Result<Self> {
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

    fn get(&self, key: Key) -> Result<Value<'s>> {
        self.scope.get(self.value, key)
    }

    /// What `read` makes of a field, if it is there; it must be `what`.
    fn field<T>(
        &self,
        key: Key,
        what: &str,
        read: impl FnOnce(Value<'s>) -> Option<T>,
    ) -> Result<Option<T>> {
        let value = self.get(key)?;
        if self.scope.is_nullish(value)? {
            return Ok(None);
        }
        let wrong = || self.wrong(&format!("{} must be {what}", key.name()));
        read(value).map(Some).ok_or_else(wrong)
    }

    fn count(&self, key: Key) -> Result<Option<usize>> {
        self.field(key, "a positive integer", |value| {
            self.scope.as_number(value).and_then(as_count)
        })
    }

    fn watermarks(&self, key: Key) -> Result<Option<Watermarks>> {
        let value = self.get(key)?;
        if self.scope.is_nullish(value)? {
            return Ok(None);
        }
        let read = read_watermarks(self.scope, value)?;
        read.map(Some)
            .map_err(|what| self.wrong(&format!("{}: {what}", key.name())))
    }

    fn items(&self) -> Result<Vec<Item<Body>>> {
        let mut items = Vec::new();
        for (key, read) in [
            (Key::Records, read_record as Reader),
            (Key::AppSyncableRows, read_row),
        ] {
            let list = self.get(key)?;
            if self.scope.is_nullish(list)? {
                continue;
            }
            let name = key.name();
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
        let log = self.get(Key::Log)?;
        if self.scope.is_nullish(log)? {
            return Ok(None);
        }
        let json = stringify(self.scope, log)?;
        let read = serde_json::from_str(&json).map(|log| Some(Box::new(log)));
        read.map_err(|error| self.wrong(&format!("log: {error}")))
    }

    /// What a peer says of items that it did not take in or cannot send. It only explains: what cannot be read
    /// of it is passed over.
    fn refusals(&self, key: Key) -> Result<Vec<Refusal>> {
        let list = self.get(key)?;
        if !self.scope.is_array(list)? {
            return Ok(Vec::new());
        }
        let refusals = self.scope.first_of(list, Refusal::MOST, read_refusal)?;
        Ok(refusals.into_iter().flatten().collect())
    }
}

type Reader = fn(Scope<'_>, Value<'_>) -> Result<std::result::Result<Item<Body>, NoItem>>;

/// A request as `SyncTransport.exchange` takes it. Lists without items are left `undefined`.
pub fn write_request<'s>(scope: Scope<'s>, request: &Request<Body>) -> Result<Value<'s>> {
    let object = scope.object()?;
    let watermarks = write_watermarks(scope, &request.watermarks)?;
    scope.set(object, Key::Watermarks, watermarks)?;
    if !request.shipped_after.is_empty() {
        let shipped_after = write_watermarks(scope, &request.shipped_after)?;
        scope.set(object, Key::ShippedAfter, shipped_after)?;
    }
    let [records, rows] = write_items(scope, &request.items)?;
    for (key, list) in [(Key::Records, records), (Key::AppSyncableRows, rows)] {
        let list = if scope.length(list)? == 0 {
            scope.undefined()?
        } else {
            list
        };
        scope.set(object, key, list)?;
    }
    let limit = if request.limit == usize::MAX {
        scope.number(f64::INFINITY)?
    } else {
        scope.count(request.limit as u64)?
    };
    scope.set(object, Key::Limit, limit)?;
    if let Some(most) = request.max_answer_bytes {
        scope.set(object, Key::MaxAnswerBytes, scope.count(most as u64)?)?;
    }
    write_log(scope, object, request.log.as_deref())?;
    Ok(object)
}

/// Reads a request.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_request(scope: Scope<'_>, value: Value<'_>) -> Result<Request<Body>> {
    let request = Message::new(scope, value, "a request", "malformed exchange request")?;
    Ok(Request {
        limit: request.count(Key::Limit)?.unwrap_or(DEFAULT_PAGE_LIMIT),
        watermarks: request
            .watermarks(Key::Watermarks)?
            .ok_or_else(|| request.wrong("a request must have `watermarks`"))?,
        shipped_after: request.watermarks(Key::ShippedAfter)?.unwrap_or_default(),
        items: request.items()?,
        max_answer_bytes: request.count(Key::MaxAnswerBytes)?,
        log: request.log()?,
    })
}

/// An answer as `SyncTransport.exchange` gives it.
pub fn write_answer<'s>(scope: Scope<'s>, answer: &Answer<Body>) -> Result<Value<'s>> {
    let object = scope.object()?;
    let [records, rows] = write_items(scope, &answer.items)?;
    scope.set(object, Key::Records, records)?;
    scope.set(object, Key::AppSyncableRows, rows)?;
    scope.set(object, Key::HasMore, scope.boolean(answer.has_more)?)?;
    if let Some(coverage) = &answer.coverage {
        let coverage = write_watermarks(scope, coverage)?;
        scope.set(object, Key::ResponderWatermarks, coverage)?;
    }
    for (key, refusals) in [
        (Key::Refused, &answer.refused),
        (Key::Withheld, &answer.withheld),
    ] {
        if !refusals.is_empty() {
            let told = refusals.iter().take(Refusal::MOST);
            scope.set(object, key, list(scope, told, write_refusal)?)?;
        }
    }
    write_log(scope, object, answer.log.as_deref())?;
    Ok(object)
}

/// Reads an answer.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_answer(scope: Scope<'_>, value: Value<'_>) -> Result<Answer<Body>> {
    let answer = Message::new(scope, value, "an answer", "malformed exchange answer")?;
    let (records, rows) = (answer.get(Key::Records)?, answer.get(Key::AppSyncableRows)?);
    if !scope.is_array(records)? && !scope.is_array(rows)? {
        return Err(answer.wrong("an answer must have `records`, `appSyncableRows` or both"));
    }
    let has_more = answer.field(Key::HasMore, "true or false", |more| scope.as_boolean(more))?;
    Ok(Answer {
        items: answer.items()?,
        has_more: has_more.unwrap_or(false),
        coverage: answer.watermarks(Key::ResponderWatermarks)?,
        refused: answer.refusals(Key::Refused)?,
        withheld: answer.refusals(Key::Withheld)?,
        log: answer.log()?,
    })
}

fn write_log(scope: Scope<'_>, message: Value<'_>, log: Option<&impl Serialize>) -> Result<()> {
    // A key that cannot be written as JSON leaves it out: the peer then answers by the older rules.
    let Some(Ok(json)) = log.map(serde_json::to_string) else {
        return Ok(());
    };
    scope.set(message, Key::Log, parse_json(scope, &json)?)
}

fn write_refusal<'s>(scope: Scope<'s>, refusal: &Refusal) -> Result<Value<'s>> {
    let object = scope.object()?;
    match &refusal.kind {
        ItemKind::Record(id) => {
            scope.set(object, Key::Kind, scope.text("record")?)?;
            scope.set(object, Key::Id, scope.string(id)?)?;
        }
        ItemKind::Row(table) => {
            scope.set(object, Key::Kind, scope.text("appRow")?)?;
            scope.set(object, Key::AppId, scope.string(&table.app)?)?;
            scope.set(object, Key::Table, scope.string(&table.name)?)?;
        }
    }
    if let Some(hlc) = &refusal.hlc {
        scope.set(object, Key::Timestamp, write_hlc(scope, hlc)?)?;
    }
    scope.set(object, Key::Code, scope.text(&refusal.code)?)?;
    scope.set(object, Key::Reason, scope.text(&refusal.reason)?)?;
    Ok(object)
}

fn read_refusal(scope: Scope<'_>, refusal: Value<'_>) -> Result<Option<Refusal>> {
    if scope.kind(refusal)? != Kind::Object {
        return Ok(None);
    }
    let text = |key| Ok::<_, Error>(scope.as_text(scope.get(refusal, key)?));
    let kind = text(Key::Kind)?.map(|kind| kind.to_string());
    let kind = match (
        kind.as_deref(),
        text(Key::Id)?,
        text(Key::AppId)?,
        text(Key::Table)?,
    ) {
        (Some("record"), Some(id), _, _) => ItemKind::Record(id),
        (Some("appRow"), _, Some(app), Some(name)) => ItemKind::Row(Table { app, name }),
        _ => return Ok(None),
    };
    let words = |key| Ok::<_, Error>(text(key)?.map(|text| text.to_string()).unwrap_or_default());
    let hlc = read_hlc_of(scope, refusal, Key::Timestamp)?;
    Ok(Some(Refusal::new(
        kind,
        hlc,
        words(Key::Code)?,
        words(Key::Reason)?,
    )))
}

/// The records and the rows, each in an array of their own.
fn write_items<'s>(scope: Scope<'s>, items: &[Item<Body>]) -> Result<[Value<'s>; 2]> {
    let is_record = |item: &&Item<Body>| matches!(item.kind, ItemKind::Record(_));
    Ok([
        list(scope, items.iter().filter(is_record), |scope, item| {
            item.body.to_js(scope)
        })?,
        list(
            scope,
            items.iter().filter(|item| !is_record(item)),
            |scope, item| item.body.to_js(scope),
        )?,
    ])
}
