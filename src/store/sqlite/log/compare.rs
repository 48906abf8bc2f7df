//! Comparing ranges of keys with what another side holds of them.

use rusqlite::types::Value;

use super::look::Fetch;
use super::sql::{Plane, Sql, altered, hash_of, string, text};
use crate::error::Result;
use crate::protocol::log::{Digest, Found, Key, LEAF, Range, Reply, Span, Stream, split};
use crate::protocol::text::Text;

/// What this log holds of ranges.
pub fn digests(sql: &dyn Sql, plane: Plane, ranges: &[Range]) -> Result<Vec<Digest>> {
    let of = |range: &Range| {
        let mut digest = Digest::default();
        entries(sql, plane, range, &mut |_, hash| {
            digest.add(hash);
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
        digest.add(hash);
        entries_of.push((key.to_owned(), hash));
        Ok(())
    })?;
    if digest == span.digest {
        return Ok(Reply::Same);
    }
    if digest.count <= LEAF {
        let versions = versions_of(
            &span.range,
            entries_of.into_iter().map(|(key, _)| key),
            fetch,
        )?;
        let found = versions.into_iter();
        return Ok(Reply::Keys(
            found
                .map(|(key, time)| Found(key.id.to_string(), time))
                .collect(),
        ));
    }
    Ok(Reply::Parts(split(&span.range, &entries_of)))
}

/// The versions of ranges: keys and times.
pub fn versions<B>(
    sql: &dyn Sql,
    plane: Plane,
    ranges: &[Range],
    fetch: Fetch<'_, B>,
) -> Result<Vec<Vec<(Key, String)>>> {
    let mut all = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut keys = Vec::new();
        entries(sql, plane, range, &mut |key, _| {
            keys.push(key.to_owned());
            Ok(())
        })?;
        all.push(versions_of(range, keys.into_iter(), fetch)?);
    }
    Ok(all)
}

fn versions_of<B>(
    range: &Range,
    keys: impl Iterator<Item = String>,
    fetch: Fetch<'_, B>,
) -> Result<Vec<(Key, String)>> {
    let stream = Stream::named(&range.stream);
    let mut versions = Vec::new();
    for key in keys {
        for item in fetch(&stream, &key)? {
            let id = Text::from(key.as_str());
            let key = Key {
                stream: stream.clone(),
                id,
            };
            versions.push((key, item.hlc.to_string()));
        }
    }
    Ok(versions)
}

/// Shows the entries of a range in the order of their keys, with their hashes.
fn entries(
    sql: &dyn Sql,
    plane: Plane,
    range: &Range,
    show: &mut dyn FnMut(&str, u64) -> Result<()>,
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
        let Some(Value::Integer(stored)) = row.get(1) else {
            return Err(altered());
        };
        show(text(row.first())?, hash_of(*stored)?.0)
    })
}
