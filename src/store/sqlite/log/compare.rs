//! Comparing ranges of keys with what another side holds of them.

use super::look::Fetch;
use super::sql::{Plane, Sql, counted, string, text};
use crate::error::Result;
use crate::protocol::log::{Digest, Found, LEAF, Range, Reply, Span, Stream, split};

/// What this log holds of ranges.
pub fn digests(sql: &dyn Sql, plane: Plane, ranges: &[Range]) -> Result<Vec<Digest>> {
    let of = |range: &Range| {
        let mut digest = Digest::default();
        entries(sql, plane, range, &mut |_, hash| {
            digest.add_counted(hash);
            Ok(())
        })?;
        Ok(digest)
    };
    ranges.iter().map(of).collect()
}

/// Compares ranges with what another side holds of them.
pub fn compare<B>(
    sql: &dyn Sql,
    plane: Plane,
    spans: &[Span],
    fetch: Fetch<'_, B>,
) -> Result<Vec<Reply>> {
    let mut replies = Vec::with_capacity(spans.len());
    for span in spans {
        replies.push(reply(sql, plane, span, fetch)?);
    }
    Ok(replies)
}

fn reply<B>(sql: &dyn Sql, plane: Plane, span: &Span, fetch: Fetch<'_, B>) -> Result<Reply> {
    let mut entries_of = Vec::new();
    let mut digest = Digest::default();
    entries(sql, plane, &span.range, &mut |key, hash| {
        digest.add_counted(hash);
        entries_of.push((key.to_owned(), hash));
        Ok(())
    })?;
    if digest == span.digest {
        return Ok(Reply::Same);
    }
    // Tombstones are named as well: one may meet what it deleted.
    if entries_of.len() as u64 <= LEAF {
        return versions_of(&span.range, entries_of, fetch).map(Reply::Keys);
    }
    Ok(Reply::Parts(split(&span.range, &entries_of)))
}

/// The versions of ranges.
pub fn versions<B>(
    sql: &dyn Sql,
    plane: Plane,
    ranges: &[Range],
    fetch: Fetch<'_, B>,
) -> Result<Vec<Vec<Found>>> {
    let mut all = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut entries_of = Vec::new();
        entries(sql, plane, range, &mut |key, hash| {
            entries_of.push((key.to_owned(), hash));
            Ok(())
        })?;
        all.push(versions_of(range, entries_of, fetch)?);
    }
    Ok(all)
}

fn versions_of<B>(
    range: &Range,
    entries: Vec<(String, Option<u64>)>,
    fetch: Fetch<'_, B>,
) -> Result<Vec<Found>> {
    let stream = Stream::named(&range.stream);
    let mut versions = Vec::new();
    for (key, hash) in entries {
        for item in fetch(&stream, &key)? {
            versions.push(Found {
                key: key.clone(),
                time: item.hlc.to_string(),
                is_deleted: hash.is_none(),
            });
        }
    }
    Ok(versions)
}

/// Shows the entries of a range in the order of their keys, with what they count for.
fn entries(
    sql: &dyn Sql,
    plane: Plane,
    range: &Range,
    show: &mut dyn FnMut(&str, Option<u64>) -> Result<()>,
) -> Result<()> {
    let mut parameters = vec![string(range.stream.clone()), string(range.from.clone())];
    let mut query = plane.sql(
        "SELECT key, hash FROM @ WHERE stream = (SELECT id FROM @_streams WHERE name = ?1) AND key >= ?2",
    );
    if let Some(to) = &range.to {
        query.push_str(" AND key < ?3");
        parameters.push(string(to.clone()));
    }
    query.push_str(" ORDER BY key");
    sql.each(&query, &parameters, &mut |row| {
        show(text(row.first())?, counted(row.get(1))?)
    })
}
