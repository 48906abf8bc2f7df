//! The statements of a log, over a connection.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::names::Names;
use crate::error::{Error, ErrorKind, Result};
use crate::store::postgres::fault::during;
use crate::store::postgres::param::Param;
use crate::store::postgres::session::PgSession;

/// What the operations of a log are called in errors.
pub const OPERATION: &str = "read the change log";

/// A connection, as far as a log needs one.
#[derive(Debug, Clone, Copy)]
pub struct Sql<'c> {
    /// The connection.
    pub session: &'c PgSession,
    /// What the log is called.
    pub names: &'c Names,
}

impl Sql<'_> {
    /// Runs a statement.
    pub async fn run(&self, text: &str, params: &[Param]) -> Result<()> {
        self.rows(text, params).await.map(drop)
    }

    /// The text that a query answers.
    pub async fn text(&self, text: &str) -> Result<String> {
        let row = self.one(text, &[]).await?;
        let text = row.as_ref().map_or(Ok(None), |row| get(row, 0))?;
        Ok(text.unwrap_or_default())
    }

    /// The number that a query answers.
    pub async fn count(&self, text: &str, params: &[Param]) -> Result<u64> {
        let row = self.one(text, params).await?;
        row.as_ref().map_or(Ok(0), |row| number(row, 0))
    }

    /// Runs statements that have no parameters, in one go.
    pub async fn batch(&self, text: &str) -> Result<()> {
        self.session.batch(OPERATION, &self.names.sql(text)).await
    }

    /// Runs a statement that defines something, which two processes may do at once.
    pub async fn define(&self, text: &str) -> Result<()> {
        self.session.define(OPERATION, &self.names.sql(text)).await
    }

    /// The rows that a query answers.
    pub async fn rows(&self, text: &str, params: &[Param]) -> Result<Vec<Row>> {
        let text = self.names.sql(text);
        self.session.query(OPERATION, &text, params).await
    }

    /// The one row that a query answers, if it answers one.
    pub async fn one(&self, text: &str, params: &[Param]) -> Result<Option<Row>> {
        Ok(self.rows(text, params).await?.into_iter().next())
    }
}

/// A column of a row.
pub fn get<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(during(OPERATION))
}

/// Numbers of a log are safe integers.
pub fn number(row: &Row, at: usize) -> Result<u64> {
    let number: Option<i64> = get(row, at)?;
    u64::try_from(number.unwrap_or_default()).map_err(|_| altered())
}

/// A number as SQL has it.
pub fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The log holds what this package never writes.
pub fn altered() -> Error {
    Error::new(
        ErrorKind::Database,
        OPERATION,
        "its tables hold what this package never writes; drop the tables whose names begin with _starkeep_ and start \
         the server again: they are made anew, and nothing is lost",
    )
}
