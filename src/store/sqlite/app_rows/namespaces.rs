//! Which apps have rows here, and in which tables.

use super::super::columns::quote;
use super::super::fault::during;
use super::super::intake::begin;
use super::table::{self, physical_name};
use crate::error::{Error, ErrorKind, Result};
use crate::store::row::namespaces::{add_specs, read_tables, specs_of, write_tables};
use crate::store::{Namespace, Registration, TableInfo};
use rusqlite::{Connection, OptionalExtension};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS app_syncable_namespaces (
  app_id TEXT PRIMARY KEY,
  tables_json TEXT NOT NULL,
  files_enabled INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)";

/// Brings the registry and the tables of all registered apps into shape, in one transaction.
pub(super) fn prepare(connection: &mut Connection) -> Result<()> {
    const OPERATION: &str = "prepare the tables";
    let transaction = begin(OPERATION, connection)?;
    transaction
        .execute_batch(TABLE)
        .map_err(during(OPERATION))?;
    for namespace in list(OPERATION, &transaction)? {
        for info in &namespace.tables {
            if let Some(table) = table::load(OPERATION, &transaction, &namespace.app_id, info)? {
                table.create_indexes(OPERATION, &transaction)?;
            }
        }
    }
    transaction.commit().map_err(during(OPERATION))
}

/// All apps, in the order of their ids.
pub(super) fn list(operation: &'static str, connection: &Connection) -> Result<Vec<Namespace>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT app_id, tables_json, files_enabled FROM app_syncable_namespaces ORDER BY app_id",
        )
        .map_err(during(operation))?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(during(operation))?;
    rows.map(|row| namespace(operation, row.map_err(during(operation))?))
        .collect()
}

/// The app with this id.
pub(super) fn get(
    operation: &'static str,
    connection: &Connection,
    app_id: &str,
) -> Result<Option<Namespace>> {
    let row = connection
        .prepare_cached(
            "SELECT app_id, tables_json, files_enabled FROM app_syncable_namespaces WHERE app_id = ?1",
        )
        .and_then(|mut statement| {
            statement
                .query_row([app_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()
        })
        .map_err(during(operation))?;
    row.map(|row| namespace(operation, row)).transpose()
}

fn namespace(
    operation: &'static str,
    (app_id, tables_json, files_enabled): (String, String, bool),
) -> Result<Namespace> {
    let tables = read_tables(operation, &app_id, &tables_json)?;
    Ok(Namespace {
        app_id,
        tables,
        files_enabled,
    })
}

/// Registers an app, or adds to what it has, within the caller's transaction: nothing that is there is taken away or
/// changed.
pub(super) fn register(
    operation: &'static str,
    transaction: &Connection,
    app_id: &str,
    registration: &Registration,
) -> Result<()> {
    let specs = specs_of(registration);
    let known = get(operation, transaction, app_id)?;
    let mut tables = known.map(|known| known.tables).unwrap_or_default();
    add_specs(operation, &mut tables, &specs)?;
    check_names(operation, transaction, app_id, &tables)?;
    write(
        operation,
        transaction,
        app_id,
        &tables,
        registration.files_enabled,
    )?;
    for spec in &specs {
        table::create(operation, transaction, app_id, spec)?;
    }
    Ok(())
}

fn write(
    operation: &'static str,
    connection: &Connection,
    app_id: &str,
    tables: &[TableInfo],
    files_enabled: bool,
) -> Result<()> {
    let tables = write_tables(operation, tables)?;
    // An app's own registry may want a time without giving one itself.
    let has_time = connection
        .query_row(
            "SELECT count(*) FROM pragma_table_info('app_syncable_namespaces') WHERE name = 'created_at'",
            [],
            |row| row.get::<_, bool>(0),
        )
        .map_err(during(operation))?;
    let (column, value) = if has_time {
        (", created_at", ", strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
    } else {
        ("", "")
    };
    connection
        .execute(
            &format!(
                "INSERT INTO app_syncable_namespaces (app_id, tables_json, files_enabled{column})
                 VALUES (?1, ?2, ?3{value})
                 ON CONFLICT (app_id) DO UPDATE SET
                   tables_json = excluded.tables_json, files_enabled = excluded.files_enabled"
            ),
            (app_id, tables, files_enabled),
        )
        .map_err(during(operation))?;
    Ok(())
}

/// Names that `SQLite` can have, and that are no other table's: two ids may differ only in what the name
/// of a table does not keep apart.
fn check_names(
    operation: &'static str,
    connection: &Connection,
    app_id: &str,
    tables: &[TableInfo],
) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::InvalidArgument, operation, message));
    if app_id.is_empty() || app_id.contains('\0') {
        return refuse(format!("{app_id:?} cannot be an app's id; use another"));
    }
    let mut taken: Vec<(String, String)> = Vec::new();
    for namespace in list(operation, connection)? {
        if namespace.app_id != app_id {
            for table in &namespace.tables {
                let name = physical_name(&namespace.app_id, &table.name);
                taken.push((name.to_ascii_lowercase(), namespace.app_id.clone()));
            }
        }
    }
    for table in tables {
        let name = physical_name(app_id, &table.name).to_ascii_lowercase();
        if table.name.is_empty() || name.contains('\0') || name.starts_with("sqlite_") {
            return refuse(format!(
                "{:?} of the app {app_id:?} cannot be the name of a table; use another",
                table.name
            ));
        }
        if let Some((_, owner)) = taken.iter().find(|(other, _)| *other == name) {
            return refuse(format!(
                "the table {} belongs to the app {owner:?} already; use another name",
                quote(&name)
            ));
        }
        taken.push((name, app_id.to_owned()));
    }
    Ok(())
}
