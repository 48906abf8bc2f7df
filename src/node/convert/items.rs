//! Records and app rows across the bridge.

use std::rc::Rc;

use super::body::Body;
use super::stamps::read_hlc_of;
use crate::error::{Error, ErrorKind, Result};
use crate::node::error::{Thrown, thrown_in};
use crate::node::value::{Env, Intrinsic, Key, Kind, Scope, Slot, Value};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{
    Blob, Item, ItemKind, NoItem, Said, Table, deletes, record_blob, row_blob, size_in, size_of,
};
use crate::protocol::text::Text;

/// Reads a shared record around its body. `Err` says what it lacks.
pub fn read_record(
    scope: Scope<'_>,
    env: &Rc<Env>,
    record: Value<'_>,
) -> Result<std::result::Result<Item<Body>, NoItem>> {
    if scope.kind(record)? != Kind::Object {
        return Ok(Err(NoItem::Record));
    }
    let hlc = read_hlc_of(scope, env, record, Key::UpdatedAt)?;
    let Some((id, blob, body)) = read_around(scope, env, Intrinsic::PackRecord, record)? else {
        return Ok(Err(NoItem::Id));
    };
    Ok(hlc
        .map(|hlc| record_item(hlc, id, blob, body))
        .ok_or(NoItem::UpdatedAt))
}

/// The shared record at `index`, whose timestamp was read already. What cannot be read of it is its fault.
pub fn read_stamped(
    scope: Scope<'_>,
    env: &Rc<Env>,
    (records, index): (Value<'_>, u32),
    hlc: Hlc,
) -> Result<Item<Body>> {
    env.shared.put(Slot::Count, f64::from(index));
    let fault = match read_around(scope, env, Intrinsic::PackRecordAt, records) {
        Ok(Some((id, blob, body))) => {
            let fault = stamps_fault(env, &id);
            return Ok(Item {
                fault,
                ..record_item(hlc, id, blob, body)
            });
        }
        Ok(None) => malformed(&NoItem::Id.to_string()),
        Err(error) => unreadable(error)?,
    };
    let record = scope.element(records, index)?;
    faulty_record(scope, env, record, (hlc, fault))
}

/// A record that stands in a store without being one that can be exchanged.
pub fn faulty_record(
    scope: Scope<'_>,
    env: &Rc<Env>,
    record: Value<'_>,
    (hlc, fault): (Hlc, Error),
) -> Result<Item<Body>> {
    let id = match scope.kind(record)? {
        // What a getter throws leaves the record without a name; its fault is known already.
        Kind::Object => scope.get(env, record, Key::Id).ok(),
        _ => None,
    };
    let id = id.and_then(|id| scope.as_text(id));
    let id = id.unwrap_or_else(|| Text::from(NAMELESS));
    let body = Body::Js(env.keep(scope, record)?);
    Ok(Item {
        fault: Some(fault),
        ..record_item(hlc, id, None, body)
    })
}

/// A row of a table that stands in a store without being one that can be exchanged.
pub fn faulty_row(
    scope: Scope<'_>,
    env: &Rc<Env>,
    entry: Value<'_>,
    (table, hlc, fault): (&Table, Hlc, Error),
) -> Result<Item<Body>> {
    Ok(Item {
        hlc,
        kind: ItemKind::Row(table.clone()),
        blob: None,
        body: Body::Js(env.keep(scope, entry)?),
        fault: Some(fault),
    })
}

/// How a record is called that has no id which can be read.
const NAMELESS: &str = "(without an id)";

/// Whether this stands for an id that could not be read: its store does not know the record by it.
pub fn is_nameless(id: &Text) -> bool {
    *id == Text::from(NAMELESS)
}

/// The fault of an item that is not one.
pub fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::MalformedItem, "read an item", what)
}

/// The fault of an item that the app's own code threw at; any other error is no fault of the item.
pub fn unreadable(error: Error) -> Result<Error> {
    match thrown_in(&error) {
        Some(thrown) if error.kind() == ErrorKind::Foreign => Ok(malformed(&format!(
            "it must be readable, got: {}",
            error.message()
        ))
        .caused_by(Thrown::new(thrown))),
        _ => Err(error),
    }
}

/// What is wrong with the other timestamps of the record that was just read.
fn stamps_fault(env: &Env, id: &Text) -> Option<Error> {
    let field = match env.shared.count_after(Slot::First, STAMPS_FAULT) {
        Some(1) => "createdAt",
        Some(2) => "deletedAt",
        _ => return None,
    };
    Some(malformed(&format!(
        "{field} of the record {id:?} must be a timestamp {{ wallTime, counter, nodeId }}; mend it in its store"
    )))
}

/// Where a record's fault is laid down; see `js/bridge/pack.js`.
const STAMPS_FAULT: usize = 7;

fn record_item(hlc: Hlc, id: Text, blob: Option<Blob>, body: Body) -> Item<Body> {
    Item {
        hlc,
        kind: ItemKind::Record(id),
        blob,
        body,
        fault: None,
    }
}

/// The id of a record, its object, and the record itself.
fn read_around(
    scope: Scope<'_>,
    env: &Rc<Env>,
    pack: Intrinsic,
    record: Value<'_>,
) -> Result<Option<(Text, Option<Blob>, Body)>> {
    let (shared, kept) = (&env.shared, env.reserve());
    shared.put(Slot::Slab, f64::from(kept.slot()));
    let apart = env.helper(scope, pack, &[record])?;
    let deleted = shared.get(Slot::First) > 0.0;
    let size = size_of(shared.get_after(Slot::First, 5));
    let [id, key, mime_type, hash] = if scope.is_nullish(apart)? {
        let mut at = 0;
        [1, 2, 3, 4].map(|place| {
            let length = shared.count_after(Slot::First, place)?;
            at += length;
            Some(shared.letters(at - length, length, Text::from_units))
        })
    } else {
        let text = |index| Ok::<_, Error>(scope.as_text(scope.element(apart, index)?));
        [text(0)?, text(1)?, text(2)?, text(3)?]
    };
    Ok(id.map(|id| {
        let said = Said {
            key,
            mime_type,
            content_hash: hash,
            size,
        };
        let blob = record_blob(said, deleted);
        (id, blob, Body::Js(kept))
    }))
}

/// Reads an app row's entry around its body. `Err` says what it lacks.
pub fn read_row(
    scope: Scope<'_>,
    env: &Rc<Env>,
    entry: Value<'_>,
) -> Result<std::result::Result<Item<Body>, NoItem>> {
    if scope.kind(entry)? != Kind::Object {
        return Ok(Err(NoItem::Entry));
    }
    let Some(hlc) = read_hlc_of(scope, env, entry, Key::Timestamp)? else {
        return Ok(Err(NoItem::Timestamp));
    };
    let text = |key| Ok::<_, crate::error::Error>(scope.as_text(scope.get(env, entry, key)?));
    let (Some(app), Some(name)) = (text(Key::AppId)?, text(Key::Table)?) else {
        return Ok(Err(NoItem::Table));
    };
    let deleted = match deletes(text(Key::Op)?.as_ref()) {
        Ok(deleted) => deleted,
        Err(malformed) => return Ok(Err(malformed)),
    };
    let row = scope.get(env, entry, Key::Row)?;
    let has_row = scope.kind(row)? == Kind::Object;
    if !has_row && !scope.is_nullish(row)? {
        return Ok(Err(NoItem::Row));
    }
    let table = Table { app, name };
    let mut blob = None;
    if has_row {
        let key = scope.as_text(scope.get(env, row, Key::ObjectStorageKeyColumn)?);
        let mime_type = scope.as_text(scope.get(env, row, Key::MimeTypeColumn)?);
        let hash = scope.as_text(scope.get(env, row, Key::ContentHashColumn)?);
        let size = scope.get(env, row, Key::SizeBytesColumn)?;
        let said = Said {
            key,
            mime_type,
            content_hash: hash,
            size: read_size(scope, size),
        };
        blob = row_blob(&table, said, deleted);
    }
    Ok(Ok(Item {
        hlc,
        kind: ItemKind::Row(table),
        blob,
        body: Body::Js(env.keep(scope, entry)?),
        fault: None,
    }))
}

/// A number of bytes, as a number or in digits.
pub fn read_size(scope: Scope<'_>, value: Value<'_>) -> Option<u64> {
    match scope.as_number(value) {
        Some(number) => size_of(number),
        None => size_in(&scope.as_text(value)?.to_utf8()?),
    }
}
