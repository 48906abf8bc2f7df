//! What apps keep beside their records: one row of JSON for each type and record.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::fault::during;
use crate::error::Result;
use crate::store::Json;

/// Keeps a row. It replaces the row of the same key.
pub(super) fn put(connection: &Connection, type_id: &str, id: &str, row: &str) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO starkeep_metadata (type_id, record_id, row_json) VALUES (?1, ?2, ?3)
             ON CONFLICT (type_id, record_id) DO UPDATE SET row_json = excluded.row_json",
        )
        .and_then(|mut statement| statement.execute([type_id, id, row]))
        .map(|_| ())
        .map_err(during("put metadata"))
}

/// The rows of those records that have one.
pub(super) fn get(
    connection: &Connection,
    type_id: &str,
    ids: Vec<String>,
) -> Result<HashMap<String, Json>> {
    let read = || {
        let view = connection.unchecked_transaction()?;
        let mut statement = view.prepare_cached(
            "SELECT row_json FROM starkeep_metadata WHERE type_id = ?1 AND record_id = ?2",
        )?;
        let mut found = HashMap::with_capacity(ids.len());
        for id in ids {
            let row: Option<String> = statement
                .query_row([type_id, &id], |row| row.get(0))
                .optional()?;
            if let Some(row) = row {
                found.insert(id, Json::from(row));
            }
        }
        Ok(found)
    };
    read().map_err(during("get metadata"))
}

/// Removes a row.
pub(super) fn delete(connection: &Connection, type_id: &str, id: &str) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM starkeep_metadata WHERE type_id = ?1 AND record_id = ?2")
        .and_then(|mut statement| statement.execute([type_id, id]))
        .map(|_| ())
        .map_err(during("delete metadata"))
}
