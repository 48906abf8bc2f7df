//! What the registry of apps says of their tables, whichever database it is in.

use serde_json::Map;

use crate::error::{Error, ErrorKind, Result};
use crate::store::{TableInfo, TableSpec};

/// The columns of the rows that have files.
pub(in crate::store) const FILE_COLUMNS: [&str; 8] = [
    "id",
    "object_storage_key",
    "content_hash",
    "mime_type",
    "size_bytes",
    "original_filename",
    "origin_app_id",
    "created_at",
];

/// The tables of an app, as its `tables_json` has them.
pub(in crate::store) fn read_tables(
    operation: &'static str,
    app_id: &str,
    tables_json: &str,
) -> Result<Vec<TableInfo>> {
    serde_json::from_str(tables_json).map_err(|error| {
        let message = format!(
            "the tables of the app {app_id:?} cannot be read; put right its tables_json in \
             app_syncable_namespaces"
        );
        Error::new(ErrorKind::Database, operation, message).caused_by(error)
    })
}

/// Adds to the tables of an app those of a registration that are new.
pub(in crate::store) fn add_specs(
    operation: &'static str,
    tables: &mut Vec<TableInfo>,
    specs: &[TableSpec],
) -> Result<()> {
    for spec in specs {
        match tables.iter().find(|table| table.name == spec.name) {
            Some(table) if table.pk_columns == spec.pk_columns => {}
            Some(_) => {
                let message = format!(
                    "the table {:?} is registered with another primary key; register it under \
                     another name",
                    spec.name
                );
                return Err(Error::new(ErrorKind::InvalidArgument, operation, message));
            }
            None => tables.push(TableInfo {
                name: spec.name.clone(),
                pk_columns: spec.pk_columns.clone(),
                other: Map::new(),
            }),
        }
    }
    Ok(())
}
