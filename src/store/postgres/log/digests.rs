//! What of the entries counts in digests, in SQL, and digests read from it.

use tokio_postgres::Row;

use super::super::param::Param;
use super::ranges::within;
use super::sql::{Sql, get, number};
use crate::error::Result;
use crate::protocol::log::{Digest, Range, Streams};

/// How many of the entries `e` count.
pub const COUNT_OF: &str = "count(*)";

/// The sum of the hashes of the entries `e` that count, modulo 2^52.
pub const SUM_OF: &str = "coalesce(mod(sum(e.hash), 4503599627370496), 0)::bigint";

/// The digest in the columns of a row from this one on.
pub fn digest(row: &Row, at: usize) -> Result<Digest> {
    Ok(Digest {
        count: number(row, at)?,
        sum: number(row, at + 1)?,
    })
}

/// What each stream says that it holds.
pub async fn of_streams(sql: &Sql<'_>) -> Result<Streams> {
    let query = "SELECT name, count, sum FROM @_streams WHERE is_whole ORDER BY name";
    let mut streams = Vec::new();
    for row in sql.rows(query, &[]).await? {
        streams.push((get(&row, 0)?, digest(&row, 1)?));
    }
    Ok(streams.into_iter().collect())
}

/// What the log holds of a range. That of a whole stream is known already.
pub async fn of_range(sql: &Sql<'_>, range: &Range) -> Result<Digest> {
    let row = if range.from.is_empty() && range.to.is_none() {
        let query = "SELECT count, sum FROM @_streams WHERE name = $1";
        sql.one(query, &[Param::text(&range.stream)]).await?
    } else {
        let (bounds, query) = within(range, &format!("SELECT {COUNT_OF}, {SUM_OF}"), "");
        sql.one(&query, &bounds).await?
    };
    row.as_ref()
        .map_or(Ok(Digest::default()), |row| digest(row, 0))
}

/// What the log holds of ranges.
pub async fn digests(sql: &Sql<'_>, ranges: &[Range]) -> Result<Vec<Digest>> {
    let mut all = Vec::with_capacity(ranges.len());
    for range in ranges {
        all.push(of_range(sql, range).await?);
    }
    Ok(all)
}
