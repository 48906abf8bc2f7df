//! One table of an app: what is created, and the statements for the table as it is.
//!
//! A field that has no column, or that its column would not give back as it came, lies in one more column,
//! `starkeep_extra_json`. A table that this package creates has it from the start; to a table of an app it
//! is added when the first row needs it, and nothing else is: the app's own migrations find what they
//! expect. What the exchange reads by is an index of its own ([`indexes`]).

use std::collections::HashSet;
use std::ops::Deref;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::super::columns::quote;
use super::super::fault::during;
use super::super::indexes::{self, ByTime};
use super::super::malformed::{NoTexts, Raw, read_columns};
use super::super::record::Fields;
use super::layout::{self, Layout};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::store::row::cell::Column;
pub(super) use crate::store::row::cells::BOOKKEEPING;
use crate::store::row::cells::Cells;
use crate::store::{TableInfo, TableSpec};

/// The column for what has none.
pub(super) const EXTRA: &str = "starkeep_extra_json";

/// The table's name in the file.
pub(super) fn physical_name(app_id: &str, table: &str) -> String {
    format!(
        "{}_syncable_{table}",
        app_id.to_lowercase().replace('-', "_")
    )
}

/// A table as it is.
#[derive(Debug)]
pub(super) struct AppTable {
    pub(super) app_id: String,
    pub(super) info: TableInfo,
    /// Its name within SQL.
    pub(super) name: String,
    physical: String,
    cells: Cells,
    /// The columns by which `SQLite` knows a row, within SQL.
    pub(super) key: Vec<String>,
    pub(super) has_node_id: bool,
    pub(super) has_extra: bool,
    /// The columns in order, what is extra, the key.
    pub(super) select: String,
    pub(super) by_time: ByTime,
}

/// A row as it was read.
pub(super) struct StoredRow {
    pub(super) values: Vec<Value>,
    extra: Option<String>,
    /// The columns that hold a text which is none, by their place; the extra column comes after the others.
    pub(super) no_texts: NoTexts,
    pub(super) key: Vec<Raw>,
}

/// A row as it is going to be written.
#[derive(Clone)]
pub(super) struct EncodedRow {
    /// In the order of the columns.
    pub(super) values: Vec<Raw>,
    pub(super) extra: Option<String>,
}

impl EncodedRow {
    /// The row as it will be read.
    pub(super) fn into_stored(self) -> StoredRow {
        StoredRow {
            values: self.values.into_iter().map(Raw::readable).collect(),
            extra: self.extra,
            no_texts: NoTexts::default(),
            key: Vec::new(),
        }
    }
}

impl Deref for AppTable {
    type Target = Cells;

    fn deref(&self) -> &Cells {
        &self.cells
    }
}

/// Reads the table of an app as it is; `None` where there is none.
pub(super) fn load(
    operation: &'static str,
    connection: &Connection,
    app_id: &str,
    info: &TableInfo,
) -> Result<Option<AppTable>> {
    let physical = physical_name(app_id, &info.name);
    if physical.contains('\0') {
        return Ok(None);
    }
    let name = quote(&physical);
    let Some(without_rowid) =
        layout::has_no_rowid(connection, &physical).map_err(during(operation))?
    else {
        return Ok(None);
    };
    let Layout {
        mut columns,
        computed,
        primary,
    } = layout::read(connection, &physical).map_err(during(operation))?;
    for needed in ["updated_at", "deleted_at"] {
        if columns.iter().all(|column| column.name != needed) {
            return Err(Error::new(
                ErrorKind::Database,
                operation,
                format!(
                    "the table {physical} has no column {needed}, so it is not one of Starkeep's"
                ),
            ));
        }
    }
    let has_extra = columns.iter().any(|column| column.name == EXTRA);
    columns.retain(|column| column.name != EXTRA);
    let has_node_id = columns.iter().any(|column| column.name == "node_id");
    let key = if without_rowid {
        primary.iter().map(|column| quote(column)).collect()
    } else {
        vec![layout::row_id(&columns, &computed).to_owned()]
    };
    let names: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    let select = format!(
        "SELECT {}, {}, {} FROM {name}",
        names.join(", "),
        if has_extra { EXTRA } else { "NULL" },
        key.join(", ")
    );
    Ok(Some(AppTable {
        app_id: app_id.to_owned(),
        info: info.clone(),
        by_time: ByTime::new(&name, &key, has_node_id, &select),
        name,
        physical,
        cells: Cells { columns, computed },
        key,
        has_node_id,
        has_extra,
        select,
    }))
}

/// Creates the table if it is missing, and its columns that are.
pub(super) fn create(
    operation: &'static str,
    connection: &Connection,
    app_id: &str,
    spec: &TableSpec,
) -> Result<()> {
    let name = quote(&physical_name(app_id, &spec.name));
    let mut known: HashSet<String> = BOOKKEEPING.iter().map(|name| (*name).to_owned()).collect();
    known.insert(EXTRA.to_owned());
    let mut own: Vec<&str> = Vec::new();
    for column in spec.pk_columns.iter().chain(&spec.columns) {
        if known.insert(column.to_ascii_lowercase()) {
            own.push(column);
        }
    }
    let mut parts: Vec<String> = own.iter().map(|column| quote(column)).collect();
    parts.push("updated_at TEXT NOT NULL, deleted_at TEXT, node_id TEXT NOT NULL".to_owned());
    parts.push(format!("{EXTRA} TEXT"));
    if !spec.pk_columns.is_empty() {
        let key: Vec<String> = spec.pk_columns.iter().map(|column| quote(column)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let sql = format!("CREATE TABLE IF NOT EXISTS {name} ({})", parts.join(", "));
    connection.execute_batch(&sql).map_err(during(operation))?;
    let info = TableInfo {
        name: spec.name.clone(),
        pk_columns: spec.pk_columns.clone(),
        other: serde_json::Map::new(),
    };
    let Some(table) = load(operation, connection, app_id, &info)? else {
        return Ok(());
    };
    for column in own {
        let is_there = |there: &Column| there.name.eq_ignore_ascii_case(column);
        if !table.columns.iter().any(is_there) {
            let sql = format!("ALTER TABLE {name} ADD COLUMN {}", quote(column));
            connection.execute_batch(&sql).map_err(during(operation))?;
        }
    }
    table.create_indexes(operation, connection)
}

impl AppTable {
    /// Creates what is missing of the indexes.
    pub(super) fn create_indexes(
        &self,
        operation: &'static str,
        connection: &Connection,
    ) -> Result<()> {
        let prefix = format!("starkeep_{}", self.physical);
        indexes::create(connection, &self.physical, &prefix, self.has_node_id)
            .map_err(during(operation))
    }

    /// Adds the column for what has none.
    pub(super) fn add_extra(
        &mut self,
        operation: &'static str,
        connection: &Connection,
    ) -> Result<()> {
        let sql = format!("ALTER TABLE {} ADD COLUMN {EXTRA} TEXT", self.name);
        connection.execute_batch(&sql).map_err(during(operation))?;
        if let Some(again) = load(operation, connection, &self.app_id, &self.info)? {
            *self = again;
        }
        Ok(())
    }

    /// The columns that a row is written to, within SQL.
    pub(super) fn written_names(&self) -> Vec<String> {
        let names = self.columns.iter().map(|column| quote(&column.name));
        names
            .chain(self.has_extra.then(|| EXTRA.to_owned()))
            .collect()
    }

    /// What is written to them.
    pub(super) fn written_values(&self, row: EncodedRow) -> Vec<Raw> {
        let extra = row.extra.map_or(Value::Null, Value::Text);
        let mut values = row.values;
        values.extend(self.has_extra.then_some(Raw::Readable(extra)));
        values
    }

    /// The row that a statement of `select` is at.
    pub(super) fn read(&self, row: &Row<'_>) -> rusqlite::Result<StoredRow> {
        let count = self.columns.len();
        let (mut values, no_texts) = read_columns(row, count + 1)?;
        let extra = match values.pop() {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        };
        let key = (count + 1..count + 1 + self.key.len()).map(|at| Raw::read(row, at));
        Ok(StoredRow {
            values,
            extra,
            no_texts,
            key: key.collect::<rusqlite::Result<_>>()?,
        })
    }

    /// When a row was written; `None` where its time is none.
    pub(super) fn time_of(&self, row: &StoredRow) -> Option<Hlc> {
        let at = self.position("updated_at")?;
        if row.no_texts.iter().any(|(no_text, _)| *no_text == at) {
            return None;
        }
        match row.values.get(at)? {
            Value::Text(text) => Hlc::parse(text).ok(),
            _ => None,
        }
    }

    /// Whether a row is deleted.
    pub(super) fn is_deleted(&self, row: &StoredRow) -> bool {
        self.position("deleted_at")
            .and_then(|at| row.values.get(at))
            .is_some_and(|value| *value != Value::Null)
    }

    /// A row of these fields, written by `node`. What `stays` of a column is written back as it is.
    pub(super) fn encode(
        &self,
        fields: &Fields<'_>,
        node: &str,
        stays: impl Fn(usize, &Column) -> Option<Raw>,
    ) -> EncodedRow {
        let (values, extra) = self.cells.encode(fields, node, stays);
        EncodedRow { values, extra }
    }

    /// A row as the JSON object that it is.
    pub(super) fn decode(&self, row: &StoredRow) -> String {
        self.cells.decode(&row.values, row.extra.as_deref())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_exchange_reads_indexes_only() {
        for (key, columns) in [("", "node_id TEXT"), ("", "x"), ("WITHOUT ROWID", "rowid")] {
            let connection = Connection::open_in_memory().unwrap();
            let schema = format!(
                "CREATE TABLE a_b_syncable_t (i, j, {columns}, updated_at TEXT NOT NULL,
                   deleted_at TEXT, PRIMARY KEY (i, j)) {key}"
            );
            connection.execute_batch(&schema).unwrap();
            let info: TableInfo = serde_json::from_str(r#"{ "name": "t" }"#).unwrap();
            let table = load("test", &connection, "A-b", &info).unwrap().unwrap();
            table.create_indexes("test", &connection).unwrap();
            indexes::tests::assert_reads_indexes_only(&connection, &table.by_time);
        }
    }
}
