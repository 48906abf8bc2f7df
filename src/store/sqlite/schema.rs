//! The tables: what is created, what is added to what exists, and the statements for the table as it is.
//!
//! A new file has every column of either age of Starkeep's apps. In a file of an app the records stay in
//! the app's own table; a field without a column there lies in `extra_json` instead, so that the app's
//! own migrations find what they expect.
//!
//! Two indexes serve the exchange. One orders the rows of every node by time; where the table has no
//! `node_id`, it is over the text form, whose node begins at character 19. The other holds the few rows
//! for which that is not so: the ones whose time is not written in the usual 12 and 4 digits, and whose
//! text order is therefore not their order. Together they answer for all rows.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::columns::{Column, KNOWN, NEEDED, quote};
use super::fault::during;
use crate::error::{Error, ErrorKind, Result};

/// The column for fields that have none.
pub(super) const EXTRA: &str = "extra_json";

/// Rows whose time is not written in 12 and 4 small hexadecimal digits.
const ODD: &str = "substr(\"updated_at\", 1, 18) NOT GLOB '\
[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]:\
[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:'";

/// The node within a time that is written as usual.
const NODE_IN_TEXT: &str = "substr(\"updated_at\", 19)";

/// The table as it is, and the statements for it.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) columns: Vec<Column>,
    pub(super) has_node_id: bool,
    pub(super) sql: Statements,
}

/// The statements that are kept prepared.
#[derive(Debug)]
pub(super) struct Statements {
    /// Everything of a record but the `WHERE`: the columns in order, then the extra column.
    pub(super) select: String,
    pub(super) by_id: String,
    pub(super) by_row: String,
    pub(super) upsert: String,
    pub(super) delete: String,
    pub(super) first_node: String,
    pub(super) next_node: String,
    pub(super) newest_of_node: String,
    pub(super) node_since: String,
    pub(super) odd_rows: String,
}

impl Shape {
    /// Brings the file's tables into shape, in one transaction.
    pub(super) fn prepare(connection: &mut Connection) -> Result<Self> {
        const OPERATION: &str = "prepare the tables";
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(during(OPERATION))?;
        let shape = prepare_within(&transaction).map_err(during(OPERATION))?;
        shape.check()?;
        transaction.commit().map_err(during(OPERATION))?;
        Ok(shape)
    }

    /// Where the column `name` is.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column of a field.
    pub(super) fn column_of(&self, field: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.field == field)
    }

    fn check(&self) -> Result<()> {
        for needed in NEEDED {
            if self.position(needed).is_none() {
                return Err(Error::new(
                    ErrorKind::Database,
                    "prepare the tables",
                    format!(
                        "the table shared_records has no column {needed}, so it is not one of \
                         Starkeep's; use another file"
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn prepare_within(connection: &Connection) -> rusqlite::Result<Shape> {
    connection.execute_batch(&create_table())?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS starkeep_metadata (
           type_id TEXT NOT NULL, record_id TEXT NOT NULL, row_json TEXT NOT NULL,
           PRIMARY KEY (type_id, record_id)) WITHOUT ROWID",
    )?;
    let mut columns = columns_of_table(connection)?;
    let mut has = |name: &str| {
        let at = columns.iter().position(|column| column.name == name);
        at.map(|at| columns.remove(at)).is_some()
    };
    if !has(EXTRA) {
        connection.execute_batch("ALTER TABLE shared_records ADD COLUMN extra_json TEXT")?;
    }
    let has_node_id = has("node_id");
    columns.sort_by_key(|column| {
        KNOWN
            .iter()
            .position(|(_, name, _)| *name == column.name)
            .unwrap_or(KNOWN.len())
    });
    if columns
        .iter()
        .filter(|column| NEEDED.contains(&column.name.as_str()))
        .count()
        == NEEDED.len()
    {
        create_indexes(connection, has_node_id)?;
    }
    let without_rowid: bool = connection.query_row(
        "SELECT wr FROM pragma_table_list('shared_records')",
        [],
        |row| row.get(0),
    )?;
    let row = if without_rowid { "\"id\"" } else { "rowid" };
    let sql = Statements::new(&columns, has_node_id, row);
    Ok(Shape {
        columns,
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

/// The columns that can be written.
fn columns_of_table(connection: &Connection) -> rusqlite::Result<Vec<Column>> {
    let mut statement = connection
        .prepare("SELECT name, \"notnull\", dflt_value FROM pragma_table_info('shared_records') ORDER BY cid")?;
    let all = statement.query_map([], |row| {
        Ok(Column::new(row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let mut columns: Vec<Column> = Vec::new();
    let mut taken = Vec::new();
    for column in all {
        let column = column?;
        if column.is_clear(&taken) {
            taken.push(column.field.clone());
            columns.push(column);
        }
    }
    Ok(columns)
}

fn create_indexes(connection: &Connection, has_node_id: bool) -> rusqlite::Result<()> {
    if !has_node_id {
        connection.execute_batch(&format!(
            "CREATE INDEX IF NOT EXISTS starkeep_records_by_node_in_text
               ON shared_records ({NODE_IN_TEXT}, \"updated_at\")"
        ))?;
    } else if !has_index_by_node(connection)? {
        connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS starkeep_records_by_node
               ON shared_records (node_id, updated_at)",
        )?;
    }
    connection.execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS starkeep_records_at_odd_times
           ON shared_records (\"updated_at\") WHERE {ODD}"
    ))
}

/// Whether the app has the index already, under a name of its own.
fn has_index_by_node(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row(
            "SELECT 1 FROM pragma_index_list('shared_records') AS list
              WHERE list.partial = 0
                AND (SELECT name FROM pragma_index_info(list.name) WHERE seqno = 0) = 'node_id'
                AND (SELECT name FROM pragma_index_info(list.name) WHERE seqno = 1) = 'updated_at'",
            [],
            |_| Ok(()),
        )
        .optional()
        .map(|found| found.is_some())
}

impl Statements {
    fn new(columns: &[Column], has_node_id: bool, row: &str) -> Self {
        let names: Vec<String> = columns.iter().map(Column::quoted).collect();
        let names = names.join(", ");
        let node = if has_node_id { "node_id" } else { NODE_IN_TEXT };
        let select = format!("SELECT {names}, extra_json FROM shared_records");
        Self {
            by_id: format!("{select} WHERE \"id\" = ?1"),
            by_row: format!("{select} WHERE {row} = ?1"),
            select,
            upsert: upsert(columns, has_node_id),
            delete: format!(
                "UPDATE shared_records SET \"deleted_at\" = ?2, \"updated_at\" = ?2{} WHERE \"id\" = ?1",
                if has_node_id { ", node_id = ?3" } else { "" }
            ),
            first_node: format!(
                "SELECT {node} FROM shared_records WHERE {node} >= '' ORDER BY {node} LIMIT 1"
            ),
            next_node: format!(
                "SELECT {node} FROM shared_records WHERE {node} > ?1 ORDER BY {node} LIMIT 1"
            ),
            newest_of_node: format!(
                "SELECT \"updated_at\" FROM shared_records WHERE {node} = ?1 ORDER BY \"updated_at\" DESC"
            ),
            node_since: format!(
                "SELECT {row}, \"updated_at\" FROM shared_records
                  WHERE {node} = ?1 AND \"updated_at\" >= ?2 ORDER BY \"updated_at\""
            ),
            odd_rows: format!("SELECT {row}, \"updated_at\" FROM shared_records WHERE {ODD}"),
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

    fn plan(connection: &Connection, sql: &str) -> String {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let count = statement.parameter_count();
        let steps = statement
            .query_map(rusqlite::params_from_iter(vec!["x"; count]), |row| {
                row.get(3)
            })
            .unwrap();
        steps
            .collect::<rusqlite::Result<Vec<String>>>()
            .unwrap()
            .join("; ")
    }

    #[test]
    fn the_exchange_reads_indexes_only() {
        let without_node = create_table().replace(", node_id TEXT NOT NULL", "");
        for schema in [create_table(), without_node] {
            let mut connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(&schema).unwrap();
            let sql = Shape::prepare(&mut connection).unwrap().sql;
            for statement in [
                &sql.first_node,
                &sql.next_node,
                &sql.newest_of_node,
                &sql.node_since,
                &sql.odd_rows,
            ] {
                let plan = plan(&connection, statement);
                assert!(
                    plan.contains("INDEX starkeep_records_"),
                    "{statement}: {plan}"
                );
                assert!(!plan.contains("B-TREE"), "{statement}: {plan}");
            }
            let jump = plan(&connection, &sql.next_node);
            assert!(jump.starts_with("SEARCH"), "{jump}");
        }
    }
}
