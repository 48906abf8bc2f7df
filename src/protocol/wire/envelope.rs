//! What the exchange reads of an item's text.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::limits::{Json, MAX_NODE_ID};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{
    Item, ItemKind, NoItem, Said, Table, deletes, record_blob, row_blob, size_in, size_of,
};
use crate::protocol::message::Refusal;
use crate::protocol::text::{Text, plain_text};

/// An item, and whether it deletes something.
type ItemRead = (Item<Json>, bool);

/// A shared record.
pub(super) fn record(json: &RawValue) -> Result<ItemRead, NoItem> {
    let [id, updated_at, deleted_at, key, mime_type, hash, size] = fields(
        json,
        [
            "id",
            "updatedAt",
            "deletedAt",
            "objectStorageKey",
            "mimeType",
            "contentHash",
            "sizeBytes",
        ],
    )
    .ok_or(NoItem::Record)?;
    let id = text(id).ok_or(NoItem::Id)?;
    let hlc = timestamp(updated_at).ok_or(NoItem::UpdatedAt)?;
    let is_deleted = given(deleted_at).is_some();
    let blob = record_blob(said(key, mime_type, hash, size), is_deleted);
    let item = Item::new(hlc, ItemKind::Record(id), blob, json.get().into());
    Ok((item, is_deleted))
}

/// An app row's entry.
pub(super) fn row(json: &RawValue) -> Result<ItemRead, NoItem> {
    let [stamp, app, name, op, row] =
        fields(json, ["timestamp", "appId", "table", "op", "row"]).ok_or(NoItem::Entry)?;
    let hlc = timestamp(stamp).ok_or(NoItem::Timestamp)?;
    let (Some(app), Some(name)) = (text(app), text(name)) else {
        return Err(NoItem::Table);
    };
    let deleted = deletes(text(op).as_ref())?;
    let table = Table { app, name };
    let mut blob = None;
    if let Some(row) = given(row) {
        let names = [
            "object_storage_key",
            "mime_type",
            "content_hash",
            "size_bytes",
        ];
        let [key, mime_type, hash, size] = fields(row, names).ok_or(NoItem::Row)?;
        blob = row_blob(&table, said(key, mime_type, hash, size), deleted);
    }
    let item = Item::new(hlc, ItemKind::Row(table), blob, json.get().into());
    Ok((item, deleted))
}

/// What a peer says of an item that it did not take in or cannot send; `None` if it does not say of which.
pub(super) fn refusal(json: &RawValue) -> Option<Refusal> {
    let [kind, id, app, name, stamp, code, reason] = fields(
        json,
        [
            "kind",
            "id",
            "appId",
            "table",
            "timestamp",
            "code",
            "reason",
        ],
    )?;
    let words = |field| text(field).map(|text| text.to_string());
    let kind = match words(kind).as_deref() {
        Some("record") => ItemKind::Record(text(id)?),
        Some("appRow") => ItemKind::Row(Table {
            app: text(app)?,
            name: text(name)?,
        }),
        _ => return None,
    };
    Some(Refusal::new(
        kind,
        timestamp(stamp),
        words(code).unwrap_or_default(),
        words(reason).unwrap_or_default(),
    ))
}

/// A timestamp that may stand in a watermark.
pub(super) fn is_bearable(node_id: &Text) -> bool {
    node_id.units().len() <= MAX_NODE_ID
}

type Field<'a> = Option<&'a RawValue>;

/// The value under a field, unless it is null.
fn given(field: Field<'_>) -> Field<'_> {
    field.filter(|json| json.get() != "null")
}

fn text(field: Field<'_>) -> Option<Text> {
    let json = field?.get();
    match plain_text(json) {
        Some(text) => Some(Text::from(text)),
        None => serde_json::from_str(json).ok(),
    }
}

/// What is said of an object, which is nothing where there is no key.
fn said(key: Field<'_>, mime_type: Field<'_>, hash: Field<'_>, size: Field<'_>) -> Said {
    let Some(key) = text(key).filter(|key| !key.is_empty()) else {
        return Said::default();
    };
    Said {
        key: Some(key),
        mime_type: text(mime_type),
        content_hash: text(hash),
        size: size.and_then(size_in_json),
    }
}

/// A number of bytes, as a number or in digits.
pub fn size_in_json(json: &RawValue) -> Option<u64> {
    match serde_json::from_str(json.get()).ok()? {
        serde_json::Value::Number(number) => number.as_f64().and_then(size_of),
        serde_json::Value::String(digits) => size_in(&digits),
        _ => None,
    }
}

fn timestamp(field: Field<'_>) -> Option<Hlc> {
    let hlc = Hlc::of_json(field?.get())?;
    is_bearable(&hlc.node_id).then_some(hlc)
}

/// The values of these fields of an object, or `None` if it is none.
fn fields<'a, const N: usize>(
    json: &'a RawValue,
    names: [&'static str; N],
) -> Option<[Field<'a>; N]> {
    serde_json::Deserializer::from_str(json.get())
        .deserialize_map(Fields(names))
        .ok()
}

struct Fields<const N: usize>([&'static str; N]);

impl<'a, const N: usize> Visitor<'a> for Fields<N> {
    type Value = [Field<'a>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut values = [None; N];
        while let Some(place) = map.next_key_seed(Name(&self.0))? {
            match place.and_then(|place| values.get_mut(place)) {
                Some(value) => *value = Some(map.next_value::<&'a RawValue>()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

/// The place of a name among those that are looked for.
pub(super) struct Name<'n>(pub(super) &'n [&'static str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // As bytes, for a name may hold a lone surrogate.
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| *wanted == name))
    }
    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| wanted.as_bytes() == name))
    }
}
