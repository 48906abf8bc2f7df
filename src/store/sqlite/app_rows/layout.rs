//! What an app's table has, as the file says it.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::store::row::cell::{Affinity, Column};

/// Whether the table has no row ids; `None` where there is no such table.
pub(super) fn has_no_rowid(connection: &Connection, name: &str) -> rusqlite::Result<Option<bool>> {
    let mut statement = connection.prepare_cached(
        "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
          AND name = ?1 COLLATE NOCASE",
    )?;
    let mut rows = statement.query([name])?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

/// The columns in their order, those that the table computes apart, and the names of those of the primary
/// key in its order.
pub(super) struct Layout {
    pub(super) columns: Vec<Column>,
    pub(super) computed: Vec<Column>,
    pub(super) primary: Vec<String>,
}

pub(super) fn read(connection: &Connection, name: &str) -> rusqlite::Result<Layout> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden IN (2, 3)
           FROM pragma_table_xinfo(?1) WHERE hidden IN (0, 2, 3) ORDER BY cid",
    )?;
    let mut rows = statement.query([name])?;
    let (mut columns, mut computed, mut primary) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let default: Option<String> = row.get(3)?;
        let place: i64 = row.get(4)?;
        if place > 0 {
            primary.push((place, name.clone()));
        }
        let list = if row.get(5)? {
            &mut computed
        } else {
            &mut columns
        };
        list.push(Column {
            name,
            affinity: Affinity::of(&row.get::<_, String>(1)?),
            not_null: row.get(2)?,
            default: match default {
                Some(sql) => {
                    connection.query_row(&format!("SELECT {sql}"), [], |row| row.get(0))?
                }
                None => Value::Null,
            },
        });
    }
    primary.sort();
    Ok(Layout {
        columns,
        computed,
        primary: primary.into_iter().map(|(_, name)| name).collect(),
    })
}

/// A name of the row id that no column hides.
pub(super) fn row_id(columns: &[Column], computed: &[Column]) -> &'static str {
    let is_free = |name: &&&str| {
        let mut taken = columns.iter().chain(computed);
        taken.all(|column| !column.name.eq_ignore_ascii_case(name))
    };
    ["rowid", "_rowid_", "oid"]
        .iter()
        .find(is_free)
        .unwrap_or(&"rowid")
}
