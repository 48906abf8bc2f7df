//! Rows of apps that cannot be exchanged as they stand, and what rows are called where something is said of
//! them.
//!
//! A BLOB is an ordinary value of a column, but not of a primary key: it goes over the wire as JSON, and what
//! comes back would be another key. Neither is NULL, of which there may be several.

use rusqlite::types::Value;

use super::super::malformed::{Raw, TIME, UTF_8, fault, stand_in, told};
use super::table::{AppTable, EXTRA, StoredRow};
use crate::error::Error;
use crate::protocol::hlc::Hlc;
use crate::store::row::malformed::row_in_words;

/// What stands in a column of a row but cannot be said in JSON, so that it comes back as it was only if it
/// is not written at all.
pub(super) fn unsaid(row: &StoredRow, at: usize) -> Option<Raw> {
    let no_text = row.no_texts.iter().find(|(place, _)| *place == at);
    match (no_text, row.values.get(at)) {
        (Some((_, raw)), _) => Some(raw.clone()),
        (None, Some(bytes @ Value::Blob(_))) => Some(Raw::Readable(bytes.clone())),
        _ => None,
    }
}

impl AppTable {
    /// The fault of a row that cannot be exchanged as it stands.
    pub(super) fn fault_of(&self, operation: &'static str, row: &StoredRow) -> Option<Error> {
        let (column, wanted, got) = self.malformed(row)?;
        Some(fault(operation, &self.named(row), column, wanted, &got))
    }

    /// A stored row in words.
    pub(super) fn named(&self, row: &StoredRow) -> String {
        self.named_by(&row.key, |column| {
            let value = row.values.get(self.position(column)?)?;
            (*value != Value::Null).then(|| told(value))
        })
    }

    /// The column that keeps a row from being one that can be exchanged, what must stand in it, and what does.
    fn malformed(&self, row: &StoredRow) -> Option<(&str, &'static str, String)> {
        if let Some((at, raw)) = row.no_texts.first() {
            let name = self.columns.get(*at).map_or(EXTRA, |column| &column.name);
            return Some((name, UTF_8, raw.told()));
        }
        let mut columns = self.columns.iter().zip(&row.values);
        columns.find_map(|(column, value)| {
            let is_key = self.info.pk_columns.contains(&column.name);
            let (wanted, fits) = match (column.name.as_str(), value) {
                ("updated_at", Value::Text(text)) => (TIME, Hlc::parse(text).is_ok()),
                ("updated_at", _) => (TIME, false),
                ("deleted_at", Value::Blob(_)) => (UTF_8, false),
                (_, Value::Null | Value::Blob(_)) if is_key => ("a text or a number", false),
                _ => ("", true),
            };
            (!fits).then(|| (column.name.as_str(), wanted, told(value)))
        })
    }

    /// A row in words, by its primary key as the app declared it, as far as `value_of` knows it.
    pub(super) fn named_by(
        &self,
        key: &[Raw],
        value_of: impl Fn(&str) -> Option<String>,
    ) -> String {
        let stands_in = (!key.is_empty()).then(|| stand_in(key));
        row_in_words((&self.app_id, &self.info), value_of, stands_in)
    }
}
