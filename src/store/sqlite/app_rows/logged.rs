//! The rows of apps, as their log knows them.

use std::collections::HashMap;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::super::delta;
use super::super::fault::during;
use super::super::log::{self, Plane, Tracked};
use super::super::logged::{FetchItems, Tables, TakeIn};
use super::entry::item;
use super::known::KnownTables;
use super::namespaces;
use super::table::{self, AppTable, StoredRow, physical_name};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Item, Table};
use crate::protocol::log::Stream;
use crate::protocol::text::Text;
use crate::store::Json;

const OPERATION: &str = "read a row of an app";

/// The tables of all apps.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::sqlite) struct RowTables;

/// How the log knows a table; `None` if nothing tells its rows apart.
fn tracked(table: &AppTable) -> Option<Tracked> {
    let stream = Stream::Rows(Table {
        app: Text::from(table.app_id.as_str()),
        name: Text::from(table.info.name.as_str()),
    });
    let is_there = |column: &String| table.column(column).is_some();
    let key = &table.info.pk_columns;
    (!key.is_empty() && key.iter().all(is_there)).then(|| Tracked {
        stream: stream.name(),
        table: physical_name(&table.app_id, &table.info.name),
        key: key.clone(),
        has_deleted_at: true,
    })
}

impl Tables for RowTables {
    const PLANE: Plane = Plane::Rows;

    fn tracked(&self, connection: &Connection) -> Result<Option<Vec<Tracked>>> {
        let mut all = Vec::new();
        for namespace in namespaces::list(OPERATION, connection)? {
            for info in &namespace.tables {
                let loaded = table::load(OPERATION, connection, &namespace.app_id, info)?;
                let Some(table) = loaded else { continue };
                match tracked(&table) {
                    Some(one) => all.push(one),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(all))
    }

    fn newest_of(
        &self,
        connection: &Connection,
        stream: &Stream,
        node: &NodeId,
    ) -> Result<Option<Hlc>> {
        let Stream::Rows(name) = stream else {
            return Ok(None);
        };
        let Some((table, _)) = find(connection, name)? else {
            return Ok(None);
        };
        delta::newest_of("purge rows of an app", connection, &table.by_time, node)
    }

    fn fetch<'a>(&'a self, connection: &'a Connection) -> FetchItems<'a> {
        let mut known: HashMap<Stream, Option<(AppTable, Tracked)>> = HashMap::new();
        Box::new(move |stream, key| {
            let Stream::Rows(name) = stream else {
                return Ok(Vec::new());
            };
            if !known.contains_key(stream) {
                known.insert(stream.clone(), find(connection, name)?);
            }
            match known.get(stream) {
                Some(Some((table, tracked))) => rows_of(connection, table, tracked, key),
                _ => Ok(Vec::new()),
            }
        })
    }

    fn take_in<'a>(
        &'a self,
        connection: &'a Connection,
        _log: Option<&'a mut log::Entering<'_>>,
    ) -> Result<TakeIn<'a>> {
        let tables = KnownTables::default();
        Ok(Box::new(move |item| tables.settle(connection, item)))
    }
}

impl AppTable {
    /// Gives a row a new number in the log, so that everybody hears of it again.
    pub(super) fn renew(&self, connection: &Connection, row: &StoredRow, hlc: &Hlc) -> Result<()> {
        let Some(tracked) = tracked(self) else {
            return Ok(());
        };
        let is_key: Vec<String> = (1..)
            .zip(&self.key)
            .map(|(at, name)| format!("{name} = ?{at}"))
            .collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE {}",
            tracked.key_of(""),
            self.name,
            is_key.join(" AND ")
        );
        let key: String = connection
            .query_row(&sql, rusqlite::params_from_iter(&row.key), |row| row.get(0))
            .map_err(during(OPERATION))?;
        log::renew(
            connection,
            Plane::Rows,
            &tracked.stream,
            &key,
            &hlc.to_string(),
        )
    }
}

fn find(connection: &Connection, name: &Table) -> Result<Option<(AppTable, Tracked)>> {
    let (Some(app), Some(name)) = (name.app.to_utf8(), name.name.to_utf8()) else {
        return Ok(None);
    };
    let namespace = namespaces::get(OPERATION, connection, &app)?;
    let Some(info) = namespace.as_ref().and_then(|known| known.table(&name)) else {
        return Ok(None);
    };
    let table = table::load(OPERATION, connection, &app, info)?;
    Ok(table.and_then(|table| tracked(&table).map(|tracked| (table, tracked))))
}

/// The rows under a key. A column may hold a number where the key has its digits, so both are looked for by the
/// index, and the key decides.
fn rows_of(
    connection: &Connection,
    table: &AppTable,
    tracked: &Tracked,
    key: &str,
) -> Result<Vec<Item<Json>>> {
    let parts = tracked.parts_of(key);
    let mut conditions = Vec::with_capacity(parts.len() + 1);
    for (at, column) in (1..).zip(&tracked.key) {
        let column = super::super::columns::quote(column);
        conditions.push(format!("{column} IN (?{at}, CAST(?{at} AS NUMERIC))"));
    }
    conditions.push(format!("{} = ?{}", tracked.key_of(""), parts.len() + 1));
    let sql = format!("{} WHERE {}", table.select, conditions.join(" AND "));
    let values = parts.into_iter().chain([key.to_owned()]).map(Value::Text);
    let read = || {
        let mut statement = connection.prepare_cached(&sql)?;
        let rows =
            statement.query_map(rusqlite::params_from_iter(values), |row| table.read(row))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(during(OPERATION))?;
    let as_item = |row| {
        let hlc = table.time_of(&row).unwrap_or_else(Hlc::zero);
        item(OPERATION, table, hlc, &row)
    };
    Ok(rows.into_iter().map(as_item).collect())
}
