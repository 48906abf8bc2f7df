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
        } else if held.count > LEAF {
            Reply::Parts(parts(sql, &span.range).await?)
        } else {
            let found = versions_of(sql, &span.range, tables).await?.into_iter();
            let found = found.map(|(key, time)| Found(key.id.to_string(), time));
            Reply::Keys(found.collect())
        });
    }
    Ok(replies)
}

/// The versions of ranges: keys and times.
pub async fn versions<T: LogTables>(
    sql: &Sql<'_>,
    ranges: &[Range],
    tables: &T,
) -> Result<Vec<Vec<(Key, String)>>> {
    let mut all = Vec::with_capacity(ranges.len());
    for range in ranges {
        all.push(versions_of(sql, range, tables).await?);
    }
    Ok(all)
}

/// The versions of a range in the order of their keys.
async fn versions_of<T: LogTables>(
    sql: &Sql<'_>,
    range: &Range,
    tables: &T,
) -> Result<Vec<(Key, String)>> {
    let stream = Stream::named(&range.stream);
    let (bounds, query) = within(range, "SELECT e.key", "ORDER BY e.key");
    let mut keys = Vec::new();
    for row in sql.rows(&query, &bounds).await? {
        let stream = stream.clone();
        let id = Text::from(get::<&str>(&row, 0)?);
        keys.push(Key { stream, id });
    }
    let mut items = fetch(sql, tables, keys.iter()).await?;
    let mut versions = Vec::with_capacity(keys.len());
    for key in keys {
        let found = items.remove(&key).unwrap_or_default();
        versions.extend(
            found
                .into_iter()
                .map(|item| (key.clone(), item.hlc.to_string())),
        );
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
