//! What is noted for a change log of the versions that this package writes, where no trigger does it: beside the row, in its
//! transaction, so that both last or neither does.

use super::columns::quote;
use super::dialect::Dialect;
use super::param::Param;
use super::session::PgSession;
use crate::error::{Error, ErrorKind, Result};

/// Which of the two logs of a database: each has tables and functions of its own, named after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plane {
    /// Of the shared records.
    Records,
    /// Of the rows of apps.
    Rows,
}

impl Plane {
    /// What the names of its tables begin with.
    pub(super) fn bare(self) -> &'static str {
        match self {
            Self::Records => "_starkeep_records_log",
            Self::Rows => "_starkeep_rows_log",
        }
    }
}

/// Where the versions of a table are noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    table: String,
    stream: String,
    statement: String,
}

impl Noted {
    /// Of a stream of the log of this plane, in the schema of that.
    pub(super) fn of(plane: Plane, schema: &str, stream: String) -> Self {
        let table = format!("{}.{}_noted", quote(schema), plane.bare());
        // What is noted at once has one time, and its place in the list.
        let statement = format!(
            "INSERT INTO {table} (id, at, nr, stream, key, time, origin, origin_seq)
             SELECT gen_random_uuid()::text, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, v.nr, $1, v.key, v.time,
                    nullif($5::bigint, 0), $6::bigint
               FROM unnest($2::bigint[], $3::text[], $4::text[]) AS v (nr, key, time)"
        );
        Self {
            table,
            stream,
            statement,
        }
    }

    /// Makes the table of notes, if it is missing. Says whether it is there: a role that may not make it may still read.
    pub(super) async fn prepare(
        &self,
        operation: &'static str,
        session: &PgSession,
    ) -> Result<bool> {
        let is_there = "SELECT to_regclass($1) IS NOT NULL";
        let found = session
            .query(operation, is_there, &[Param::text(self.table.as_str())])
            .await?;
        let is_there = |row: &tokio_postgres::Row| row.try_get(0).unwrap_or(false);
        if found.first().is_some_and(is_there) {
            return Ok(true);
        }
        // A key that is drawn keeps writers out of each other's way.
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (id text PRIMARY KEY, at bigint NOT NULL, nr bigint NOT NULL,
               stream text NOT NULL, key text NOT NULL, time text, origin bigint, origin_seq bigint)",
            self.table
        );
        match session.define(operation, &sql).await {
            Ok(()) => Ok(true),
            Err(error) if super::fault::may_not(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes versions, each by its key and its time, within the caller's transaction.
    pub(super) async fn note(
        &self,
        operation: &'static str,
        session: &PgSession,
        versions: &[(String, Option<String>)],
    ) -> Result<()> {
        if versions.is_empty() {
            return Ok(());
        }
        if let Some((key, _)) = versions.iter().find(|(key, _)| is_too_long(key)) {
            let start: String = key.chars().take(40).collect();
            let message = format!(
                "the key {start:?}… has {} bytes; in Aurora DSQL it must have at most {}",
                key.len(),
                Dialect::LONGEST_KEY
            );
            return Err(Error::new(ErrorKind::Constraint, operation, message));
        }
        let numbers = (0..versions.len()).map(|nr| i64::try_from(nr).unwrap_or(i64::MAX));
        let (origin, seq) = session.origin();
        let parameters = [
            Param::text(self.stream.as_str()),
            Param::Wholes(numbers.collect()),
            Param::texts(versions.iter().map(|(key, _)| key.as_str())),
            Param::Texts(versions.iter().map(|(_, time)| time.clone()).collect()),
            Param::Whole(origin),
            Param::Whole(seq),
        ];
        let noted = session.query(operation, &self.statement, &parameters);
        noted.await.map(drop)
    }
}

/// Whether a key has no place in an index.
pub(super) fn is_too_long(key: &str) -> bool {
    key.len() > Dialect::LONGEST_KEY
}
