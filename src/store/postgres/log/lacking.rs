//! How many items a peer lacks.

use super::super::param::Param;
use super::entries::NOT_FROM;
use super::history::skipped;
use super::notes::storable;
use super::sql::{Sql, integer};
use crate::engine::change_log::Look;
use crate::error::Result;

/// What waits to go to a peer that has passed it in the log.
const WAITING: &str = "SELECT count(*) FROM @_waiting AS w
    JOIN @_streams AS s ON s.name = w.stream JOIN @ AS e ON e.stream = s.id AND e.key = w.key
   WHERE w.peer = $1 AND w.direction = 'out' AND e.seq <= $2";

/// How many items the peer lacks that `look` asks for, if it asks.
pub async fn lacking(sql: &Sql<'_>, look: &Look, after: u64) -> Result<Option<u64>> {
    let Some(peer) = &look.lacking_at else {
        return Ok(None);
    };
    let [generations, numbers] = skipped(&look.skip);
    let after = Param::Whole(integer(after));
    let behind = format!("SELECT count(*) FROM @ AS e WHERE e.seq > $3 AND {NOT_FROM}");
    let behind = sql
        .count(&behind, &[generations, numbers, after.clone()])
        .await?;
    let waiting = sql
        .count(WAITING, &[Param::text(storable(peer)), after])
        .await?;
    Ok(Some(behind + waiting))
}
