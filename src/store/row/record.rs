//! A record as JSON, and as a row.
//!
//! What goes in comes out, whatever the columns can hold. A field that its column would not give back as
//! it was (a number with a fraction, a null where nulls are not allowed, a field that this table has no
//! column for) is kept as it was in `extra_json` as well. That copy counts as long as the column still
//! holds what belongs to it; where somebody has changed the column since, the column counts.
//!
//! `extra_json` is an object of such fields. Where a field is missing that its column would show, it is
//! a pair instead: that object, and the names of the missing fields.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use rusqlite::types::Value;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _, Serialize};
use serde_json::value::RawValue;

use super::columns::{KIND, same, string, time, write_string};
use super::layout::Layout;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;

pub(in crate::store) type Fields<'a> = BTreeMap<Name<'a>, &'a RawValue>;

/// The name of a field, which is not copied as long as it stands in the text that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::store) struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Deref for Name<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(name: &'a str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

/// A record as a row.
#[derive(Debug)]
pub(in crate::store) struct Encoded {
    pub(in crate::store) id: String,
    pub(in crate::store) updated_at: Hlc,
    /// In the order of the layout's columns.
    pub(in crate::store) values: Vec<Value>,
    pub(in crate::store) extra: Option<String>,
    /// For each foreign column, whether the record has that field.
    pub(in crate::store) has_foreign: Vec<bool>,
}

impl Encoded {
    /// Whether it is a tombstone.
    pub(in crate::store) fn is_deleted(&self, layout: &Layout) -> bool {
        says_deleted(layout, &self.values)
    }
}

/// Whether the columns of a record say that it is a tombstone, as the change log reads them.
pub(super) fn says_deleted(layout: &Layout, values: &[Value]) -> bool {
    let column = layout.position_of("deletedAt");
    match column.and_then(|at| values.get(at)) {
        Some(Value::Text(text)) => !text.is_empty(),
        value => !matches!(value, Some(Value::Null) | None),
    }
}

/// The fields of a record.
struct Placed<'a> {
    /// In the order of the layout's columns.
    columns: Vec<Option<&'a RawValue>>,
    /// Those without a column.
    others: Fields<'a>,
}

/// Reads the fields of a record into their places. Of two with one name the last one counts.
struct Places<'s>(&'s Layout);

impl<'a> Visitor<'a> for Places<'_> {
    type Value = Placed<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Placed<'a>, M::Error> {
        let mut placed = Placed {
            columns: vec![None; self.0.columns.len()],
            others: Fields::new(),
        };
        // Fields mostly come in the order of the columns.
        let mut next = 0;
        while let Some(name) = map.next_key::<Name<'a>>()? {
            let json = map.next_value()?;
            let at = self.0.position_from(next, &name);
            if let Some((at, place)) = at.and_then(|at| Some((at, placed.columns.get_mut(at)?))) {
                *place = Some(json);
                next = at + 1;
            } else if &*name != KIND {
                placed.others.insert(name, json);
            }
        }
        Ok(placed)
    }
}

/// Reads a record; what cannot be a record is refused.
pub(in crate::store) fn encode(
    operation: &'static str,
    layout: &Layout,
    json: &str,
) -> Result<Encoded> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let placed = reader.deserialize_map(Places(layout)).and_then(|placed| {
        reader.end()?;
        Ok(placed)
    });
    let placed = placed.map_err(|error| {
        refuse(operation, "a record must be an object of JSON").caused_by(error)
    })?;
    let (id, updated_at) = check(operation, layout, &placed.columns)?;
    let mut extra = Fields::new();
    let mut missing = Vec::new();
    let mut values = Vec::with_capacity(layout.columns.len());
    let mut has_foreign = Vec::new();
    let mut scratch = String::new();
    for (column, json) in layout.columns.iter().zip(placed.columns) {
        if column.is_kind() {
            values.push(column.value_of(json));
            continue;
        }
        scratch.clear();
        let (value, reads_back) = column.place(json, &mut scratch);
        match json {
            Some(json) if !(reads_back && same_json(&scratch, json.get())) => {
                extra.insert(column.field.as_str().into(), json);
            }
            None if reads_back && !column.is_foreign() => missing.push(column.field.as_str()),
            _ => {}
        }
        if column.is_foreign() {
            has_foreign.push(json.is_some());
        }
        values.push(value);
    }
    for (name, json) in placed.others {
        if !layout.has_column_of(&name) {
            extra.insert(name, json);
        }
    }
    Ok(Encoded {
        id,
        updated_at,
        values,
        extra: write_extra(&extra, &missing),
        has_foreign,
    })
}

/// Writes a row as the record that it is.
pub(in crate::store) fn decode(layout: &Layout, values: &[Value], extra: Option<&str>) -> String {
    let (extra, missing) = extra.map(read_extra).unwrap_or_default();
    let mut json = String::with_capacity(640);
    json.push_str("{\"kind\":\"data\"");
    let columns = layout.columns.iter().zip(values);
    for (column, value) in columns.filter(|(column, _)| !column.is_kind()) {
        let counts =
            |kept: Option<&RawValue>| *value == Value::Null || same(&column.value_of(kept), value);
        let before = json.len();
        json.push(',');
        write_string(&column.field, &mut json);
        json.push(':');
        match extra
            .get(column.field.as_str())
            .filter(|kept| counts(Some(kept)))
        {
            Some(kept) => json.push_str(kept.get()),
            None if missing.contains(&column.field) && counts(None) => json.truncate(before),
            None if !column.write_json(value, &mut json) => json.truncate(before),
            None => {}
        }
    }
    for (name, kept) in extra {
        if &*name != KIND && !layout.has_column_of(&name) {
            json.push(',');
            write_string(&name, &mut json);
            json.push(':');
            json.push_str(kept.get());
        }
    }
    json.push('}');
    json
}

/// What every record has, in a form that the exchange can rely on.
fn check(
    operation: &'static str,
    layout: &Layout,
    columns: &[Option<&RawValue>],
) -> Result<(String, Hlc)> {
    let given = |name: &str| {
        let json = *columns.get(layout.position_of(name)?)?;
        json.filter(|json| json.get() != "null")
    };
    let text = |name: &str| given(name).map(|json| string(json.get()));
    let time = |name: &str| given(name).map(time);
    let Some(Some(id)) = text("id").filter(|id| !matches!(id, Some(id) if id.is_empty())) else {
        return Err(refuse(
            operation,
            "a record's id must be a text that is not empty",
        ));
    };
    let fault = |what: &str| {
        Err(refuse(
            operation,
            &format!("the record {id:?} must have {what}"),
        ))
    };
    if !matches!(text("type"), Some(Some(_))) {
        return fault("a type, a text");
    }
    if matches!(text("objectStorageKey"), Some(None)) {
        return fault("a well-formed text as objectStorageKey");
    }
    if !matches!(time("createdAt"), Some(Some(_))) || matches!(time("deletedAt"), Some(None)) {
        return fault("timestamps { wallTime, counter, nodeId } as createdAt and deletedAt");
    }
    match time("updatedAt") {
        Some(Some(updated_at)) => Ok((id, updated_at)),
        _ => fault("a timestamp { wallTime, counter, nodeId } as updatedAt"),
    }
}

fn refuse(operation: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, operation, message)
}

/// Whether two texts are the same JSON value.
pub(in crate::store) fn same_json(a: &str, b: &str) -> bool {
    let value = |json| serde_json::from_str::<serde_json::Value>(json).ok();
    a == b || value(a).is_some_and(|a| value(b) == Some(a))
}

/// What [`read_extra`] reads; nothing where there is nothing to keep.
pub(in crate::store) fn write_extra(fields: &Fields<'_>, missing: &[&str]) -> Option<String> {
    let written = match (fields.is_empty(), missing.is_empty()) {
        (true, true) => return None,
        (_, true) => serde_json::to_string(fields),
        (_, false) => serde_json::to_string(&(fields, missing)),
    };
    written.ok()
}

/// What somebody else wrote there and cannot be read counts as nothing.
pub(in crate::store) fn read_extra(extra: &str) -> (Fields<'_>, Vec<String>) {
    if extra.starts_with('[') {
        serde_json::from_str(extra).unwrap_or_default()
    } else {
        (serde_json::from_str(extra).unwrap_or_default(), Vec::new())
    }
}
