//! Requests and answers as JavaScript objects.

use std::rc::Rc;

use super::convert::{Body, read_record, read_row, read_watermarks, write_watermarks};
use super::js::{Key, Kind, Realm, Scope, Value};
use crate::error::{Error, Result};
use crate::protocol::item::{Item, ItemKind, NoItem};
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Request, as_count};
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
    realm: &Realm,
    request: &Request<Body>,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    let watermarks = write_watermarks(scope, realm, &request.watermarks)?;
    scope.set(realm, object, Key::Watermarks, watermarks)?;
    if !request.shipped_after.is_empty() {
        let shipped_after = write_watermarks(scope, realm, &request.shipped_after)?;
        scope.set(realm, object, Key::ShippedAfter, shipped_after)?;
    }
    let (records, rows) = write_items(scope, realm, &request.items)?;
    for (key, list) in [(Key::Records, records), (Key::AppSyncableRows, rows)] {
        let list = if scope.length(list)? == 0 {
            scope.undefined()?
        } else {
            list
        };
        scope.set(realm, object, key, list)?;
    }
    let limit = if request.limit == usize::MAX {
        scope.number(f64::INFINITY)?
    } else {
        scope.count(request.limit as u64)?
    };
    scope.set(realm, object, Key::Limit, limit)?;
    Ok(object)
}

/// Reads a request.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_request(
    scope: Scope<'_>,
    realm: &Rc<Realm>,
    value: Value<'_>,
) -> Result<Request<Body>> {
    let malformed = Malformed("malformed exchange request");
    if scope.kind(value)? != Kind::Object {
        return Err(malformed.error("a request must be an object"));
    }
    let limit = scope.get(realm, value, Key::Limit)?;
    let limit = if scope.is_nullish(limit)? {
        DEFAULT_PAGE_LIMIT
    } else {
        let limit = scope.as_number(limit).and_then(as_count);
        limit.ok_or_else(|| malformed.error("limit must be a positive integer"))?
    };
    Ok(Request {
        watermarks: watermarks(scope, realm, value, Key::Watermarks, &malformed)?
            .ok_or_else(|| malformed.error("a request must have `watermarks`"))?,
        shipped_after: watermarks(scope, realm, value, Key::ShippedAfter, &malformed)?
            .unwrap_or_default(),
        items: items(scope, realm, value, &malformed)?,
        limit,
    })
}

/// An answer as `SyncTransport.exchange` gives it.
pub fn write_answer<'s>(
    scope: Scope<'s>,
    realm: &Realm,
    answer: &Answer<Body>,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    let (records, rows) = write_items(scope, realm, &answer.items)?;
    scope.set(realm, object, Key::Records, records)?;
    scope.set(realm, object, Key::AppSyncableRows, rows)?;
    scope.set(realm, object, Key::HasMore, scope.boolean(answer.has_more)?)?;
    if let Some(coverage) = &answer.coverage {
        let coverage = write_watermarks(scope, realm, coverage)?;
        scope.set(realm, object, Key::ResponderWatermarks, coverage)?;
    }
    Ok(object)
}

/// Reads an answer.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_answer(scope: Scope<'_>, realm: &Rc<Realm>, value: Value<'_>) -> Result<Answer<Body>> {
    let malformed = Malformed("malformed exchange answer");
    if scope.kind(value)? != Kind::Object {
        return Err(malformed.error("an answer must be an object"));
    }
    let records = scope.get(realm, value, Key::Records)?;
    let rows = scope.get(realm, value, Key::AppSyncableRows)?;
    if !scope.is_array(records)? && !scope.is_array(rows)? {
        return Err(malformed.error("an answer must have `records`, `appSyncableRows` or both"));
    }
    let has_more = scope.get(realm, value, Key::HasMore)?;
    let has_more = if scope.is_nullish(has_more)? {
        false
    } else {
        scope
            .as_boolean(has_more)
            .ok_or_else(|| malformed.error("hasMore must be true or false"))?
    };
    Ok(Answer {
        items: items(scope, realm, value, &malformed)?,
        has_more,
        coverage: watermarks(scope, realm, value, Key::ResponderWatermarks, &malformed)?,
    })
}

fn write_items<'s>(
    scope: Scope<'s>,
    realm: &Realm,
    items: &[Item<Body>],
) -> Result<(Value<'s>, Value<'s>)> {
    let (records, rows) = (scope.array()?, scope.array()?);
    let (mut record_count, mut row_count) = (0, 0);
    for item in items {
        let (list, count) = match item.kind {
            ItemKind::Record(_) => (records, &mut record_count),
            ItemKind::Row(_) => (rows, &mut row_count),
        };
        realm.scope(|scope| scope.set_element(list, *count, item.body.to_js(scope, realm)?))?;
        *count += 1;
    }
    Ok((records, rows))
}

fn watermarks(
    scope: Scope<'_>,
    realm: &Realm,
    message: Value<'_>,
    key: Key,
    malformed: &Malformed,
) -> Result<Option<Watermarks>> {
    let value = scope.get(realm, message, key)?;
    if scope.is_nullish(value)? {
        return Ok(None);
    }
    let read = read_watermarks(scope, realm, value)?;
    read.map(Some)
        .map_err(|what| malformed.error(&format!("{}: {what}", key.name())))
}

type Reader =
    fn(Scope<'_>, &Rc<Realm>, Value<'_>) -> Result<std::result::Result<Item<Body>, NoItem>>;

fn items(
    scope: Scope<'_>,
    realm: &Rc<Realm>,
    message: Value<'_>,
    malformed: &Malformed,
) -> Result<Vec<Item<Body>>> {
    let mut items = Vec::new();
    for (key, read) in [
        (Key::Records, read_record as Reader),
        (Key::AppSyncableRows, read_row),
    ] {
        let list = scope.get(realm, message, key)?;
        if scope.is_nullish(list)? {
            continue;
        }
        if !scope.is_array(list)? {
            return Err(malformed.error(&format!("{} must be an array", key.name())));
        }
        for index in 0..scope.length(list)? {
            let item = realm.scope(|scope| read(scope, realm, scope.element(list, index)?))?;
            items.push(
                item.map_err(|what| malformed.error(&format!("{}[{index}]: {what}", key.name())))?,
            );
        }
    }
    Ok(items)
}
