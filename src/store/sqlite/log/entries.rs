//! Entries: numbering what was noted, and counting it in.

use std::collections::HashMap;

use rusqlite::types::Value;

use super::sql::{Plane, Sql, integer, number, one, stored_hash, string, text};
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{Digest, Digests, entry_hash};

/// Whether versions were noted that have no number yet.
pub(super) fn has_noted(sql: &dyn Sql, plane: Plane) -> Result<bool> {
    let found = one(sql, &plane.sql("SELECT 1 FROM @_noted LIMIT 1"), &[])?;
    Ok(found.is_some())
}

/// The last number that was given.
pub fn head(sql: &dyn Sql, plane: Plane) -> Result<u64> {
    let query = "SELECT max(coalesce((SELECT value FROM @_meta WHERE key = 'head'), 0),
                            coalesce((SELECT max(seq) FROM @), 0))";
    number(one(sql, &plane.sql(query), &[])?.as_ref())
}

/// Says which number was given last, within the caller's transaction.
pub(super) fn set_head(sql: &dyn Sql, plane: Plane, head: u64) -> Result<()> {
    let set = plane.sql("INSERT OR REPLACE INTO @_meta (key, value) VALUES ('head', ?1)");
    sql.run(&set, &[integer(head)]).map(drop)
}

/// The newest version that was noted of an item.
struct Noted {
    id: u64,
    stream: u64,
    hash: u64,
    is_deleted: bool,
}

/// The row of another log, and a number in it.
pub(super) type Origin = (u64, u64);

/// Brings the log up to date, within the caller's transaction: the versions that were noted get their numbers and
/// hashes, and take the places of those that they replace. They came from `origin`.
pub fn fold(sql: &dyn Sql, plane: Plane, origin: Option<Origin>) -> Result<()> {
    fold_where(sql, plane, origin, &|_| true)
}

/// The same where not all that was noted came from `origin`: only the versions whose hashes are told so.
pub fn fold_where(
    sql: &dyn Sql,
    plane: Plane,
    origin: Option<Origin>,
    came: &dyn Fn(u64) -> bool,
) -> Result<()> {
    if !has_noted(sql, plane)? {
        return Ok(());
    }
    let noted = newest_noted(sql, plane)?;
    let mut removed = remove_replaced(sql, plane)?;
    let mut added: HashMap<u64, Digests> = HashMap::new();
    for version in &noted {
        let added = added.entry(version.stream).or_default();
        added.add(version.hash, version.is_deleted);
        removed.entry(version.stream).or_default();
    }
    number_them(sql, plane, &noted, (origin, came))?;
    for (stream, gone) in removed {
        let held = counted_of(sql, plane, stream)?.without(gone);
        let now = held.and(added.remove(&stream).unwrap_or_default());
        set_counted(sql, plane, stream, now)?;
    }
    sql.run(&plane.sql("DELETE FROM @_noted"), &[]).map(drop)
}

/// The newest version of each item, in the order in which they were noted. An item that was removed has none.
fn newest_noted(sql: &dyn Sql, plane: Plane) -> Result<Vec<Noted>> {
    let mut noted = Vec::new();
    let query =
        "SELECT n.id, n.stream, s.name, n.key, n.time, n.deleted FROM @_noted AS n JOIN @_streams AS s ON s.id = n.stream
          WHERE n.id IN (SELECT max(id) FROM @_noted GROUP BY stream, key) AND n.time IS NOT NULL ORDER BY n.id";
    sql.each(&plane.sql(query), &[], &mut |row| {
        let time = canonical(text(row.get(4))?);
        noted.push(Noted {
            id: number(row.first())?,
            stream: number(row.get(1))?,
            hash: entry_hash(text(row.get(2))?, text(row.get(3))?, &time),
            is_deleted: number(row.get(5))? != 0,
        });
        Ok(())
    })?;
    Ok(noted)
}

/// Removes the entries of all items of which something was noted. Returns what they counted for, by stream.
fn remove_replaced(sql: &dyn Sql, plane: Plane) -> Result<HashMap<u64, Digests>> {
    const REPLACED: &str = "FROM @ WHERE (stream, key) IN (SELECT stream, key FROM @_noted)";
    let mut removed: HashMap<u64, Digests> = HashMap::new();
    let count = format!("SELECT stream, {HALVES} {REPLACED} GROUP BY stream, hash < 0");
    sql.each(&plane.sql(&count), &[], &mut |row| {
        let (some, are_deleted) = from_halves(&row[1..])?;
        let removed = removed.entry(number(row.first())?).or_default();
        removed.add_some(some, are_deleted);
        Ok(())
    })?;
    if !removed.is_empty() {
        sql.run(&plane.sql(&format!("DELETE {REPLACED}")), &[])?;
    }
    Ok(removed)
}

/// The number of entries made by one statement.
const MADE_AT_ONCE: usize = 500;

fn number_them(
    sql: &dyn Sql,
    plane: Plane,
    noted: &[Noted],
    (origin, came): (Option<Origin>, &dyn Fn(u64) -> bool),
) -> Result<()> {
    let mut last = head(sql, plane)?;
    let (log, seq) = match origin {
        Some((log, seq)) => (integer(log), integer(seq)),
        None => (Value::Null, Value::Null),
    };
    // Numbers below 2^53 are the same in JSON and in SQL.
    let statement = plane.sql(
        "INSERT INTO @ (seq, stream, key, hash, origin, origin_seq)
           SELECT f.seq, n.stream, n.key, f.hash, iif(f.came, ?2, NULL), iif(f.came, ?3, NULL)
             FROM (SELECT value ->> 0 AS id, value ->> 1 AS seq, value ->> 2 AS hash, value ->> 3 AS came
                     FROM json_each(?1)) AS f
             CROSS JOIN @_noted AS n ON n.id = f.id",
    );
    for some in noted.chunks(MADE_AT_ONCE) {
        let numbered = (last + 1..).zip(some).map(|(seq, version)| {
            let came = u8::from(came(version.hash));
            let hash = stored_hash(version.hash, version.is_deleted);
            format!("[{},{seq},{hash},{came}]", version.id)
        });
        let numbered = string(format!("[{}]", numbered.collect::<Vec<_>>().join(",")));
        sql.run(&statement, &[numbered, log.clone(), seq.clone()])?;
        last += some.len() as u64;
    }
    set_head(sql, plane, last)
}

/// The count of hashes, the sums of their halves, and whether they are of tombstones, as [`from_halves`] reads them: the sum
/// of all could be no integer. They are all of tombstones, which are stored negative, or all not.
pub(super) const HALVES: &str = "count(*), coalesce(sum(iif(hash < 0, -1 - hash, hash) >> 26), 0), \
     coalesce(sum(iif(hash < 0, -1 - hash, hash) & 67108863), 0), coalesce(max(hash < 0), 0)";

pub(super) fn from_halves(row: &[Value]) -> Result<(Digest, bool)> {
    let [count, upper, lower, are_deleted] = [0, 1, 2, 3].map(|at| number(row.get(at)));
    Ok((Digest::of_halves(count?, upper?, lower?), are_deleted? != 0))
}

/// What a stream says that it holds.
pub(super) fn counted_of(sql: &dyn Sql, plane: Plane, stream: u64) -> Result<Digests> {
    let mut held = Digests::default();
    let query =
        plane.sql("SELECT count, sum, deleted_count, deleted_sum FROM @_streams WHERE id = ?1");
    sql.each(&query, &[integer(stream)], &mut |row| {
        held = counted(row)?;
        Ok(())
    })?;
    Ok(held)
}

/// What the four columns of a stream say.
pub(super) fn counted(row: &[Value]) -> Result<Digests> {
    let digest = |at: usize| -> Result<Digest> {
        Ok(Digest {
            count: number(row.get(at))?,
            sum: number(row.get(at + 1))?,
        })
    };
    Ok(Digests {
        all: digest(0)?,
        deleted: digest(2)?,
    })
}

pub(super) fn set_counted(sql: &dyn Sql, plane: Plane, stream: u64, now: Digests) -> Result<()> {
    let set = plane.sql(
        "UPDATE @_streams SET count = ?2, sum = ?3, deleted_count = ?4, deleted_sum = ?5 WHERE id = ?1",
    );
    let Digests { all, deleted } = now;
    let parameters = [
        integer(stream),
        integer(all.count),
        integer(all.sum),
        integer(deleted.count),
        integer(deleted.sum),
    ];
    sql.run(&set, &parameters)?;
    changed(sql, plane)
}

/// Says that the streams hold something else than before, within the caller's transaction. No two states have one
/// name, also where a transaction is rolled back.
pub(super) fn changed(sql: &dyn Sql, plane: Plane) -> Result<()> {
    let name =
        "INSERT OR REPLACE INTO @_meta (key, value) VALUES ('state', lower(hex(randomblob(16))))";
    sql.run(&plane.sql(name), &[]).map(drop)
}

/// A time in the one form that all sides hash. What is none stays as it is.
pub(super) fn canonical(time: &str) -> String {
    Hlc::parse(time).map_or_else(|_| time.to_owned(), |hlc| hlc.to_string())
}

/// Gives an item a new number, within the caller's transaction, as if it had been written now: everybody hears of it
/// again.
pub fn renew(sql: &dyn Sql, plane: Plane, stream: &str, key: &str, time: &str) -> Result<()> {
    // Of the item that was noted last, or has its entry, it is known whether it is a tombstone.
    let note = "INSERT INTO @_noted (stream, key, time, deleted)
       SELECT id, ?2, ?3, coalesce(
                (SELECT deleted FROM @_noted WHERE stream = s.id AND key = ?2 ORDER BY id DESC LIMIT 1),
                (SELECT hash < 0 FROM @ WHERE stream = s.id AND key = ?2))
         FROM @_streams AS s WHERE name = ?1";
    let parameters = [string(stream), string(key), string(time)];
    sql.run(&plane.sql(note), &parameters)?;
    fold(sql, plane, None)
}

/// Notes a version of an item and whether it is a tombstone, or that it was removed, as the triggers do.
pub(super) fn note(
    sql: &dyn Sql,
    plane: Plane,
    stream: &str,
    key: &str,
    version: Option<(&str, bool)>,
) -> Result<()> {
    let note = "INSERT INTO @_noted (stream, key, time, deleted)
       SELECT id, ?2, ?3, ?4 FROM @_streams WHERE name = ?1";
    let (time, deleted) = match version {
        Some((time, is_deleted)) => (string(time), integer(u64::from(is_deleted))),
        None => (Value::Null, Value::Null),
    };
    let parameters = [string(stream), string(key), time, deleted];
    sql.run(&plane.sql(note), &parameters).map(drop)
}
