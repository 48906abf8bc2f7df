//! The tables: what is created, what is added to what exists, and the statements for the table as it is.
//!
//! A new file has every column of either age of Starkeep's apps. In a file of an app the records stay in
//! the app's own table; a field without a column there lies in `extra_json` instead, so that the app's
//! own migrations find what they expect.

use std::ops::Deref;

use rusqlite::{Connection, TransactionBehavior};

use super::columns::{Column, KNOWN, clear_columns, quote};
use super::fault::during;
use super::indexes::{self, ByTime};
use crate::error::Result;
pub(super) use crate::store::row::layout::EXTRA;
use crate::store::row::layout::Layout;

/// The table of records.
pub(super) const TABLE: &str = "shared_records";

/// The table as it is, and the statements for it.
#[derive(Debug)]
pub(super) struct Shape {
    layout: Layout,
    pub(super) has_node_id: bool,
    pub(super) sql: Statements,
}

/// The statements that are kept prepared.
#[derive(Debug)]
pub(super) struct Statements {
    /// Everything of a record but the `WHERE`: the columns in order, then the extra column.
    pub(super) select: String,
    pub(super) by_id: String,
    pub(super) upsert: String,
    pub(super) delete: String,
    /// What the exchange reads.
    pub(super) by_time: ByTime,
}

impl Deref for Shape {
    type Target = Layout;

    fn deref(&self) -> &Layout {
        &self.layout
    }
}

impl Shape {
    /// Brings the file's tables into shape, in one transaction.
    pub(super) fn prepare(connection: &mut Connection) -> Result<Self> {
        const OPERATION: &str = "prepare the tables";
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(during(OPERATION))?;
        let shape = prepare_within(&transaction).map_err(during(OPERATION))?;
        shape.layout.check(TABLE, "use another file")?;
        transaction.commit().map_err(during(OPERATION))?;
        Ok(shape)
    }
}

fn prepare_within(connection: &Connection) -> rusqlite::Result<Shape> {
    connection.execute_batch(&create_table())?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS starkeep_metadata (
           type_id TEXT NOT NULL, record_id TEXT NOT NULL, row_json TEXT NOT NULL,
           PRIMARY KEY (type_id, record_id)) WITHOUT ROWID",
    )?;
    let (mut columns, computed) = columns_of_table(connection)?;
    let mut has = |name: &str| {
        let at = columns.iter().position(|column| column.name == name);
        at.map(|at| columns.remove(at)).is_some()
    };
    if !has(EXTRA) {
        connection.execute_batch("ALTER TABLE shared_records ADD COLUMN extra_json TEXT")?;
    }
    let has_node_id = has("node_id");
    let layout = Layout::new(columns, computed);
    if layout.lacks().is_none() {
        indexes::create(connection, TABLE, "starkeep_records", has_node_id)?;
    }
    let without_rowid: bool = connection.query_row(
        "SELECT wr FROM pragma_table_list('shared_records')",
        [],
        |row| row.get(0),
    )?;
    let row = if without_rowid { "\"id\"" } else { "rowid" };
    let sql = Statements::new(&layout.columns, has_node_id, row);
    Ok(Shape {
        layout,
        has_node_id,
        sql,
    })
}

fn create_table() -> String {
    let columns: Vec<String> = KNOWN
        .iter()
        .map(|(_, name, declaration)| format!("{} {declaration}", quote(name)))
        .collect();
    format!(
        "CREATE TABLE IF NOT EXISTS shared_records ({}, node_id TEXT NOT NULL, extra_json TEXT)",
        columns.join(", ")
    )
}

/// The columns that can be written, and the fields that only this table knows and computes itself.
fn columns_of_table(connection: &Connection) -> rusqlite::Result<(Vec<Column>, Vec<String>)> {
    let mut statement = connection.prepare(
        "SELECT name, \"notnull\", dflt_value, hidden IN (2, 3)
           FROM pragma_table_xinfo('shared_records') WHERE hidden IN (0, 2, 3) ORDER BY cid",
    )?;
    let mut rows = statement.query([])?;
    let (mut columns, mut computed) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let column = Column::new(row.get(0)?, row.get(1)?, row.get(2)?);
        if !row.get::<_, bool>(3)? {
            columns.push(column);
        } else if column.is_foreign() {
            computed.push(column.field);
        }
    }
    Ok((
        clear_columns(columns).into_iter().flatten().collect(),
        computed,
    ))
}

impl Statements {
    fn new(columns: &[Column], has_node_id: bool, row: &str) -> Self {
        let names: Vec<String> = columns.iter().map(Column::quoted).collect();
        let names = names.join(", ");
        let select = format!("SELECT {names}, extra_json FROM shared_records");
        Self {
            by_id: format!("{select} WHERE \"id\" = ?1"),
            by_time: ByTime::new(TABLE, &[row.to_owned()], has_node_id, &select),
            select,
            upsert: upsert(columns, has_node_id),
            delete: format!(
                "UPDATE shared_records SET \"deleted_at\" = ?2, \"updated_at\" = ?2{} WHERE \"id\" = ?1",
                if has_node_id { ", node_id = ?3" } else { "" }
            ),
        }
    }
}

/// The parameters are the columns in order, the extra column, the node where there is a column for it,
/// and one flag for each foreign column: whether the record has that field.
fn upsert(columns: &[Column], has_node_id: bool) -> String {
    let own = columns.len() + 1 + usize::from(has_node_id);
    let mut flags = own;
    let (mut names, mut values, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    for (at, column) in columns.iter().enumerate() {
        let (name, value) = (column.quoted(), at + 1);
        if column.is_foreign() {
            flags += 1;
            let default = column.default.as_deref().unwrap_or("NULL");
            values.push(format!("iif(?{flags}, ?{value}, ({default}))"));
            updates.push(format!("{name} = iif(?{flags}, ?{value}, {name})"));
        } else {
            values.push(format!("?{value}"));
            updates.push(format!("{name} = ?{value}"));
        }
        names.push(name);
    }
    for (name, at) in [(EXTRA, columns.len() + 1), ("node_id", columns.len() + 2)] {
        if at <= own {
            names.push(name.to_owned());
            values.push(format!("?{at}"));
            updates.push(format!("{name} = ?{at}"));
        }
    }
    format!(
        "INSERT INTO shared_records ({}) VALUES ({}) ON CONFLICT (\"id\") DO UPDATE SET {}",
        names.join(", "),
        values.join(", "),
        updates.join(", ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_exchange_reads_indexes_only() {
        let without_node = create_table().replace(", node_id TEXT NOT NULL", "");
        for schema in [create_table(), without_node] {
            let mut connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(&schema).unwrap();
            let sql = Shape::prepare(&mut connection).unwrap().sql.by_time;
            indexes::tests::assert_reads_indexes_only(&connection, &sql);
        }
    }
}
