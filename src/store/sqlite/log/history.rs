//! The history of a log.

use super::sql::{Plane, Sql, altered, number, text};
use crate::error::Result;
use crate::protocol::log::{Cursor, Generation, History};

/// The stretches of the history in which something was written, newest first.
pub(super) fn history(sql: &dyn Sql, plane: Plane, head: u64) -> Result<History> {
    let mut stretches = Vec::new();
    let mut last = head;
    let query = "SELECT first, generation FROM @_generations ORDER BY first DESC, rowid DESC";
    sql.each(&plane.sql(query), &[], &mut |row| {
        let first = number(row.first())?;
        if first <= last {
            let generation = Generation::new(text(row.get(1))?).ok_or_else(altered)?;
            stretches.push(Cursor {
                generation,
                seq: last,
            });
            last = first.saturating_sub(1);
        }
        Ok(())
    })?;
    Ok(History(stretches))
}
