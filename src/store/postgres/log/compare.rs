//! Comparing ranges of keys with what another side holds of them.

use super::digests::{COUNT_OF, SUM_OF, digest, of_range};
use super::log_tables::LogTables;
use super::look::fetch;
use super::ranges::within;
use super::sql::{Sql, get};
use crate::error::Result;
use crate::protocol::log::{FANOUT, Found, Key, LEAF, Range, Reply, Span, Stream};
use crate::protocol::text::Text;

/// Compares ranges with what another side holds of them.
pub async fn compare<T: LogTables>(
    sql: &Sql<'_>,
    spans: &[Span],
    tables: &T,
) -> Result<Vec<Reply>> {
    let mut replies = Vec::with_capacity(spans.len());
    for span in spans {
        let held = of_range(sql, &span.range).await?;
        replies.push(if held == span.digest {
            Reply::Same
        } else if entries_in(sql, &span.range).await? > LEAF {
            Reply::Parts(parts(sql, &span.range).await?)
        } else {
            Reply::Keys(versions_of(sql, &span.range, tables).await?)
        });
    }
    Ok(replies)
}

/// How many entries a range has. Tombstones are named as well: one may meet what it deleted.
async fn entries_in(sql: &Sql<'_>, range: &Range) -> Result<u64> {
    let (bounds, query) = within(range, "SELECT count(*)", "");
    sql.count(&query, &bounds).await
}

/// The versions of ranges.
pub async fn versions<T: LogTables>(
    sql: &Sql<'_>,
    ranges: &[Range],
    tables: &T,
) -> Result<Vec<Vec<Found>>> {
    let mut all = Vec::with_capacity(ranges.len());
    for range in ranges {
        all.push(versions_of(sql, range, tables).await?);
    }
    Ok(all)
}

/// The versions of a range in the order of their keys.
async fn versions_of<T: LogTables>(sql: &Sql<'_>, range: &Range, tables: &T) -> Result<Vec<Found>> {
    let stream = Stream::named(&range.stream);
    let (bounds, query) = within(range, "SELECT e.key, e.deleted", "ORDER BY e.key");
    let mut entries: Vec<(Key, bool)> = Vec::new();
    for row in sql.rows(&query, &bounds).await? {
        let stream = stream.clone();
        let id = Text::from(get::<&str>(&row, 0)?);
        entries.push((Key { stream, id }, get(&row, 1)?));
    }
    let mut items = fetch(sql, tables, entries.iter().map(|(key, _)| key)).await?;
    let mut versions = Vec::with_capacity(entries.len());
    for (key, is_deleted) in entries {
        let found = items.remove(&key).unwrap_or_default().into_iter();
        versions.extend(found.map(|item| Found {
            key: key.id.to_string(),
            time: item.hlc.to_string(),
            is_deleted,
        }));
    }
    Ok(versions)
}

/// The parts of a range with about equally many keys each, which together are the range.
async fn parts(sql: &Sql<'_>, range: &Range) -> Result<Vec<Span>> {
    let numbered = format!("SELECT e.*, ntile({FANOUT}) OVER (ORDER BY e.key) AS part");
    let (bounds, numbered) = within(range, &numbered, "");
    let query = format!(
        "SELECT min(e.key), {COUNT_OF}, {SUM_OF} FROM ({numbered}) AS e GROUP BY e.part ORDER BY e.part"
    );
    let mut parts: Vec<Span> = Vec::new();
    for row in sql.rows(&query, &bounds).await? {
        let mut of_part = range.clone();
        if let Some(before) = parts.last_mut() {
            let first: String = get(&row, 0)?;
            before.range.to = Some(first.clone());
            of_part.from = first;
        }
        parts.push(Span {
            range: of_part,
            digest: digest(&row, 1)?,
        });
    }
    Ok(parts)
}
