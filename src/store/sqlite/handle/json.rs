//! What the way to an app's handle says and hears, as JSON.

use rusqlite::types::Value as Cell;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::protocol::hlc::safe_integer;
use crate::protocol::item::Table;
use crate::protocol::log::Stream;
use crate::protocol::text::Text;
use crate::store::sqlite::log::{OPERATION, Sql, Tracked};

/// The way to an app's handle while a transaction is open. What is data alone crosses as JSON.
pub trait AskHandle {
    /// Asks `what` with these arguments, and so is the answer: JSON.
    fn ask_json(&self, what: &str, args: &str) -> Result<String>;

    /// Asks `what`.
    fn ask<T: DeserializeOwned>(&self, what: &str, args: &impl Serialize) -> Result<T> {
        let answer = self.ask_json(what, &written(args)?)?;
        serde_json::from_str(&answer).map_err(unreadable)
    }
}

impl<A: AskHandle> Sql for A {
    fn run(&self, sql: &str, parameters: &[Cell]) -> Result<usize> {
        self.ask("run", &(sql, values(parameters)))
    }

    fn each(
        &self,
        sql: &str,
        parameters: &[Cell],
        row: &mut dyn FnMut(&[Cell]) -> Result<()>,
    ) -> Result<()> {
        let rows: Vec<Vec<_>> = self.ask("rows", &(sql, values(parameters)))?;
        let mut rows = rows.into_iter();
        rows.try_for_each(|found| row(&cells(found)))
    }
}

/// The text of what is data alone.
pub(super) fn written(data: &impl Serialize) -> Result<String> {
    serde_json::to_string(data).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::json(OPERATION, error)
}

/// The parameters of a statement. Bytes are no part of a log.
fn values(cells: &[Cell]) -> Vec<Value> {
    let one = |cell: &Cell| match cell {
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::Integer(number) => Value::from(*number),
        Cell::Real(number) => Value::from(*number),
        Cell::Null | Cell::Blob(_) => Value::Null,
    };
    cells.iter().map(one).collect()
}

/// A row that was found. A whole number is an integer, as numbers of JavaScript are both.
fn cells(row: Vec<Value>) -> Vec<Cell> {
    let one = |value| match value {
        Value::String(text) => Cell::Text(text),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            let whole = safe_integer(number.abs()).and_then(|whole| i64::try_from(whole).ok());
            match whole {
                // The hash of a tombstone is negative.
                Some(whole) if number < 0.0 => Cell::Integer(-whole),
                Some(whole) => Cell::Integer(whole),
                None => Cell::Real(number),
            }
        }
        _ => Cell::Null,
    };
    row.into_iter().map(one).collect()
}

/// A table as `js/sqlite/` names it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NamedTable {
    app_id: Option<Text>,
    table: Option<Text>,
    name: Option<String>,
    key: Vec<String>,
    #[serde(default)]
    has_deleted_at: bool,
}

impl NamedTable {
    /// The table; `None` if it has no name.
    pub(super) fn tracked(self) -> Option<Tracked> {
        let stream = match (self.app_id, self.table) {
            (Some(app), Some(name)) => Stream::Rows(Table { app, name }),
            _ => Stream::Records,
        };
        Some(Tracked {
            stream: stream.name(),
            table: self.name?,
            key: self.key,
            has_deleted_at: self.has_deleted_at,
        })
    }
}
