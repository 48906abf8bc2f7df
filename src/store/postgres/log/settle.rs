//! Giving numbers to what was noted.

use super::super::param::Param;
use super::by_writers;
use super::sql::{OPERATION, Sql};
use crate::error::Result;

/// So many versions get their numbers in one go while others wait for their turn.
const AT_ONCE: i64 = 10_000;

/// Gives numbers to what was noted, in transactions of its own. Each is one statement: a process that is stopped here
/// leaves none open.
pub async fn settle(sql: &Sql<'_>) -> Result<()> {
    if !sql.session.dialect().has_locks() {
        return by_writers::settle(sql).await;
    }
    let at_once = [Param::Whole(AT_ONCE)];
    while sql.count("SELECT @_settle($1)", &at_once).await? >= AT_ONCE.unsigned_abs() {}
    Ok(())
}

/// Gives numbers to all that was noted, within the caller's transaction.
pub async fn settle_all(sql: &Sql<'_>) -> Result<()> {
    sql.run("SELECT @_settle($1)", &[Param::Whole(i64::MAX)])
        .await
}

/// Begins a transaction that sees one moment, in which no other process gives numbers.
pub async fn begin_with_turn(sql: &Sql<'_>) -> Result<()> {
    sql.session.transaction(OPERATION, false).await?;
    // The moment is that of the first query: what was numbered while this waited is seen.
    sql.batch(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; LOCK TABLE @_turn IN EXCLUSIVE MODE",
    )
    .await
}
