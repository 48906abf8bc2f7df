//! Holding a log against the tables that it speaks of.

use rusqlite::types::Value;

use super::super::columns::quote;
use super::entries::{HALVES, canonical, counted_of, fold, from_halves, note, set_counted};
use super::sql::{Plane, Sql, integer, number, one, stored_hash, string, text};
use super::tracked::Tracked;
use crate::error::Result;
use crate::protocol::log::{Digests, entry_hash};

/// What is wrong with the entry of a key.
enum Wrong {
    /// It speaks of a row that is not there.
    Gone(String),
    /// It is missing, or speaks of another version.
    Other(String, String, bool),
}

/// Mends what was changed behind the back of the log, within the caller's transaction. Returns how many entries were
/// wrong.
pub fn verify(sql: &dyn Sql, plane: Plane, tables: &[Tracked]) -> Result<u64> {
    fold(sql, plane, None)?;
    let mut mended = 0;
    for table in tables {
        let wrong = wrong_entries(sql, plane, table)?;
        mended += wrong.len() as u64;
        for entry in wrong {
            let (key, version) = match &entry {
                Wrong::Gone(key) => (key, None),
                Wrong::Other(key, time, deleted) => (key, Some((time.as_str(), *deleted))),
            };
            note(sql, plane, &table.stream, key, version)?;
        }
        fold(sql, plane, None)?;
        mended += u64::from(recount(sql, plane, &table.stream)?);
    }
    Ok(mended)
}

fn wrong_entries(sql: &dyn Sql, plane: Plane, table: &Tracked) -> Result<Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut row_before: Option<(String, (String, bool))> = None;
    let mut entry_before: Option<(String, Option<i64>)> = None;
    let mut settle = |row: Option<(String, (String, bool))>,
                      entry: Option<(String, Option<i64>)>| match (row, entry)
    {
        (Some((key, (time, is_deleted))), entry) => {
            let hash = entry_hash(&table.stream, &key, &canonical(&time));
            let hash = stored_hash(hash, is_deleted);
            if entry.and_then(|(_, hash)| hash) != Some(hash) {
                wrong.push(Wrong::Other(key, time, is_deleted));
            }
        }
        (None, Some((key, _))) => wrong.push(Wrong::Gone(key)),
        (None, None) => {}
    };
    // Rows and entries of one key come together.
    let query = format!(
        "SELECT {key} AS k, coalesce(CAST(\"updated_at\" AS TEXT), '') AS t, {deleted} AS m FROM {from}
         UNION ALL
         SELECT e.key, NULL, e.hash FROM {log} AS e JOIN {log}_streams AS s ON s.id = e.stream WHERE s.name = ?1
         ORDER BY 1",
        key = table.key_of(""),
        deleted = table.is_deleted(""),
        from = quote(&table.table),
        log = plane.log(),
    );
    sql.each(&query, &[string(table.stream.clone())], &mut |row| {
        let key = text(row.first())?.to_owned();
        let is_same = |before: Option<&str>| before.is_none_or(|before| before == key);
        let both = is_same(row_before.as_ref().map(|(key, _)| key.as_str()))
            && is_same(entry_before.as_ref().map(|(key, _)| key.as_str()));
        if !both {
            settle(row_before.take(), entry_before.take());
        }
        if let Some(Value::Text(time)) = row.get(1) {
            let is_deleted = number(row.get(2))? != 0;
            row_before = Some((key, (time.clone(), is_deleted)));
            return Ok(());
        }
        let hash = match row.get(2) {
            Some(Value::Integer(hash)) => Some(*hash),
            _ => None,
        };
        entry_before = Some((key, hash));
        Ok(())
    })?;
    settle(row_before.take(), entry_before.take());
    Ok(wrong)
}

/// Puts right what a stream says that it holds; whether it was wrong.
fn recount(sql: &dyn Sql, plane: Plane, stream: &str) -> Result<bool> {
    let id = one(
        sql,
        &plane.sql("SELECT id FROM @_streams WHERE name = ?1"),
        &[string(stream)],
    )?;
    let id = number(id.as_ref())?;
    let mut there = Digests::default();
    let count = plane.sql(&format!(
        "SELECT {HALVES} FROM @ WHERE stream = ?1 GROUP BY hash < 0"
    ));
    sql.each(&count, &[integer(id)], &mut |row| {
        let (some, are_deleted) = from_halves(row)?;
        there.add_some(some, are_deleted);
        Ok(())
    })?;
    let is_wrong = counted_of(sql, plane, id)? != there;
    if is_wrong {
        set_counted(sql, plane, id, there)?;
    }
    Ok(is_wrong)
}
