//! Records and app rows across the bridge: envelopes around bodies.

use std::rc::Rc;

use super::stamps::read_hlc_of;
use crate::error::{Error, ErrorKind, Result};
use crate::node::runtime::{Argument, parse_json, stringify};
use crate::node::value::{Env, Intrinsic, Kind, Persistent, Scope, Thrown, Value, thrown_in};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{
    Blob, Item, ItemKind, NoItem, Said, Table, deletes, malformed, record_blob, row_blob, size_in,
    size_of, without_other_time,
};
use crate::protocol::log::Stream;
use crate::protocol::text::Text;
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

impl Argument for Body {
    fn to_js<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        match self {
            Self::Js(kept) | Self::Packed(kept, _) => kept.value(scope),
            Self::Json(text) => parse_json(scope, text),
        }
    }
}

impl Body {
    /// A body that came as text.
    pub fn of(json: &Json) -> Self {
        Self::Json(Json::clone(json))
    }

    /// The body as JSON text.
    ///
    /// # Errors
    /// `MalformedItem` if it cannot be written as JSON.
    pub fn to_json(&self, env: &Rc<Env>) -> Result<Json> {
        match self {
            Self::Json(text) | Self::Packed(_, text) => Ok(Json::clone(text)),
            Self::Js(kept) => env
                .scope(|scope| stringify(scope, kept.value(scope)?))
                .map_err(unwritable),
        }
    }
}

/// Brings the item's body into the form of JSON text, and returns how many bytes that has.
///
/// # Errors
/// `MalformedItem` if it cannot be written as JSON, or nests too deep.
pub fn pack_as_json(env: &Rc<Env>, item: &mut Item<Body>) -> Result<usize> {
    let text = item.body.to_json(env)?;
    let size = weigh(&text)?;
    if let Body::Js(kept) = &item.body {
        item.body = Body::Packed(Persistent::clone(kept), text);
    }
    Ok(size)
}

fn unwritable(error: Error) -> Error {
    let message = format!("it must be writable as JSON, got: {}", error.message());
    let malformed = Error::new(ErrorKind::MalformedItem, "write an item", message)
        .told_as("it must be writable as JSON");
    match thrown_in(&error) {
        Some(thrown) => malformed.caused_by(Thrown::new(thrown)),
        None => malformed.caused_by(error),
    }
}

/// Reads a shared record around its body. `Err` says what it lacks.
pub fn read_record(
    scope: Scope<'_>,
    record: Value<'_>,
) -> Result<std::result::Result<Item<Body>, NoItem>> {
    if scope.kind(record)? != Kind::Object {
        return Ok(Err(NoItem::Record));
    }
    let hlc = read_hlc_of(scope, record, "updatedAt")?;
    let Some((id, blob, _)) = read_around(scope, record)? else {
        return Ok(Err(NoItem::Id));
    };
    let Some(hlc) = hlc else {
        return Ok(Err(NoItem::UpdatedAt));
    };
    let body = Body::Js(scope.keep(record)?);
    Ok(Ok(Item::new(hlc, ItemKind::Record(id), blob, body)))
}

/// What a store holds in `stream`, whose timestamp, or why it has none, was read already. What cannot be read of it is
/// its fault.
pub fn read_stored(
    scope: Scope<'_>,
    stream: &Stream,
    stored: Value<'_>,
    stamp: std::result::Result<Hlc, Error>,
) -> Result<Item<Body>> {
    let (hlc, fault) = match (stamp, stream) {
        (Err(fault), _) => (Hlc::zero(), fault),
        (Ok(hlc), Stream::Records) => match read_around(scope, stored) {
            Ok(Some((id, blob, fault))) => {
                let body = Body::Js(scope.keep(stored)?);
                let item = Item::new(hlc, ItemKind::Record(id), blob, body);
                return Ok(Item { fault, ..item });
            }
            Ok(None) => (hlc, NoItem::Id.fault()),
            Err(error) => (hlc, unreadable(error)?),
        },
        (Ok(hlc), Stream::Rows(_)) => match read_row(scope, stored) {
            Ok(Ok(item)) => return Ok(item),
            Ok(Err(what)) => (hlc, what.fault()),
            Err(error) => (hlc, unreadable(error)?),
        },
    };
    let id = || id_of(scope, stored).unwrap_or(ItemKind::NAMELESS.into());
    let body = Body::Js(scope.keep(stored)?);
    Ok(Item {
        fault: Some(fault),
        ..Item::new(hlc, stream.kind(id), None, body)
    })
}

/// The id of a record, unless it is none or cannot be read: what a getter throws leaves the record without a name.
pub fn id_of(scope: Scope<'_>, record: Value<'_>) -> Option<Text> {
    let id = scope.get(record, "id").ok()?;
    scope.as_text(id)
}

/// The fault of an item that the app's own code threw at; any other error is no fault of the item.
fn unreadable(error: Error) -> Result<Error> {
    match thrown_in(&error) {
        Some(thrown) if error.kind() == ErrorKind::Foreign => Ok(malformed(format!(
            "it must be readable, got: {}",
            error.message()
        ))
        .told_as("it must be readable")
        .caused_by(Thrown::new(thrown))),
        _ => Err(error),
    }
}

/// The id of a record, its object, and what is wrong with its other timestamps.
type Around = (Text, Option<Blob>, Option<Error>);

/// What stands around the body of a record; `None` for one without an id.
fn read_around(scope: Scope<'_>, record: Value<'_>) -> Result<Option<Around>> {
    let around = scope.helper(Intrinsic::AroundOf, &[record])?;
    if let Some(id) = scope.as_text(around) {
        return Ok(Some((id, record_blob(Said::default(), false), None)));
    }
    let part = |index| scope.element(around, index);
    let deleted = scope.as_boolean(part(1)?) == Some(true);
    let faulty = scope.as_string(part(2)?);
    let said = match scope.as_text(part(3)?) {
        Some(key) => Said {
            key: Some(key),
            mime_type: scope.as_text(part(4)?),
            content_hash: scope.as_text(part(5)?),
            size: scope.as_number(part(6)?).and_then(size_of),
        },
        None => Said::default(),
    };
    Ok(scope.as_text(part(0)?).map(|id| {
        let fault = faulty.map(|field| without_other_time(&field, &id));
        (id, record_blob(said, deleted), fault)
    }))
}

/// Reads an app row's entry around its body. `Err` says what it lacks.
pub fn read_row(
    scope: Scope<'_>,
    entry: Value<'_>,
) -> Result<std::result::Result<Item<Body>, NoItem>> {
    if scope.kind(entry)? != Kind::Object {
        return Ok(Err(NoItem::Entry));
    }
    let Some(hlc) = read_hlc_of(scope, entry, "timestamp")? else {
        return Ok(Err(NoItem::Timestamp));
    };
    let [app, name, op, row] = scope.pick(entry, ["appId", "table", "op", "row"])?;
    let (Some(app), Some(name)) = (scope.as_text(app), scope.as_text(name)) else {
        return Ok(Err(NoItem::Table));
    };
    let deleted = match deletes(scope.as_text(op).as_ref()) {
        Ok(deleted) => deleted,
        Err(malformed) => return Ok(Err(malformed)),
    };
    let has_row = scope.kind(row)? == Kind::Object;
    if !has_row && !scope.is_nullish(row)? {
        return Ok(Err(NoItem::Row));
    }
    let table = Table { app, name };
    let mut blob = None;
    if has_row {
        let names = [
            "object_storage_key",
            "mime_type",
            "content_hash",
            "size_bytes",
        ];
        let [key, mime_type, content_hash, size] = scope.pick(row, names)?;
        let said = Said {
            key: scope.as_text(key),
            mime_type: scope.as_text(mime_type),
            content_hash: scope.as_text(content_hash),
            size: read_size(scope, size),
        };
        blob = row_blob(&table, said, deleted);
    }
    let body = Body::Js(scope.keep(entry)?);
    Ok(Ok(Item::new(hlc, ItemKind::Row(table), blob, body)))
}

/// A number of bytes, as a number or in digits.
pub fn read_size(scope: Scope<'_>, value: Value<'_>) -> Option<u64> {
    match scope.as_number(value) {
        Some(number) => size_of(number),
        None => size_in(&scope.as_text(value)?.to_utf8()?),
    }
}
