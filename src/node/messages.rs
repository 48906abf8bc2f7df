//! Requests and answers as JavaScript objects.

use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::convert::{
    Body, parse_json, read_hlc_of, read_record, read_row, read_watermarks, stringify, write_hlc,
    write_watermarks,
};
use super::value::{Env, Key, Kind, Scope, Value};
use crate::error::{Error, Result};
use crate::protocol::item::{Item, ItemKind, NoItem, Table};
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Refusal, Request, as_count};
use crate::protocol::watermarks::Watermarks;

/// Where a message is wrong.
struct Malformed(&'static str);

impl Malformed {
    fn error(&self, what: &str) -> Error {
        Error::sync(self.0, what)
    }
}

/// A request as `SyncTransport.exchange` takes it. Lists without items are left `undefined`.
pub fn write_request<'s>(
    scope: Scope<'s>,
    env: &Env,
    request: &Request<Body>,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    let watermarks = write_watermarks(scope, env, &request.watermarks)?;
    scope.set(env, object, Key::Watermarks, watermarks)?;
    if !request.shipped_after.is_empty() {
        let shipped_after = write_watermarks(scope, env, &request.shipped_after)?;
        scope.set(env, object, Key::ShippedAfter, shipped_after)?;
    }
    let (records, rows) = write_items(scope, env, &request.items)?;
    for (key, list) in [(Key::Records, records), (Key::AppSyncableRows, rows)] {
        let list = if scope.length(list)? == 0 {
            scope.undefined()?
        } else {
            list
        };
        scope.set(env, object, key, list)?;
    }
    let limit = if request.limit == usize::MAX {
        scope.number(f64::INFINITY)?
    } else {
        scope.count(request.limit as u64)?
    };
    scope.set(env, object, Key::Limit, limit)?;
    if let Some(most) = request.max_answer_bytes {
        scope.set(env, object, Key::MaxAnswerBytes, scope.count(most as u64)?)?;
    }
    write_log(scope, env, object, request.log.as_deref())?;
    Ok(object)
}

/// Reads a request.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_request(scope: Scope<'_>, env: &Rc<Env>, value: Value<'_>) -> Result<Request<Body>> {
    let malformed = Malformed("malformed exchange request");
    if scope.kind(value)? != Kind::Object {
        return Err(malformed.error("a request must be an object"));
    }
    let limit = scope.get(env, value, Key::Limit)?;
    let limit = if scope.is_nullish(limit)? {
        DEFAULT_PAGE_LIMIT
    } else {
        let limit = scope.as_number(limit).and_then(as_count);
        limit.ok_or_else(|| malformed.error("limit must be a positive integer"))?
    };
    Ok(Request {
        watermarks: watermarks(scope, env, value, Key::Watermarks, &malformed)?
            .ok_or_else(|| malformed.error("a request must have `watermarks`"))?,
        shipped_after: watermarks(scope, env, value, Key::ShippedAfter, &malformed)?
            .unwrap_or_default(),
        items: items(scope, env, value, &malformed)?,
        limit,
        max_answer_bytes: max_answer_bytes(scope, env, value, &malformed)?,
        log: read_log(scope, env, value, &malformed)?,
    })
}

/// What sides with change logs say to each other. It is data alone, so it crosses as JSON.
fn read_log<T: DeserializeOwned>(
    scope: Scope<'_>,
    env: &Env,
    message: Value<'_>,
    malformed: &Malformed,
) -> Result<Option<Box<T>>> {
    let log = scope.get(env, message, Key::Log)?;
    if scope.is_nullish(log)? {
        return Ok(None);
    }
    let json = stringify(scope, env, log)?;
    let read = serde_json::from_str(&json).map(|log| Some(Box::new(log)));
    read.map_err(|error| malformed.error(&format!("log: {error}")))
}

fn write_log(
    scope: Scope<'_>,
    env: &Env,
    message: Value<'_>,
    log: Option<&impl Serialize>,
) -> Result<()> {
    // A key that cannot be written as JSON leaves it out: the peer then answers by the older rules.
    let Some(Ok(json)) = log.map(serde_json::to_string) else {
        return Ok(());
    };
    scope.set(env, message, Key::Log, parse_json(scope, env, &json)?)
}

fn max_answer_bytes(
    scope: Scope<'_>,
    env: &Rc<Env>,
    request: Value<'_>,
    malformed: &Malformed,
) -> Result<Option<usize>> {
    let most = scope.get(env, request, Key::MaxAnswerBytes)?;
    if scope.is_nullish(most)? {
        return Ok(None);
    }
    let most = scope.as_number(most).and_then(as_count);
    most.map(Some)
        .ok_or_else(|| malformed.error("maxAnswerBytes must be a positive integer"))
}

/// An answer as `SyncTransport.exchange` gives it.
pub fn write_answer<'s>(scope: Scope<'s>, env: &Env, answer: &Answer<Body>) -> Result<Value<'s>> {
    let object = scope.object()?;
    let (records, rows) = write_items(scope, env, &answer.items)?;
    scope.set(env, object, Key::Records, records)?;
    scope.set(env, object, Key::AppSyncableRows, rows)?;
    scope.set(env, object, Key::HasMore, scope.boolean(answer.has_more)?)?;
    if let Some(coverage) = &answer.coverage {
        let coverage = write_watermarks(scope, env, coverage)?;
        scope.set(env, object, Key::ResponderWatermarks, coverage)?;
    }
    for (key, list) in [
        (Key::Refused, &answer.refused),
        (Key::Withheld, &answer.withheld),
    ] {
        if !list.is_empty() {
            scope.set(env, object, key, write_refusals(scope, env, list)?)?;
        }
    }
    write_log(scope, env, object, answer.log.as_deref())?;
    Ok(object)
}

/// Reads an answer.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_answer(scope: Scope<'_>, env: &Rc<Env>, value: Value<'_>) -> Result<Answer<Body>> {
    let malformed = Malformed("malformed exchange answer");
    if scope.kind(value)? != Kind::Object {
        return Err(malformed.error("an answer must be an object"));
    }
    let records = scope.get(env, value, Key::Records)?;
    let rows = scope.get(env, value, Key::AppSyncableRows)?;
    if !scope.is_array(records)? && !scope.is_array(rows)? {
        return Err(malformed.error("an answer must have `records`, `appSyncableRows` or both"));
    }
    let has_more = scope.get(env, value, Key::HasMore)?;
    let has_more = if scope.is_nullish(has_more)? {
        false
    } else {
        scope
            .as_boolean(has_more)
            .ok_or_else(|| malformed.error("hasMore must be true or false"))?
    };
    Ok(Answer {
        items: items(scope, env, value, &malformed)?,
        has_more,
        coverage: watermarks(scope, env, value, Key::ResponderWatermarks, &malformed)?,
        refused: read_refusals(scope, env, value, Key::Refused)?,
        withheld: read_refusals(scope, env, value, Key::Withheld)?,
        log: read_log(scope, env, value, &malformed)?,
    })
}

fn write_refusals<'s>(scope: Scope<'s>, env: &Env, refusals: &[Refusal]) -> Result<Value<'s>> {
    let list = scope.array()?;
    for (index, refusal) in (0u32..).zip(refusals.iter().take(Refusal::MOST)) {
        env.scope(|scope| {
            let object = scope.object()?;
            match &refusal.kind {
                ItemKind::Record(id) => {
                    scope.set(env, object, Key::Kind, scope.text("record")?)?;
                    scope.set(env, object, Key::Id, scope.string(id)?)?;
                }
                ItemKind::Row(table) => {
                    scope.set(env, object, Key::Kind, scope.text("appRow")?)?;
                    scope.set(env, object, Key::AppId, scope.string(&table.app)?)?;
                    scope.set(env, object, Key::Table, scope.string(&table.name)?)?;
                }
            }
            if let Some(hlc) = &refusal.hlc {
                let stamp = write_hlc(scope, env, hlc)?;
                scope.set(env, object, Key::Timestamp, stamp)?;
            }
            scope.set(env, object, Key::Code, scope.text(&refusal.code)?)?;
            scope.set(env, object, Key::Reason, scope.text(&refusal.reason)?)?;
            scope.set_element(list, index, object)
        })?;
    }
    Ok(list)
}

/// What a peer says of items that it did not take in or cannot send. It only explains: what cannot be read of it
/// is passed over.
fn read_refusals(
    scope: Scope<'_>,
    env: &Rc<Env>,
    answer: Value<'_>,
    key: Key,
) -> Result<Vec<Refusal>> {
    let list = scope.get(env, answer, key)?;
    if !scope.is_array(list)? {
        return Ok(Vec::new());
    }
    let mut refusals = Vec::new();
    let most = u32::try_from(Refusal::MOST).unwrap_or(u32::MAX);
    for index in 0..scope.length(list)?.min(most) {
        let refusal = env.scope(|scope| read_refusal(scope, env, scope.element(list, index)?))?;
        refusals.extend(refusal);
    }
    Ok(refusals)
}

fn read_refusal(scope: Scope<'_>, env: &Rc<Env>, refusal: Value<'_>) -> Result<Option<Refusal>> {
    if scope.kind(refusal)? != Kind::Object {
        return Ok(None);
    }
    let text = |key| Ok::<_, Error>(scope.as_text(scope.get(env, refusal, key)?));
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
    let hlc = read_hlc_of(scope, env, refusal, Key::Timestamp)?;
    Ok(Some(Refusal::new(
        kind,
        hlc,
        words(Key::Code)?,
        words(Key::Reason)?,
    )))
}

fn write_items<'s>(
    scope: Scope<'s>,
    env: &Env,
    items: &[Item<Body>],
) -> Result<(Value<'s>, Value<'s>)> {
    let (records, rows) = (scope.array()?, scope.array()?);
    let (mut record_count, mut row_count) = (0, 0);
    for item in items {
        let (list, count) = match item.kind {
            ItemKind::Record(_) => (records, &mut record_count),
            ItemKind::Row(_) => (rows, &mut row_count),
        };
        env.scope(|scope| scope.set_element(list, *count, item.body.to_js(scope, env)?))?;
        *count += 1;
    }
    Ok((records, rows))
}

fn watermarks(
    scope: Scope<'_>,
    env: &Env,
    message: Value<'_>,
    key: Key,
    malformed: &Malformed,
) -> Result<Option<Watermarks>> {
    let value = scope.get(env, message, key)?;
    if scope.is_nullish(value)? {
        return Ok(None);
    }
    let read = read_watermarks(scope, env, value)?;
    read.map(Some)
        .map_err(|what| malformed.error(&format!("{}: {what}", key.name())))
}

type Reader = fn(Scope<'_>, &Rc<Env>, Value<'_>) -> Result<std::result::Result<Item<Body>, NoItem>>;

fn items(
    scope: Scope<'_>,
    env: &Rc<Env>,
    message: Value<'_>,
    malformed: &Malformed,
) -> Result<Vec<Item<Body>>> {
    let mut items = Vec::new();
    for (key, read) in [
        (Key::Records, read_record as Reader),
        (Key::AppSyncableRows, read_row),
    ] {
        let list = scope.get(env, message, key)?;
        if scope.is_nullish(list)? {
            continue;
        }
        if !scope.is_array(list)? {
            return Err(malformed.error(&format!("{} must be an array", key.name())));
        }
        for index in 0..scope.length(list)? {
            let item = env.scope(|scope| read(scope, env, scope.element(list, index)?))?;
            items.push(
                item.map_err(|what| malformed.error(&format!("{}[{index}]: {what}", key.name())))?,
            );
        }
    }
    Ok(items)
}
