//! What the registry of apps says of their tables, whichever database it is in.

use serde_json::Map;

use super::entry::APPLY;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::{FILE_RECORDS_TABLE, Table};
use crate::store::{Namespace, Registration, TableInfo, TableSpec};

/// The columns of the rows that have files.
const FILE_COLUMNS: [&str; 8] = [
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

/// The tables of an app as its `tables_json` is written.
pub(in crate::store) fn write_tables(
    operation: &'static str,
    tables: &[TableInfo],
) -> Result<String> {
    serde_json::to_string(tables).map_err(|error| {
        let message = "the tables cannot be written as JSON; this is a fault of this package";
        Error::new(ErrorKind::Internal, operation, message).caused_by(error)
    })
}

/// The tables of a registration, with the one for the rows that have files if it asks for that.
pub(in crate::store) fn specs_of(registration: &Registration) -> Vec<TableSpec> {
    let mut specs = registration.tables.clone();
    if registration.files_enabled && specs.iter().all(|spec| spec.name != FILE_RECORDS_TABLE) {
        specs.push(TableSpec {
            name: FILE_RECORDS_TABLE.to_owned(),
            pk_columns: vec!["id".to_owned()],
            columns: FILE_COLUMNS.map(str::to_owned).to_vec(),
        });
    }
    specs
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

/// The app and the name of a table, as a registry has them.
pub(in crate::store) fn names_of(table: &Table) -> Result<(String, String)> {
    let names = table.app.to_utf8().zip(table.name.to_utf8());
    names.ok_or_else(|| unknown(table, "has a name that no table can have"))
}

/// What the registry says of a table that items are applied to. `namespace` is what it says of the app.
pub(in crate::store) fn registered<'n>(
    namespace: Option<&'n Namespace>,
    (table, name): (&Table, &str),
) -> Result<&'n TableInfo> {
    let info = namespace.and_then(|namespace| namespace.table(name));
    info.ok_or_else(|| unknown(table, "is not registered on this side; register it first"))
}

/// The error of a table that the registry names and the database does not have.
pub(in crate::store) fn not_there(table: &Table) -> Error {
    unknown(table, "is registered but not there; create it first")
}

fn unknown(table: &Table, message: &str) -> Error {
    let names = format!("{:?} of the app {:?}", table.name, table.app);
    Error::new(
        ErrorKind::UnknownApp,
        APPLY,
        format!("the table {names} {message}"),
    )
}
