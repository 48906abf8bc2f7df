//! The columns of a table as the database declares them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rusqlite::types::Value;

use super::columns::quote;
use super::param::Param;
use super::session::PgSession;
use crate::error::{Error, ErrorKind, Result};
use crate::store::postgres::fault::during;
use crate::store::row::layout::EXTRA;

/// A column.
#[derive(Debug, Clone)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// Its type within SQL.
    pub(super) declared: String,
    /// What kind of type that is, by the letter of the catalogue.
    category: String,
    /// Whether the table computes it.
    pub(super) is_computed: bool,
    /// The name of its collation, or what the database has by default.
    pub(super) collation: String,
}

const COLUMNS: &str = "
    SELECT a.attname::text, a.attnotnull, pg_get_expr(d.adbin, d.adrelid), format_type(a.atttypid, a.atttypmod),
           t.typcategory::text, a.attgenerated <> '' OR a.attidentity = 'a',
           CASE c.collname WHEN 'default' THEN
             (SELECT CASE j ->> 'datlocprovider'
                WHEN 'i' THEN 'the database''s ICU collation ' || coalesce(j ->> 'datlocale', j ->> 'daticulocale', '')
                WHEN 'b' THEN coalesce(j ->> 'datlocale', j ->> 'datcollate')
                ELSE j ->> 'datcollate' END
              FROM (SELECT to_jsonb(b) AS j FROM pg_database b WHERE b.datname = current_database()) k)
           ELSE coalesce(c.collname::text, '') END
      FROM pg_attribute a
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN pg_collation c ON c.oid = a.attcollation
     WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum";

/// The columns of a table, whose name is one within SQL; none if it is not there.
pub(super) async fn columns_of(
    operation: &'static str,
    session: &PgSession,
    table: &str,
) -> Result<Vec<TableColumn>> {
    let rows = session
        .query(operation, COLUMNS, &[Param::text(table)])
        .await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(TableColumn {
            name: row.try_get(0)?,
            not_null: row.try_get(1)?,
            default: row.try_get(2)?,
            declared: row.try_get(3)?,
            category: row.try_get(4)?,
            is_computed: row.try_get(5)?,
            collation: row.try_get::<_, Option<String>>(6)?.unwrap_or_default(),
        })
    };
    let columns: std::result::Result<_, _> = rows.iter().map(read).collect();
    columns.map_err(during(operation))
}

/// Whether texts have the order of their bytes in a collation.
pub(super) fn is_in_order_of_bytes(collation: &str) -> bool {
    matches!(
        collation,
        "" | "C"
            | "POSIX"
            | "C.UTF-8"
            | "C.UTF8"
            | "C.utf8"
            | "ucs_basic"
            | "pg_c_utf8"
            | "PG_UNICODE_FAST"
            | "pg_unicode_fast"
    )
}

/// That timestamps have another order in a column.
pub(super) fn wrong_collation(operation: &'static str, table: &str, column: &TableColumn) -> Error {
    let (name, collation) = (&column.name, &column.collation);
    Error::new(
        ErrorKind::Database,
        operation,
        format!(
            "the column {name} of {table} has the collation {collation}, in which timestamps have another order; run \
             ALTER TABLE {table} ALTER COLUMN {} TYPE text COLLATE \"C\"",
            quote(name)
        ),
    )
}

impl TableColumn {
    fn is_truth(&self) -> bool {
        self.category == "B"
    }

    /// What reads it, as text.
    pub(super) fn read(&self) -> String {
        let name = quote(&self.name);
        if self.is_truth() {
            format!("t.{name}::int::text")
        } else {
            format!("t.{name}::text")
        }
    }

    /// Whether its values are numbers, or are read as such.
    pub(super) fn is_number(&self) -> bool {
        self.is_truth() || self.category == "N"
    }

    /// Its values as numbers.
    pub(super) fn number(&self) -> String {
        let name = quote(&self.name);
        if self.is_truth() {
            format!("t.{name}::int::numeric")
        } else {
            format!("t.{name}")
        }
    }

    /// Its values as texts, in the order of their bytes.
    pub(super) fn ordered(&self) -> String {
        let name = quote(&self.name);
        if self.declared == "text" && self.collation == "C" {
            format!("t.{name}")
        } else {
            format!("(t.{name}::text COLLATE \"C\")")
        }
    }

    /// What a text is written as.
    pub(super) fn write(&self, text: &str) -> String {
        if self.declared == "text" {
            text.to_owned()
        } else {
            format!("CAST({text} AS {})", self.declared)
        }
    }

    /// What was read.
    pub(super) fn value(&self, text: String) -> Value {
        if !self.is_number() {
            return Value::Text(text);
        }
        if let Ok(whole) = text.parse() {
            return Value::Integer(whole);
        }
        match text.parse() {
            Ok(real) => Value::Real(real),
            Err(_) => Value::Text(text),
        }
    }
}

/// A value as the text of it.
pub(super) fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null | Value::Blob(_) => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text),
    }
}

/// Says, once for each table, that what it has no column for is lost.
pub(super) fn warn_of_dropped(table: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert(table.to_owned()) {
        tracing::warn!(
            table,
            "fields without a column are dropped, as the table has no column {EXTRA} for them"
        );
    }
}
