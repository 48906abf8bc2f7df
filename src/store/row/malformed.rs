//! What a row says that is no item as it stands.

use rusqlite::types::Value;

use crate::error::{Error, ErrorKind};
use crate::store::TableInfo;

/// How many characters of a value a message shows.
pub(in crate::store) const TOLD: usize = 40;

/// A value in words.
pub(in crate::store) fn told(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Blob(bytes) => format!("a BLOB of {} bytes", bytes.len()),
        Value::Text(text) if text.chars().count() > TOLD => {
            format!("{:?}…", text.chars().take(TOLD).collect::<String>())
        }
        Value::Text(text) => format!("{text:?}"),
    }
}

/// The fault of a row: which column of it must be what, and what stands there.
pub(in crate::store) fn fault(
    operation: &'static str,
    row: &str,
    column: &str,
    wanted: &str,
    got: &str,
) -> Error {
    Error::new(
        ErrorKind::MalformedItem,
        operation,
        format!(
            "the column {column} of {row} must be {wanted}, got {got}; mend it in the database"
        ),
    )
}

/// A row of an app in words, by its primary key as far as `value_of` knows it, else by what `stands_in` for that.
pub(in crate::store) fn row_in_words(
    (app_id, table): (&str, &TableInfo),
    value_of: impl Fn(&str) -> Option<String>,
    stands_in: Option<String>,
) -> String {
    let columns = table.pk_columns.iter();
    let parts: Option<Vec<String>> = columns
        .map(|column| Some(format!("{column} = {}", value_of(column)?)))
        .collect();
    let which = parts
        .filter(|parts| !parts.is_empty())
        .map(|parts| parts.join(" and "))
        .or(stands_in)
        .map_or_else(String::new, |which| format!(" with {which}"));
    format!("the row of {app_id}/{}{which}", table.name)
}
