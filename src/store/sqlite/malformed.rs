//! What stands in a file and is no item as it stands.
//!
//! A file may hold what no store of this package writes: a text that is no UTF-8, bytes where a text belongs,
//! a time that is none. Such a row is read as well as it can be, is named with the column that must be
//! mended, and is never exchanged. Nothing else waits for it but what the same node wrote later.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, ToSql};

use crate::protocol::hlc::Hlc;
pub(super) use crate::store::row::columns::{TIME, UTF_8};
use crate::store::row::malformed::TOLD;
pub(super) use crate::store::row::malformed::{fault, told};

/// A value as it stands: a text that is no UTF-8 stays the bytes that it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    Readable(Value),
    NoText(Vec<u8>),
}

impl Raw {
    pub(super) fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(match row.get_ref(at)? {
            ValueRef::Text(bytes) => match str::from_utf8(bytes) {
                Ok(text) => Self::Readable(Value::Text(text.to_owned())),
                Err(_) => Self::NoText(bytes.to_owned()),
            },
            other => Self::Readable(Value::try_from(other)?),
        })
    }

    /// The text, where it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Readable(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The timestamp that stands there. Bytes are none, whatever they spell: they have another order.
    pub(super) fn time(&self) -> Option<Hlc> {
        Hlc::parse(self.text()?).ok()
    }

    /// What can be read of it: bytes of a text that are none are the replacement character.
    pub(super) fn readable(self) -> Value {
        match self {
            Self::Readable(value) => value,
            Self::NoText(bytes) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// What stands there, in words.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Readable(value) => told(value),
            Self::NoText(bytes) => {
                let hex = bytes.iter().take(TOLD).map(|byte| format!("{byte:02x}"));
                format!(
                    "the bytes {}, which are no UTF-8",
                    hex.collect::<Vec<_>>().join(" ")
                )
            }
        }
    }
}

impl From<Value> for Raw {
    fn from(value: Value) -> Self {
        Self::Readable(value)
    }
}

impl ToSql for Raw {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Readable(value) => value.to_sql(),
            Self::NoText(bytes) => Ok(ToSqlOutput::Borrowed(ValueRef::Text(bytes))),
        }
    }
}

/// The columns of a row that are texts without being UTF-8, by their place.
pub(super) type NoTexts = Vec<(usize, Raw)>;

/// The first columns of a row as far as they can be read, and those among them that cannot.
pub(super) fn read_columns(row: &Row<'_>, count: usize) -> rusqlite::Result<(Vec<Value>, NoTexts)> {
    let (mut values, mut no_texts) = (Vec::with_capacity(count), Vec::new());
    for at in 0..count {
        let raw = Raw::read(row, at)?;
        if matches!(raw, Raw::NoText(_)) {
            no_texts.push((at, raw.clone()));
        }
        values.push(raw.readable());
    }
    Ok((values, no_texts))
}

/// What names a row that nothing else does.
pub(super) fn stand_in(key: &[Raw]) -> String {
    if let [Raw::Readable(Value::Integer(row))] = key {
        return format!("rowid {row}");
    }
    let parts: Vec<String> = key.iter().map(Raw::told).collect();
    format!("key {}", parts.join(", "))
}
