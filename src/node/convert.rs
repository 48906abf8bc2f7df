//! Timestamps, watermarks and items across the bridge.

use std::rc::Rc;

use super::error::{Thrown, thrown_in};
use super::value::{
    Env, Intrinsic, Key, Kind, NumberedNames, Persistent, Scope, SharedBuffer, Slot, Value,
};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{
    Blob, Item, ItemKind, NoItem, Said, Table, deletes, record_blob, row_blob, size_in, size_of,
};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::protocol::wire::weigh;
use crate::store::Json;

/// The body of an item, on whichever side of the bridge it came from.
#[derive(Debug, Clone)]
pub enum Body {
    /// A JavaScript object, carried by reference.
    Js(Persistent),
    /// JSON text.
    Json(Json),
    /// A JavaScript object, and the JSON text that it was found to be.
    Packed(Persistent, Json),
}

impl Body {
    /// The body as a JavaScript value.
    pub fn to_js<'s>(&self, scope: Scope<'s>, env: &Env) -> Result<Value<'s>> {
        match self {
            Self::Js(kept) | Self::Packed(kept, _) => kept.value(scope),
            Self::Json(text) => parse_json(scope, env, text),
        }
    }

    /// The body as JSON text.
    ///
    /// # Errors
    /// `MalformedItem` if it cannot be written as JSON.
    pub fn to_json(&self, env: &Env) -> Result<Json> {
        match self {
            Self::Json(text) | Self::Packed(_, text) => Ok(Json::clone(text)),
            Self::Js(kept) => env
                .scope(|scope| stringify(scope, env, kept.value(scope)?))
                .map_err(unwritable),
        }
    }
}

/// Brings the item's body into the form of JSON text, and returns how many bytes that has.
///
/// # Errors
/// `MalformedItem` if it cannot be written as JSON, or nests too deep.
pub fn pack_as_json(env: &Env, item: &mut Item<Body>) -> Result<usize> {
    let text = item.body.to_json(env)?;
    let size = weigh(&text)?;
    if let Body::Js(kept) = &item.body {
        item.body = Body::Packed(Persistent::clone(kept), text);
    }
    Ok(size)
}

fn unwritable(error: Error) -> Error {
    let message = format!("it must be writable as JSON, got: {}", error.message());
    let malformed = Error::new(ErrorKind::MalformedItem, "write an item", message);
    match thrown_in(&error) {
        Some(thrown) => malformed.caused_by(Thrown::new(thrown)),
        None => malformed.caused_by(error),
    }
}

/// A body that came as text.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the other way can fail, and both are asked for alike"
)]
pub fn as_body(json: &Json) -> Result<Body> {
    Ok(Body::Json(Json::clone(json)))
}

/// `JSON.parse`
pub fn parse_json<'s>(scope: Scope<'s>, env: &Env, text: &str) -> Result<Value<'s>> {
    let parse = env.intrinsic(scope, Intrinsic::Parse)?;
    scope.call(scope.undefined()?, parse, &[scope.text(text)?])
}

/// `JSON.stringify`, with what getters of a class answer.
pub fn stringify(scope: Scope<'_>, env: &Env, value: Value<'_>) -> Result<Json> {
    let text = env.helper(scope, Intrinsic::TextOf, &[value])?;
    let text = scope.as_text(text).map(|text| text.to_string());
    Ok(Json::from(text.unwrap_or_else(|| "null".to_owned())))
}

/// A timestamp, or `None` if the value is none: both numbers are non-negative safe integers and the node
/// id is a string.
pub fn read_hlc(scope: Scope<'_>, env: &Env, value: Value<'_>) -> Result<Option<Hlc>> {
    read_one(scope, env, value, None)
}

/// The timestamp that a value has under `key`, if there is one.
pub fn read_hlc_of(scope: Scope<'_>, env: &Env, value: Value<'_>, key: Key) -> Result<Option<Hlc>> {
    read_one(scope, env, value, Some(key))
}

fn read_one(
    scope: Scope<'_>,
    env: &Env,
    value: Value<'_>,
    key: Option<Key>,
) -> Result<Option<Hlc>> {
    env.shared.put_key(key);
    env.helper(scope, Intrinsic::PackHlc, &[value])?;
    let stamp = env.shared.from(Slot::First, NumberedNames::STRIDE);
    env.with_names(scope, |names| names.hlc_at(stamp))
}

/// A timestamp as an object.
pub fn write_hlc<'s>(scope: Scope<'s>, env: &Env, hlc: &Hlc) -> Result<Value<'s>> {
    env.put_hlc(scope, 0, hlc)?;
    env.helper(scope, Intrinsic::MakeHlc, &[])
}

/// The timestamps that the items of an array have under `field`, or that they are; `None` where there is
/// none.
pub fn read_hlcs(
    scope: Scope<'_>,
    env: &Env,
    items: Value<'_>,
    field: Option<Key>,
) -> Result<Vec<Option<Hlc>>> {
    let (apart, length) = pack_hlcs(scope, env, items, field)?;
    let numbers = env
        .shared
        .list(scope, apart, NumberedNames::STRIDE * length)?;
    env.with_names(scope, |names| {
        let stamps = numbers.chunks_exact(NumberedNames::STRIDE);
        stamps.map(|stamp| names.hlc_at(stamp)).collect()
    })
}

/// Lays the timestamps of an array's items down; they lie on the page or apart. Answers how many there are.
fn pack_hlcs<'s>(
    scope: Scope<'s>,
    env: &Env,
    items: Value<'s>,
    field: Option<Key>,
) -> Result<(Value<'s>, usize)> {
    let length = scope.length(items)? as usize;
    env.shared.put_key(field);
    let apart = env.helper(scope, Intrinsic::PackHlcs, &[items])?;
    Ok((apart, length))
}

/// Of so many timestamps, which lie on the page or apart, those that are wanted, with their index; `None`
/// for what is no timestamp.
pub fn wanted_hlcs<'s>(
    scope: Scope<'s>,
    env: &Env,
    (apart, length): (Value<'s>, usize),
    wanted: impl Fn(&Hlc) -> bool,
) -> Result<Vec<(u32, Option<Hlc>)>> {
    let numbers = env
        .shared
        .list(scope, apart, NumberedNames::STRIDE * length)?;
    env.with_names(scope, |names| names.wanted_hlcs(numbers, wanted))
}

/// The items of an array whose timestamps under `field` are `wanted`, as an array. `Err` is the index of one
/// that has no timestamp.
pub fn pick_wanted<'s>(
    scope: Scope<'s>,
    env: &Env,
    (items, field): (Value<'s>, Key),
    wanted: impl Fn(&Hlc) -> bool,
) -> Result<std::result::Result<Value<'s>, u32>> {
    let (apart, length) = pack_hlcs(scope, env, items, Some(field))?;
    let found = wanted_hlcs(scope, env, (apart, length), wanted)?;
    if let Some((index, _)) = found.iter().find(|(_, hlc)| hlc.is_none()) {
        return Ok(Err(*index));
    }
    // The timestamps have been read: the indexes take their place.
    let numbers = env.shared.list(scope, apart, length)?;
    let mut count = 0u32;
    for (number, (index, _)) in numbers.iter().zip(&found) {
        number.set(f64::from(*index));
        count += 1;
    }
    env.shared.put(Slot::Count, f64::from(count));
    env.helper(scope, Intrinsic::PickAt, &[items, apart])
        .map(Ok)
}

/// Numbers of an entry of watermarks: that of the name it stands under, and the timestamp's three.
const ENTRY_STRIDE: usize = 4;

const ENTRIES_ON_DESK: usize = SharedBuffer::ROOM / ENTRY_STRIDE;

/// A version vector. `Err` says what is wrong with it.
pub fn read_watermarks(
    scope: Scope<'_>,
    env: &Env,
    value: Value<'_>,
) -> Result<std::result::Result<Watermarks, String>> {
    let apart = env.helper(scope, Intrinsic::PackWatermarks, &[value])?;
    let Some(count) = env.shared.count(Slot::Count) else {
        let what = "watermarks must be an object of timestamps by nodeId";
        return Ok(Err(what.to_owned()));
    };
    let numbers = env.shared.list(scope, apart, ENTRY_STRIDE * count)?;
    env.with_names(scope, |names| {
        let mut watermarks = Watermarks::default();
        for entry in numbers.chunks_exact(ENTRY_STRIDE) {
            let Some(node) = names.name(entry[0].get()) else {
                continue;
            };
            let Some(hlc) = names.hlc_at(&entry[1..]) else {
                let node = node.to_string();
                return Err(format!("the watermark of {node:?} must be a timestamp"));
            };
            watermarks.set(node.clone(), Some(hlc));
        }
        Ok(watermarks)
    })
}

/// A version vector as an object.
pub fn write_watermarks<'s>(
    scope: Scope<'s>,
    env: &Env,
    watermarks: &Watermarks,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    let mut entries = watermarks.iter().peekable();
    while entries.peek().is_some() {
        put_entries(scope, env, entries.by_ref().take(ENTRIES_ON_DESK))?;
        env.helper(scope, Intrinsic::MakeWatermarks, &[object])?;
    }
    Ok(object)
}

/// Lays a version vector down; `false` where it does not fit.
pub fn put_watermarks(scope: Scope<'_>, env: &Env, watermarks: &Watermarks) -> Result<bool> {
    if watermarks.len() > ENTRIES_ON_DESK {
        return Ok(false);
    }
    put_entries(scope, env, watermarks.iter())?;
    Ok(true)
}

fn put_entries<'w>(
    scope: Scope<'_>,
    env: &Env,
    entries: impl Iterator<Item = (&'w NodeId, &'w Hlc)>,
) -> Result<()> {
    let mut count = 0u32;
    for (node, hlc) in entries {
        let at = count as usize * ENTRY_STRIDE;
        let name = env.number_of(scope, node)?;
        env.shared.put_after(Slot::First, at, name);
        env.put_hlc(scope, at + 1, hlc)?;
        count += 1;
    }
    env.shared.put(Slot::Count, f64::from(count));
    Ok(())
}

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
