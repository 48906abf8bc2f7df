//! Timestamps, watermarks and items across the border.

use std::rc::Rc;

use super::js::{Intrinsic, Kept, Key, Kind, Realm, Scope, Value};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::item::{Item, ItemKind, NoItem, Table, deletes, record_blob, row_blob};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::Json;

/// The body of an item, on whichever side of the border it came from.
#[derive(Debug, Clone)]
pub enum Body {
    /// A JavaScript object, carried by reference.
    Js(Kept),
    /// JSON text.
    Json(Json),
}

impl Body {
    /// The body as a JavaScript value.
    pub fn to_js<'s>(&self, scope: Scope<'s>, realm: &Realm) -> Result<Value<'s>> {
        match self {
            Self::Js(kept) => kept.value(scope),
            Self::Json(text) => parse_json(scope, realm, text),
        }
    }

    /// The body as JSON text.
    pub fn to_json(&self, realm: &Realm) -> Result<Json> {
        match self {
            Self::Json(text) => Ok(Json::clone(text)),
            Self::Js(kept) => realm.scope(|scope| stringify(scope, realm, kept.value(scope)?)),
        }
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

/// An item of a native store, with its timestamp.
pub fn from_native(item: Item<Json>) -> (Hlc, Item<Body>) {
    let hlc = item.hlc.clone();
    let item = Item {
        hlc: item.hlc,
        kind: item.kind,
        blob: item.blob,
        body: Body::Json(item.body),
    };
    (hlc, item)
}

/// `JSON.parse`
pub fn parse_json<'s>(scope: Scope<'s>, realm: &Realm, text: &str) -> Result<Value<'s>> {
    let parse = realm.intrinsic(scope, Intrinsic::Parse)?;
    scope.call(scope.undefined()?, parse, &[scope.text(text)?])
}

/// `JSON.stringify`
pub fn stringify(scope: Scope<'_>, realm: &Realm, value: Value<'_>) -> Result<Json> {
    let stringify = realm.intrinsic(scope, Intrinsic::Stringify)?;
    let text = scope.call(scope.undefined()?, stringify, &[value])?;
    let text = scope.as_text(text).map(|text| text.to_string());
    Ok(Json::from(text.unwrap_or_else(|| "null".to_owned())))
}

/// The names that a timestamp is read by, looked up once for many.
#[derive(Clone, Copy)]
pub struct HlcReader<'s> {
    wall_time: Value<'s>,
    counter: Value<'s>,
    node_id: Value<'s>,
}

impl<'s> HlcReader<'s> {
    /// A reader for `scope`.
    pub fn new(scope: Scope<'s>, realm: &Realm) -> Result<Self> {
        Ok(Self {
            wall_time: realm.key(scope, Key::WallTime)?,
            counter: realm.key(scope, Key::Counter)?,
            node_id: realm.key(scope, Key::NodeId)?,
        })
    }

    /// The timestamp, or `None` if the value is none: both numbers are non-negative safe integers and
    /// the node id is a string.
    pub fn read(&self, scope: Scope<'_>, realm: &Realm, value: Value<'_>) -> Result<Option<Hlc>> {
        if scope.kind(value)? != Kind::Object {
            return Ok(None);
        }
        let integer = |name| {
            Ok(scope
                .as_number(scope.property(value, name)?)
                .and_then(safe_integer))
        };
        let (Some(wall_time), Some(counter)) = (integer(self.wall_time)?, integer(self.counter)?)
        else {
            return Ok(None);
        };
        let node = scope.property(value, self.node_id)?;
        Ok(realm
            .interned(scope, node)
            .map(|node_id| Hlc::new(wall_time, counter, node_id)))
    }
}

/// A timestamp, or `None` if the value is none.
pub fn read_hlc(scope: Scope<'_>, realm: &Realm, value: Value<'_>) -> Result<Option<Hlc>> {
    HlcReader::new(scope, realm)?.read(scope, realm, value)
}

/// A timestamp as an object.
pub fn write_hlc<'s>(scope: Scope<'s>, realm: &Realm, hlc: &Hlc) -> Result<Value<'s>> {
    let make = realm.intrinsic(scope, Intrinsic::MakeHlc)?;
    let fields = [
        scope.count(hlc.wall_time)?,
        scope.count(hlc.counter)?,
        scope.string(&hlc.node_id)?,
    ];
    scope.call(scope.undefined()?, make, &fields)
}

/// The timestamps that the items of an array have under `field`, or that they are; `None` where there is
/// none.
pub fn read_hlcs(
    scope: Scope<'_>,
    realm: &Realm,
    items: Value<'_>,
    field: Option<Key>,
) -> Result<Vec<Option<Hlc>>> {
    const HEADER: usize = 1;
    const STRIDE: usize = 3;
    let length = scope.length(items)? as usize;
    let pack = realm.intrinsic(scope, Intrinsic::PackHlcs)?;
    let field = match field {
        Some(field) => realm.key(scope, field)?,
        None => scope.undefined()?,
    };
    let packed = scope.call(scope.undefined()?, pack, &[items, field])?;
    let numbers = scope.doubles(scope.element(packed, 0)?, HEADER + STRIDE * length)?;
    let mut known = realm.packed_names.borrow_mut();
    if numbers.first() != Some(&known.generation) {
        known.generation = numbers.first().copied().unwrap_or_default();
        known.names.clear();
    }
    let names = scope.element(packed, 1)?;
    for index in (0..scope.length(names)?).skip(known.names.len()) {
        let name = scope.as_text(scope.element(names, index)?);
        known.names.extend(name);
    }
    let hlc = |numbers: &[f64]| match numbers {
        [wall_time, counter, name] => Some(Hlc::new(
            safe_integer(*wall_time)?,
            safe_integer(*counter)?,
            known
                .names
                .get(usize::try_from(safe_integer(*name)?).ok()?)?
                .clone(),
        )),
        _ => None,
    };
    let stamps = numbers
        .get(HEADER..)
        .unwrap_or_default()
        .chunks_exact(STRIDE);
    Ok(stamps.map(hlc).collect())
}

/// A version vector. `Err` carries the node whose entry is no timestamp.
pub fn read_watermarks(
    scope: Scope<'_>,
    realm: &Realm,
    value: Value<'_>,
) -> Result<std::result::Result<Watermarks, String>> {
    if scope.kind(value)? != Kind::Object || scope.is_array(value)? {
        return Ok(Err(
            "watermarks are an object of timestamps by nodeId".to_owned()
        ));
    }
    let entries = realm.intrinsic(scope, Intrinsic::EntriesOf)?;
    let entries = scope.call(scope.undefined()?, entries, &[value])?;
    let (names, stamps) = (scope.element(entries, 0)?, scope.element(entries, 1)?);
    let mut watermarks = Watermarks::default();
    for (index, hlc) in (0u32..).zip(read_hlcs(scope, realm, stamps, None)?) {
        let name = scope.element(names, index)?;
        let Some(node) = realm.interned(scope, name) else {
            continue;
        };
        match hlc {
            Some(hlc) => watermarks.set(node, Some(hlc)),
            None => {
                return Ok(Err(format!(
                    "the watermark of {:?} is no timestamp",
                    node.to_string()
                )));
            }
        }
    }
    Ok(Ok(watermarks))
}

/// A version vector as an object.
pub fn write_watermarks<'s>(
    scope: Scope<'s>,
    realm: &Realm,
    watermarks: &Watermarks,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    let set = realm.intrinsic(scope, Intrinsic::SetEntry)?;
    for (node, hlc) in watermarks.iter() {
        realm.scope(|scope| {
            let entry = [
                object,
                scope.string(node)?,
                scope.count(hlc.wall_time)?,
                scope.count(hlc.counter)?,
                scope.string(&hlc.node_id)?,
            ];
            scope.call(scope.undefined()?, set, &entry).map(|_| ())
        })?;
    }
    Ok(object)
}

/// Reads a shared record around its body. `Err` says what it lacks.
pub fn read_record(
    scope: Scope<'_>,
    realm: &Rc<Realm>,
    record: Value<'_>,
) -> Result<std::result::Result<Item<Body>, NoItem>> {
    if scope.kind(record)? != Kind::Object {
        return Ok(Err(NoItem::Record));
    }
    let Some(id) = scope.as_text(scope.get(realm, record, Key::Id)?) else {
        return Ok(Err(NoItem::Id));
    };
    let Some(hlc) = read_hlc(scope, realm, scope.get(realm, record, Key::UpdatedAt)?)? else {
        return Ok(Err(NoItem::UpdatedAt));
    };
    record_item(scope, realm, record, id, hlc).map(Ok)
}

/// A shared record whose id and timestamp were read already.
pub fn record_item(
    scope: Scope<'_>,
    realm: &Rc<Realm>,
    record: Value<'_>,
    id: Text,
    hlc: Hlc,
) -> Result<Item<Body>> {
    let deleted = !scope.is_nullish(scope.get(realm, record, Key::DeletedAt)?)?;
    let key = scope.as_text(scope.get(realm, record, Key::ObjectStorageKey)?);
    let mime_type = scope.as_text(scope.get(realm, record, Key::MimeType)?);
    let hash = match &key {
        Some(key) if !key.is_empty() => {
            scope.as_text(scope.get(realm, record, Key::ContentHash)?)
        }
        _ => None,
    };
    Ok(Item {
        hlc,
        kind: ItemKind::Record(id),
        blob: record_blob(key, deleted, mime_type, hash.as_ref()),
        body: Body::Js(realm.keep(scope, record)?),
    })
}

/// Reads an app row's entry around its body. `Err` says what it lacks.
pub fn read_row(
    scope: Scope<'_>,
    realm: &Rc<Realm>,
    entry: Value<'_>,
) -> Result<std::result::Result<Item<Body>, NoItem>> {
    if scope.kind(entry)? != Kind::Object {
        return Ok(Err(NoItem::Entry));
    }
    let Some(hlc) = read_hlc(scope, realm, scope.get(realm, entry, Key::Timestamp)?)? else {
        return Ok(Err(NoItem::Timestamp));
    };
    let text = |key| Ok::<_, crate::error::Error>(scope.as_text(scope.get(realm, entry, key)?));
    let (Some(app), Some(name)) = (text(Key::AppId)?, text(Key::Table)?) else {
        return Ok(Err(NoItem::Table));
    };
    let deleted = match deletes(text(Key::Op)?.as_ref()) {
        Ok(deleted) => deleted,
        Err(malformed) => return Ok(Err(malformed)),
    };
    let row = scope.get(realm, entry, Key::Row)?;
    let has_row = scope.kind(row)? == Kind::Object;
    if !has_row && !scope.is_nullish(row)? {
        return Ok(Err(NoItem::Row));
    }
    let table = Table { app, name };
    let mut blob = None;
    if has_row {
        let key = scope.as_text(scope.get(realm, row, Key::ObjectStorageKeyColumn)?);
        let mime_type = scope.as_text(scope.get(realm, row, Key::MimeTypeColumn)?);
        let hash = scope.as_text(scope.get(realm, row, Key::ContentHashColumn)?);
        blob = row_blob(&table, deleted, key, mime_type, hash.as_ref());
    }
    Ok(Ok(Item {
        hlc,
        kind: ItemKind::Row(table),
        blob,
        body: Body::Js(realm.keep(scope, entry)?),
    }))
}
