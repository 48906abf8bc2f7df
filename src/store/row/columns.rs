//! Which field of a record lies in which column, and how.
//!
//! A column that this package does not know is a field as well, by its name in camel case, so that what
//! an app keeps beside a record goes along with it. A record that does not have such a field leaves the
//! column as it is. A column that the table computes is no field.

use rusqlite::types::Value;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::hlc::{Hlc, text_form};
use crate::protocol::text::plain_text;
use crate::store::query::is_time;

/// What a time is.
pub(in crate::store) const TIME: &str = "a timestamp in text form (000000000000:0000:node)";
/// What a text is.
pub(in crate::store) const UTF_8: &str = "a text in UTF-8";

/// How a field lies in its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A timestamp, in its text form.
    Time,
    /// A field that only this table knows.
    Foreign,
}

/// Which field of a record lies in a column, and how.
#[derive(Debug, Serialize)]
pub struct Field {
    field: String,
    kind: FieldKind,
}

/// How an empty column reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    Null,
    Absent,
}

/// A column of the table and the field in it.
#[derive(Debug)]
pub(in crate::store) struct Column {
    pub(in crate::store) field: String,
    pub(in crate::store) name: String,
    pub(in crate::store) kind: FieldKind,
    pub(in crate::store) not_null: bool,
    /// What the table itself puts in, as an SQL expression.
    pub(in crate::store) default: Option<String>,
    empty: Empty,
}

/// The columns of a file that this package creates, in the order of the fields.
pub(in crate::store) const KNOWN: [(&str, &str, &str); 15] = [
    ("id", "id", "TEXT PRIMARY KEY"),
    ("type", "type", "TEXT NOT NULL"),
    ("createdAt", "created_at", "TEXT NOT NULL"),
    ("updatedAt", "updated_at", "TEXT NOT NULL"),
    ("ownerId", "owner_id", "TEXT"),
    ("deletedAt", "deleted_at", "TEXT"),
    ("version", "version", "INTEGER NOT NULL DEFAULT 1"),
    ("contentHash", "content_hash", "TEXT NOT NULL"),
    ("objectStorageKey", "object_storage_key", "TEXT NOT NULL"),
    ("mimeType", "mime_type", "TEXT"),
    ("sizeBytes", "size_bytes", "INTEGER NOT NULL"),
    ("originalFilename", "original_filename", "TEXT"),
    ("originAppId", "origin_app_id", "TEXT NOT NULL"),
    ("parentId", "parent_id", "TEXT"),
    ("label", "label", "TEXT"),
];

/// Columns without which a table is not Starkeep's.
pub(in crate::store) const NEEDED: [&str; 6] = [
    "id",
    "type",
    "created_at",
    "updated_at",
    "deleted_at",
    "object_storage_key",
];

/// For the columns of a table in their order: which field of a record lies in each and how; `None` for a
/// column that is not clear, because another is the same field.
pub fn fields_of_columns(names: &[String]) -> Vec<Option<Field>> {
    let columns = names
        .iter()
        .map(|name| Column::new(name.clone(), false, None))
        .collect();
    let field = |Column { field, kind, .. }| Field { field, kind };
    let clear = clear_columns(columns).into_iter();
    clear.map(|column| column.map(field)).collect()
}

/// The columns of a table, `None` in the place of one that is not the place of its field. Of two that would
/// be the same field, the one that has the field's own name counts, else the first.
pub(in crate::store) fn clear_columns(columns: Vec<Column>) -> Vec<Option<Column>> {
    let own: Vec<String> = columns
        .iter()
        .filter(|column| column.has_its_own_name())
        .map(|column| column.field.clone())
        .collect();
    let mut taken: Vec<String> = Vec::new();
    let clear = |column: Column| {
        let is_free = !own.contains(&column.field) && !taken.contains(&column.field);
        (column.has_its_own_name() || is_free).then(|| {
            taken.push(column.field.clone());
            column
        })
    };
    columns.into_iter().map(clear).collect()
}

/// The field that is the same for all records, and has no column in a table of this package.
pub(in crate::store) const KIND: &str = "kind";
const OF_ALL: &str = "data";

/// Fields that a record always has, and that every other copy of it computes from the same text.
pub(in crate::store) fn is_known(field: &str) -> bool {
    KNOWN.iter().any(|(known, _, _)| *known == field)
}

impl Column {
    /// The column `name` as the table declares it.
    pub(in crate::store) fn new(name: String, not_null: bool, default: Option<String>) -> Self {
        let field = camel_case(&name);
        let kind = match field.as_str() {
            time if is_time(time) => FieldKind::Time,
            "version" | "sizeBytes" => FieldKind::Integer,
            KIND => FieldKind::Text,
            known if is_known(known) => FieldKind::Text,
            _ => FieldKind::Foreign,
        };
        let empty = match field.as_str() {
            "ownerId" | "label" => Empty::Absent,
            _ if kind == FieldKind::Foreign => Empty::Absent,
            _ => Empty::Null,
        };
        Self {
            field,
            name,
            kind,
            not_null,
            default,
            empty,
        }
    }

    /// Whether the column is named as that of a known field is.
    fn has_its_own_name(&self) -> bool {
        self.name == KIND || KNOWN.iter().any(|(_, name, _)| *name == self.name)
    }

    /// Whether what lies in it is the same for all records.
    pub(in crate::store) fn is_kind(&self) -> bool {
        self.field == KIND
    }

    /// What must stand in the column of a record, if this value is not it.
    pub(in crate::store) fn must_be(&self, value: &Value) -> Option<&'static str> {
        let is_time = |text: &str| Hlc::parts_of(text).is_some();
        let (wanted, fits) = match (self.field.as_str(), self.kind, value) {
            ("id", _, Value::Text(text)) => ("a text that is not empty", !text.is_empty()),
            ("id", ..) => ("a text that is not empty", false),
            ("type", _, value) => (UTF_8, matches!(value, Value::Text(_))),
            ("deletedAt", _, Value::Null) => (TIME, true),
            // What this package writes where a column may not be null.
            ("deletedAt", _, Value::Text(text)) if text.is_empty() && self.not_null => (TIME, true),
            (_, FieldKind::Time, Value::Text(text)) => (TIME, is_time(text)),
            (_, FieldKind::Time, _) => (TIME, false),
            (_, FieldKind::Text, Value::Blob(_)) => (UTF_8, false),
            (_, FieldKind::Integer, Value::Blob(_)) => ("a number", false),
            _ => ("", true),
        };
        (!fits).then_some(wanted)
    }

    /// What lies in the column for this JSON. Defined for any JSON, whether or not it can be read back.
    pub(in crate::store) fn value_of(&self, json: Option<&RawValue>) -> Value {
        let Some(given) = json.filter(|json| json.get() != "null") else {
            return self.empty_value();
        };
        let json = given.get();
        match self.kind {
            FieldKind::Text => Value::Text(string(json).unwrap_or_else(|| json.to_owned())),
            FieldKind::Integer => match string(json) {
                Some(text) => text.parse().map_or(Value::Text(text), Value::Integer),
                None => number(json).unwrap_or_else(|| Value::Text(json.to_owned())),
            },
            FieldKind::Time => {
                Value::Text(time(given).map_or_else(|| json.to_owned(), |hlc| hlc.to_string()))
            }
            FieldKind::Foreign => match json {
                "true" => Value::Integer(1),
                "false" => Value::Integer(0),
                _ => string(json)
                    .map(Value::Text)
                    .or_else(|| number(json))
                    .unwrap_or_else(|| Value::Text(json.to_owned())),
            },
        }
    }

    /// What lies in the column for this JSON, and what that reads as; `false` if it reads as no field.
    pub(in crate::store) fn place(
        &self,
        json: Option<&RawValue>,
        read: &mut String,
    ) -> (Value, bool) {
        if let Some(json) = json.map(RawValue::get)
            && let Some(value) = self.plain(json)
        {
            read.push_str(json);
            return (value, true);
        }
        let given = json.filter(|json| json.get() != "null");
        if let Some(hlc) = given
            .filter(|_| self.kind == FieldKind::Time)
            .and_then(time)
        {
            let text = hlc.to_string();
            let is_field = self.write_json(&Value::Text(text.clone()), read);
            return (Value::Text(text), is_field);
        }
        let value = self.value_of(json);
        let is_field = self.write_json(&value, read);
        (value, is_field)
    }

    /// What lies in the column for JSON that is written just as the column reads: nearly all of it is.
    fn plain(&self, json: &str) -> Option<Value> {
        match self.kind {
            FieldKind::Text => plain_text(json).map(|text| Value::Text(text.to_owned())),
            FieldKind::Time => Hlc::plain_parts(json).map(|parts| Value::Text(text_form(parts))),
            FieldKind::Integer => {
                let is_plain = json.bytes().all(|byte| byte.is_ascii_digit())
                    && (json == "0" || !json.starts_with('0'));
                let number = json.parse().ok().filter(|_| is_plain);
                number.map(Value::Integer)
            }
            FieldKind::Foreign => None,
        }
    }

    /// Writes what the column holds as JSON; answers whether the record has the field at all.
    pub(in crate::store) fn write_json(&self, value: &Value, json: &mut String) -> bool {
        match value {
            Value::Null if self.empty == Empty::Absent => return false,
            Value::Null => json.push_str("null"),
            Value::Integer(number) => json.push_str(&number.to_string()),
            Value::Real(number) => match serde_json::Number::from_f64(*number) {
                Some(number) => json.push_str(&number.to_string()),
                None => json.push_str("null"),
            },
            Value::Text(text) => match self.kind {
                FieldKind::Time => match Hlc::parts_of(text) {
                    Some(parts) => write_time(parts, json),
                    None => write_string(text, json),
                },
                _ => write_string(text, json),
            },
            Value::Blob(_) => return false,
        }
        true
    }

    /// Whether only this table knows the field.
    pub(in crate::store) fn is_foreign(&self) -> bool {
        self.kind == FieldKind::Foreign
    }

    /// The column's name within SQL.
    pub(in crate::store) fn quoted(&self) -> String {
        quote(&self.name)
    }

    fn empty_value(&self) -> Value {
        match self.kind {
            _ if self.is_kind() => Value::Text(OF_ALL.to_owned()),
            _ if !self.not_null => Value::Null,
            FieldKind::Integer => Value::Integer(i64::from(self.name == "version")),
            _ => Value::Text(String::new()),
        }
    }
}

/// Whether two values are the same but for the type that the column gave them.
pub(in crate::store) fn same(a: &Value, b: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Null | Value::Blob(_) => None,
    };
    a == b || text(a).is_some_and(|a| text(b) == Some(a))
}

/// A name within SQL.
pub(in crate::store) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a JSON string.
pub(in crate::store) fn write_string(text: &str, json: &mut String) {
    // All bytes are looked at, for that can be done several at a time.
    let is_escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        json.push('"');
        json.push_str(text);
        return json.push('"');
    }
    match serde_json::to_string(text) {
        Ok(string) => json.push_str(&string),
        Err(_) => json.push_str("\"\""),
    }
}

fn write_time((wall_time, counter, node_id): (u64, u64, &str), json: &mut String) {
    json.push_str("{\"wallTime\":");
    json.push_str(&wall_time.to_string());
    json.push_str(",\"counter\":");
    json.push_str(&counter.to_string());
    json.push_str(",\"nodeId\":");
    write_string(node_id, json);
    json.push('}');
}

pub(in crate::store) fn time(json: &RawValue) -> Option<Hlc> {
    Hlc::of_json(json.get())
}

/// The text that a JSON string is.
pub(in crate::store) fn string(json: &str) -> Option<String> {
    match plain_text(json) {
        Some(text) => Some(text.to_owned()),
        None if json.starts_with('"') => serde_json::from_str(json).ok(),
        None => None,
    }
}

/// A number as a column of integers keeps it: a whole one without a fraction, if that loses nothing.
pub(in crate::store) fn number(json: &str) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Ok(number) = json.parse::<i64>() {
        return Some(Value::Integer(number));
    }
    let number: f64 = serde_json::from_str(json).ok()?;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole and small enough"
        )]
        return Some(Value::Integer(number as i64));
    }
    Some(Value::Real(number))
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut up = false;
    for c in name.chars() {
        match c {
            '_' => up = !camel.is_empty(),
            c if up => {
                camel.extend(c.to_uppercase());
                up = false;
            }
            c => camel.push(c),
        }
    }
    camel
}
