//! Entries: counting in what is pending, and giving an item another number.

use std::collections::HashMap;

use rusqlite::types::Value;

use super::sql::{Plane, Sql, integer, number, one, string, text};
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{Digest, entry_hash};

/// Whether entries were noted since the digests were brought up to date.
pub fn has_pending(sql: &dyn Sql, plane: Plane) -> Result<bool> {
    let found = one(
        sql,
        &plane.sql("SELECT 1 FROM @ WHERE typeof(mark) <> 'integer' LIMIT 1"),
        &[],
    )?;
    Ok(found.is_some())
}

struct Pending {
    seq: u64,
    stream: u64,
    hash: u64,
}

/// Brings the digests up to date, within the caller's transaction: the entries that are pending get their hashes,
/// and are noted to have come from `origin`, which is the row of another log and a number in it.
pub fn fold(sql: &dyn Sql, plane: Plane, origin: Option<(u64, u64)>) -> Result<()> {
    fold_where(sql, plane, origin, &|_| true)
}

/// The same where not all that is pending came from `origin`: only the versions whose hashes are told so.
pub fn fold_where(
    sql: &dyn Sql,
    plane: Plane,
    origin: Option<(u64, u64)>,
    came: &dyn Fn(u64) -> bool,
) -> Result<()> {
    let pending = pending(sql, plane)?;
    if pending.is_empty() {
        return Ok(());
    }
    let mut added: HashMap<u64, Digest> = HashMap::new();
    for entry in &pending {
        added.entry(entry.stream).or_default().add(entry.hash);
    }
    let (theirs, ours): (Vec<_>, Vec<_>) = pending
        .iter()
        .partition(|entry| origin.is_some() && came(entry.hash));
    mark(sql, plane, &theirs, origin)?;
    mark(sql, plane, &ours, None)?;
    for (stream, digest) in added {
        sql.run(
            &plane.sql(
                "UPDATE @_streams SET count = count + ?2, sum = (sum + ?3) & 4503599627370495 WHERE id = ?1",
            ),
            &[integer(stream), integer(digest.count), integer(digest.sum)],
        )?;
    }
    Ok(())
}

/// So many entries get their hashes by one statement.
const MARKED_AT_ONCE: usize = 500;

fn mark(
    sql: &dyn Sql,
    plane: Plane,
    entries: &[&Pending],
    origin: Option<(u64, u64)>,
) -> Result<()> {
    let (log, seq) = match origin {
        Some((log, seq)) => (integer(log), integer(seq)),
        None => (Value::Null, Value::Null),
    };
    // Numbers below 2^53 are the same in JSON and in SQL.
    let statement = plane.sql(
        "UPDATE @ SET mark = f.mark, origin = ?2, origin_seq = ?3
           FROM (SELECT value ->> 0 AS seq, value ->> 1 AS mark FROM json_each(?1)) AS f WHERE @.seq = f.seq",
    );
    for some in entries.chunks(MARKED_AT_ONCE) {
        let pairs: Vec<String> = some
            .iter()
            .map(|entry| format!("[{},{}]", entry.seq, entry.hash))
            .collect();
        let pairs = string(format!("[{}]", pairs.join(",")));
        sql.run(&statement, &[pairs, log.clone(), seq.clone()])?;
    }
    Ok(())
}

fn pending(sql: &dyn Sql, plane: Plane) -> Result<Vec<Pending>> {
    let mut pending = Vec::new();
    let query = "SELECT e.seq, e.stream, s.name, e.key, e.mark FROM @ AS e JOIN @_streams AS s ON s.id = e.stream \
                 WHERE typeof(e.mark) <> 'integer' ORDER BY e.seq";
    sql.each(&plane.sql(query), &[], &mut |row| {
        let time = match row.get(4) {
            Some(Value::Text(time)) => canonical(time),
            _ => String::new(),
        };
        pending.push(Pending {
            seq: number(row.first())?,
            stream: number(row.get(1))?,
            hash: entry_hash(text(row.get(2))?, text(row.get(3))?, &time),
        });
        Ok(())
    })?;
    Ok(pending)
}

/// A time in the one form that all sides hash. What is none stays as it is.
pub(super) fn canonical(time: &str) -> String {
    Hlc::parse(time).map_or_else(|_| time.to_owned(), |hlc| hlc.to_string())
}

/// Gives an item a new number, within the caller's transaction, as if it had been written now: everybody hears of it
/// again.
pub fn renew(sql: &dyn Sql, plane: Plane, stream: &str, key: &str, time: &str) -> Result<()> {
    remove(sql, plane, stream, key)?;
    sql.run(
        &plane.sql(
            "INSERT INTO @ (stream, key, mark) SELECT id, ?2, ?3 FROM @_streams WHERE name = ?1",
        ),
        &[string(stream), string(key), string(time)],
    )?;
    fold(sql, plane, None)
}

/// Removes the entry of an item, and what it counts for.
pub(super) fn remove(sql: &dyn Sql, plane: Plane, stream: &str, key: &str) -> Result<()> {
    let parameters = [string(stream), string(key)];
    let entry = "FROM @ WHERE stream = (SELECT id FROM @_streams WHERE name = ?1) AND key = ?2";
    for statement in [
        format!(
            "UPDATE @_streams SET count = count - 1, sum = (sum - (SELECT mark {entry})) & 4503599627370495 \
             WHERE name = ?1 AND EXISTS (SELECT 1 {entry} AND typeof(mark) = 'integer')"
        ),
        format!("DELETE {entry}"),
    ] {
        sql.run(&plane.sql(&statement), &parameters)?;
    }
    Ok(())
}
