//! How many items a peer lacks.

use super::notes::skipped;
use super::sql::{Plane, Sql, integer, number, one, string};
use crate::engine::change_log::Look;
use crate::error::Result;

/// The entries behind a number, found by their primary key, without those that came from the logs in `?2`.
const BEHIND: &str = "SELECT count(*) FROM @ AS e
   LEFT JOIN (SELECT value ->> 0 AS id, value ->> 1 AS seq FROM json_each(?2)) AS s ON s.id = e.origin
  WHERE e.seq > ?1 AND (s.id IS NULL OR e.origin_seq > s.seq)";

/// What waits to go to a peer that has passed it in the log.
const WAITING: &str = "SELECT count(*) FROM @_waiting AS w
   JOIN @_streams AS s ON s.name = w.stream
   JOIN @ AS e ON e.stream = s.id AND e.key = w.key
  WHERE w.peer = ?1 AND w.direction = 'out' AND e.seq <= ?2";

/// How many items the peer lacks that `look` asks for, if it asks.
pub(super) fn lacking(sql: &dyn Sql, plane: Plane, look: &Look, after: u64) -> Result<Option<u64>> {
    let Some(peer) = &look.lacking_at else {
        return Ok(None);
    };
    let skipped = skipped(sql, plane, &look.skip)?.into_iter();
    let skipped: Vec<_> = skipped.map(|(id, seq)| format!("[{id},{seq}]")).collect();
    let skipped = string(format!("[{}]", skipped.join(",")));
    let behind = one(sql, &plane.sql(BEHIND), &[integer(after), skipped])?;
    let parameters = [string(peer.clone()), integer(after)];
    let waiting = one(sql, &plane.sql(WAITING), &parameters)?;
    Ok(Some(number(behind.as_ref())? + number(waiting.as_ref())?))
}
