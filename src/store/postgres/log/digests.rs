//! What of the entries counts in digests, in SQL, and digests read from it.

use tokio_postgres::Row;

use super::super::param::Param;
use super::ranges::within;
use super::sql::{Sql, get, number};
use crate::error::Result;
use crate::protocol::log::{Digest, Digests, Range, Streams};

/// How many of the entries `e` count.
pub const COUNT_OF: &str = "count(*)";

/// The sum of the hashes of the entries `e` that count, modulo 2^52.
pub const SUM_OF: &str = "coalesce(mod(sum(e.hash), 4503599627370496), 0)::bigint";

/// The same of the tombstones among them.
pub const DELETED_COUNT_OF: &str = "count(*) FILTER (WHERE e.deleted)";

/// The same of the tombstones among them.
pub const DELETED_SUM_OF: &str =
    "coalesce(mod(sum(e.hash) FILTER (WHERE e.deleted), 4503599627370496), 0)::bigint";

/// SQL with what counts in the places of its names.
pub fn with_counts(text: &str) -> String {
    text.replace("DELETED_COUNT_OF", DELETED_COUNT_OF)
        .replace("DELETED_SUM_OF", DELETED_SUM_OF)
        .replace("COUNT_OF", COUNT_OF)
        .replace("SUM_OF", SUM_OF)
}

/// The digest in the columns of a row from this one on.
pub fn digest(row: &Row, at: usize) -> Result<Digest> {
    Ok(Digest {
        count: number(row, at)?,
        sum: number(row, at + 1)?,
    })
}

/// What each stream says that it holds.
pub async fn of_streams(sql: &Sql<'_>) -> Result<Streams> {
    if !sql.session.dialect().has_triggers() {
        let query = "SELECT name, count, sum FROM @_streams WHERE is_whole ORDER BY name";
        let rows = sql.rows(query, &[]).await?;
        let stream = |row| Ok((get(row, 0)?, digest(row, 1)?));
        let streams: Vec<_> = rows.iter().map(stream).collect::<Result<_>>()?;
        return Ok(Streams::without_deleted(streams.into_iter()));
    }
    let query = "SELECT name, count, sum, deleted_count, deleted_sum FROM @_streams WHERE is_whole ORDER BY name";
    let mut streams = Vec::new();
    for row in sql.rows(query, &[]).await? {
        let counted = Digests {
            all: digest(&row, 1)?,
            deleted: digest(&row, 3)?,
        };
        streams.push((get(&row, 0)?, counted));
    }
    let streams: Streams = streams.into_iter().collect();
    let purged = sql.count("SELECT purged FROM @_meta", &[]).await?;
    Ok(streams.purged(purged > 0))
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
