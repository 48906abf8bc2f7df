//! Looks at a log within a transaction that somebody else may still roll back.
//!
//! A number that was told and is then rolled back is given again, to another version. So what is told within such a
//! transaction is told as a stretch of its own, which begins in the transaction and goes with it: whoever heard of it
//! is known to have what came before. A mark says whether all is there that was there at the last look: the
//! transaction may also be rolled back in part.

use super::entries::{head, set_head};
use super::schema::BEGIN_AFTER;
use super::sql::{Plane, Sql, integer, number, one, string, text};
use crate::error::Result;

/// Begins a stretch within the caller's transaction, in which everything behind the number `settled` lies. Where that
/// is not known, everything that was written since the latest stretch began.
pub fn begin_unsettled(sql: &dyn Sql, plane: Plane, settled: Option<u64>) -> Result<()> {
    let settled = if let Some(settled) = settled {
        settled
    } else {
        let latest = plane.sql("SELECT max(first) FROM @_generations");
        number(one(sql, &latest, &[])?.as_ref())?.saturating_sub(1)
    };
    for statement in ["DELETE FROM @_generations WHERE first > ?1", BEGIN_AFTER] {
        sql.run(&plane.sql(statement), &[integer(settled)])?;
    }
    // A number is used up, so that the stretch is told even if nothing is in it: it is what tells that it is gone.
    set_head(sql, plane, head(sql, plane)? + 1)
}

/// Puts another mark into the caller's transaction.
pub fn mark(sql: &dyn Sql, plane: Plane) -> Result<String> {
    sql.run(
        &plane.sql(
            "INSERT OR REPLACE INTO @_meta (key, value) VALUES ('mark', lower(hex(randomblob(8))))",
        ),
        &[],
    )?;
    let mark = one(sql, &plane.sql(MARK), &[])?;
    text(mark.as_ref()).map(str::to_owned)
}

/// Whether the last mark is this one.
pub fn is_marked(sql: &dyn Sql, plane: Plane, mark: &str) -> Result<bool> {
    Ok(one(sql, &plane.sql(MARK), &[])? == Some(string(mark)))
}

const MARK: &str = "SELECT value FROM @_meta WHERE key = 'mark'";
