//! The change log of a file, in plain SQL: also programs that know nothing of it keep it true while they write.
//!
//! Triggers on each table note the key and the time of every version under the next number. What they cannot do is
//! hash: an entry is *pending* until [`fold`] has put the hash of its version in the place of the time, and has
//! added that to the digest of its stream. Numbers come from `AUTOINCREMENT`: none is ever given twice, also where
//! rows were removed.
//!
//! Everything goes by [`Sql`], so that an app's own handle of a file is served by the same statements.

mod compare;
mod entries;
mod look;
mod notes;
mod schema;
mod verify;

use rusqlite::types::Value;

pub use self::compare::{compare, digests, versions};
pub use self::entries::{fold, has_pending, renew};
pub use self::look::look;
pub use self::notes::{advance, note, origin_of};
pub use self::schema::{Tracked, begin_generation, is_in_place, prepare};
pub use self::verify::verify;
use super::malformed::Raw;

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
pub(super) const OPERATION: &str = "read the change log";

impl Sql for rusqlite::Connection {
    fn run(&self, sql: &str, parameters: &[Value]) -> Result<usize> {
        let run = || {
            self.prepare_cached(sql)?
                .execute(rusqlite::params_from_iter(parameters))
        };
        run().map_err(super::fault::during(OPERATION))
    }

    fn each(
        &self,
        sql: &str,
        parameters: &[Value],
        row: &mut dyn FnMut(&[Value]) -> Result<()>,
    ) -> Result<()> {
        let during = super::fault::during(OPERATION);
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
fn number(value: Option<&Value>) -> Result<u64> {
    match value {
        Some(Value::Integer(number)) => u64::try_from(*number).map_err(|_| altered()),
        Some(Value::Null) | None => Ok(0),
        _ => Err(altered()),
    }
}

fn text(value: Option<&Value>) -> Result<&str> {
    match value {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(altered()),
    }
}

fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn string(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn altered() -> Error {
    Error::new(
        ErrorKind::Database,
        OPERATION,
        "its tables hold what this package never writes; drop the tables whose names begin with starkeep_ and end \
         with _log, _log_streams, _log_peers, _log_generations, _log_waiting and _log_meta, and open the file again: \
         they are made anew, and nothing is lost",
    )
}

/// The one value that a query answers; `None` if it answers none.
fn one(sql: &dyn Sql, text: &str, parameters: &[Value]) -> Result<Option<Value>> {
    let mut found = None;
    sql.each(text, parameters, &mut |row| {
        found = row.first().cloned();
        Ok(())
    })?;
    Ok(found)
}

/// Runs `work` so that it sees the database as it is at one moment, or changes it as a whole.
pub(super) fn at_once<T>(sql: &dyn Sql, work: impl FnOnce() -> Result<T>) -> Result<T> {
    sql.run("SAVEPOINT starkeep_log", &[])?;
    let done = work();
    if done.is_err() {
        sql.run("ROLLBACK TO starkeep_log", &[])?;
    }
    sql.run("RELEASE starkeep_log", &[])?;
    done
}
