//! The statements of a log, over any connection.

use rusqlite::types::Value;

use super::super::malformed::Raw;
use crate::error::{Error, ErrorKind, Result};

/// A connection to a database, as far as a log needs one.
pub trait Sql {
    /// Runs a statement, and returns how many rows it changed.
    fn run(&self, sql: &str, parameters: &[Value]) -> Result<usize>;

    /// Runs a query, and shows each row.
    fn each(
        &self,
        sql: &str,
        parameters: &[Value],
        row: &mut dyn FnMut(&[Value]) -> Result<()>,
    ) -> Result<()>;
}

/// What the operations of a log are called in errors.
pub(in crate::store::sqlite) const OPERATION: &str = "read the change log";

impl Sql for rusqlite::Connection {
    fn run(&self, sql: &str, parameters: &[Value]) -> Result<usize> {
        let run = || {
            self.prepare_cached(sql)?
                .execute(rusqlite::params_from_iter(parameters))
        };
        run().map_err(super::super::fault::during(OPERATION))
    }

    fn each(
        &self,
        sql: &str,
        parameters: &[Value],
        row: &mut dyn FnMut(&[Value]) -> Result<()>,
    ) -> Result<()> {
        let during = super::super::fault::during(OPERATION);
        let mut statement = self.prepare_cached(sql).map_err(&during)?;
        let columns = statement.column_count();
        let mut values = Vec::with_capacity(columns);
        let mut rows = statement
            .query(rusqlite::params_from_iter(parameters))
            .map_err(&during)?;
        while let Some(found) = rows.next().map_err(&during)? {
            values.clear();
            for at in 0..columns {
                values.push(Raw::read(found, at).map_err(&during)?.readable());
            }
            row(&values)?;
        }
        Ok(())
    }
}

/// Which of the two logs of a file: each has tables of its own, named after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Of the shared records.
    Records,
    /// Of the rows of apps.
    Rows,
}

impl Plane {
    /// The table of entries, whose name the others begin with.
    pub(super) fn log(self) -> &'static str {
        match self {
            Self::Records => "starkeep_records_log",
            Self::Rows => "starkeep_rows_log",
        }
    }

    /// A statement about this log: `@` stands for the name of its table of entries.
    pub(super) fn sql(self, text: &str) -> String {
        text.replace('@', self.log())
    }
}

/// Numbers of a log are safe integers.
pub(super) fn number(value: Option<&Value>) -> Result<u64> {
    match value {
        Some(Value::Integer(number)) => u64::try_from(*number).map_err(|_| altered()),
        Some(Value::Null) | None => Ok(0),
        _ => Err(altered()),
    }
}

/// The hash of an entry as it is stored: negative for a tombstone.
pub(super) fn stored_hash(hash: u64, is_deleted: bool) -> i64 {
    let hash = i64::try_from(hash).unwrap_or(i64::MAX);
    if is_deleted { -1 - hash } else { hash }
}

/// A hash as it is stored, and whether it is of a tombstone.
pub(super) fn hash_of(stored: i64) -> Result<(u64, bool)> {
    let is_deleted = stored < 0;
    let hash = if is_deleted { -1 - stored } else { stored };
    let hash = u64::try_from(hash).map_err(|_| altered())?;
    Ok((hash, is_deleted))
}

pub(super) fn text(value: Option<&Value>) -> Result<&str> {
    match value {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(altered()),
    }
}

pub(super) fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn string(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(super) fn altered() -> Error {
    Error::new(
        ErrorKind::Database,
        OPERATION,
        "its tables hold what this package never writes; drop the tables whose names begin with starkeep_ and end \
         with _log, _log_noted, _log_streams, _log_known, _log_peers, _log_generations, _log_waiting and _log_meta, and open the file \
         again: they are made anew, and nothing is lost",
    )
}

/// The one value that a query answers; `None` if it answers none.
pub(super) fn one(sql: &dyn Sql, text: &str, parameters: &[Value]) -> Result<Option<Value>> {
    let mut found = None;
    sql.each(text, parameters, &mut |row| {
        found = row.first().cloned();
        Ok(())
    })?;
    Ok(found)
}

/// Runs `work` so that it sees the database as it is at one moment, or changes it as a whole.
pub fn at_once<T>(sql: &dyn Sql, work: impl FnOnce() -> Result<T>) -> Result<T> {
    sql.run("SAVEPOINT starkeep_log", &[])?;
    let done = work();
    if done.is_err() {
        sql.run("ROLLBACK TO starkeep_log", &[])?;
    }
    sql.run("RELEASE starkeep_log", &[])?;
    done
}
