//! A field of a row in its column, and back.
//!
//! A column converts what is put into it, by the affinity of its declared type. That is done here first, so
//! that what is bound is what will be stored, and what reads back can be compared with what came.

use std::fmt::Write as _;

use rusqlite::types::Value;
use serde_json::value::RawValue;

use super::columns::{number, string, write_string};

/// Whole numbers up to here are the same as integers and as floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a column makes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Affinity {
    Text,
    /// Integers and numerics: numbers stay numbers, and texts of numbers become such.
    Numeric,
    Real,
    /// Everything stays what it is.
    None,
    /// Truth values, which are 1 or 0 here. No affinity of `SQLite`.
    Truth,
    /// Any JSON, as its text. No affinity of `SQLite`.
    Json,
}

impl Affinity {
    /// The affinity of a declared type, by the rules of `SQLite`.
    pub(in crate::store) fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let names = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        if names(&["INT"]) {
            Self::Numeric
        } else if names(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if declared.is_empty() || names(&["BLOB"]) {
            Self::None
        } else if names(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    fn convert(self, value: Value) -> Value {
        match (self, value) {
            (Self::Text, Value::Integer(number)) => Value::Text(number.to_string()),
            (Self::Text, Value::Real(number)) => Value::Text(number.to_string()),
            (Self::Numeric, Value::Text(text)) => numeric(&text).unwrap_or(Value::Text(text)),
            (Self::Real, Value::Text(text)) => match numeric(&text) {
                Some(number) => self.convert(number),
                None => Value::Text(text),
            },
            #[expect(
                clippy::cast_precision_loss,
                reason = "what is lost is kept beside the column"
            )]
            (Self::Real, Value::Integer(number)) => Value::Real(number as f64),
            (Self::Truth, Value::Integer(number)) => Value::Integer(i64::from(number != 0)),
            (_, value) => value,
        }
    }
}

/// The number that a text is to a column of numbers.
fn numeric(text: &str) -> Option<Value> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_number {
        return None;
    }
    if let Ok(number) = text.parse() {
        return Some(Value::Integer(number));
    }
    let real: f64 = text.parse().ok()?;
    number(&serde_json::Number::from_f64(real)?.to_string())
}

/// A column of an app's table. Its name is the name of the field.
#[derive(Debug)]
pub(in crate::store) struct Column {
    pub(in crate::store) name: String,
    pub(in crate::store) affinity: Affinity,
    pub(in crate::store) not_null: bool,
    /// What the table itself puts in.
    pub(in crate::store) default: Value,
}

impl Column {
    /// What lies in the column for this JSON, or for a row without the field. Defined for any JSON, whether
    /// or not it can be read back.
    pub(in crate::store) fn value_of(&self, json: Option<&RawValue>) -> Value {
        let value = match json.map(RawValue::get) {
            Some(json) if self.affinity == Affinity::Json => Value::Text(json.to_owned()),
            None => self.default.clone(),
            Some("null") => Value::Null,
            Some("true") => Value::Integer(1),
            Some("false") => Value::Integer(0),
            Some(json) => string(json)
                .map(Value::Text)
                .or_else(|| number(json))
                .unwrap_or_else(|| Value::Text(json.to_owned())),
        };
        match self.affinity.convert(value) {
            Value::Null if self.not_null => self.empty(),
            value => value,
        }
    }

    /// Writes what the column holds as JSON.
    pub(in crate::store) fn write_json(&self, value: &Value, json: &mut String) {
        match (self.affinity, value) {
            (Affinity::Truth, Value::Integer(number)) => {
                json.push_str(if *number == 0 { "false" } else { "true" });
            }
            (Affinity::Json, Value::Text(text)) => json.push_str(text),
            (_, value) => write_json(value, json),
        }
    }

    fn empty(&self) -> Value {
        match self.affinity {
            Affinity::Text | Affinity::None => Value::Text(String::new()),
            Affinity::Json => Value::Text("null".to_owned()),
            Affinity::Numeric | Affinity::Truth => Value::Integer(0),
            Affinity::Real => Value::Real(0.0),
        }
    }
}

/// Writes a value as JSON. Bytes are written as `JSON.stringify` writes a `Uint8Array`.
fn write_json(value: &Value, json: &mut String) {
    match value {
        Value::Null => json.push_str("null"),
        Value::Integer(number) => {
            let _ = write!(json, "{number}");
        }
        Value::Real(number) if number.fract() == 0.0 && number.abs() < EXACT => {
            let _ = write!(json, "{number:.0}");
        }
        Value::Real(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => {
                let _ = write!(json, "{number}");
            }
            None => json.push_str("null"),
        },
        Value::Text(text) => write_string(text, json),
        Value::Blob(bytes) => {
            json.push('{');
            for (at, byte) in bytes.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let _ = write!(json, "{comma}\"{at}\":{byte}");
            }
            json.push('}');
        }
    }
}
