//! Removing tombstones for good: rows of the tables, and with them their entries.

use std::collections::HashMap;

use super::super::columns::quote;
use super::entries::fold;
use super::known::{flushed, now_ms, remove, set_purged, waits};
use super::schema::begin_at_once;
use super::sql::{Plane, Sql, integer, number, one, string, text};
use super::tracked::Tracked;
use crate::engine::purge::{Purge, Purged, Tombstone};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::log::{Key, Stream};
use crate::protocol::text::Text;
use crate::store::known_peers::KnownPeers;

/// Reads the greatest timestamp of a node in a stream.
pub type NewestOf<'a> = &'a mut dyn FnMut(&Stream, &NodeId) -> Result<Option<Hlc>>;

/// Removes a batch of tombstones within the caller's transaction, in a log that is up to date.
pub fn purge(
    sql: &dyn Sql,
    (plane, peers): (Plane, &KnownPeers),
    tables: &[Tracked],
    (purge, newest_of): (&Purge, NewestOf<'_>),
) -> Result<Purged> {
    let mut purged = Purged::begin(purge, flushed(sql, plane, peers)?, now_ms(sql)?);
    if !purge.is_dry && purge.after == 0 {
        let forgotten = purged
            .peers
            .iter()
            .filter(|(_, _, is_forgotten)| *is_forgotten);
        let mut is_any = false;
        for (known, _, _) in forgotten {
            remove(sql, plane, known)?;
            is_any = true;
        }
        if is_any {
            // Other processes that have the file open know the peer no more either.
            begin_at_once(sql, plane)?;
        }
    }
    let found = tombstones(sql, plane, purge)?;
    let is_full = found.len() == purge.limit;
    purged.next = found.last().map(|(seq, _, _)| *seq).filter(|_| is_full);
    let mut referenced: HashMap<String, bool> = HashMap::new();
    let mut greatest = None;
    for (seq, stream, key) in found {
        let Some(table) = tables.iter().find(|table| table.stream == stream) else {
            continue;
        };
        // One whose time cannot be read is no item that could be purged.
        let Some(hlc) = time_of(sql, table, &key)? else {
            continue;
        };
        let is_referenced = match referenced.get(&stream) {
            Some(known) => *known,
            None => *referenced
                .entry(stream.clone())
                .or_insert(is_referred_to(sql, table)?),
        };
        let named = Stream::named(&stream);
        let newest = newest_of(&named, &hlc.node_id)?;
        let tombstone = Tombstone {
            stream: &stream,
            seq,
            hlc: &hlc,
            waits: waits(sql, plane, &stream, &key)?,
            is_newest: newest.is_none_or(|newest| newest <= hlc),
            is_referenced,
        };
        if !purged.lets_go(purge, tombstone) {
            continue;
        }
        if !purge.is_dry {
            let (test, values) = table.test_of(&key);
            let (from, is_deleted) = (quote(&table.table), table.is_deleted(""));
            let delete = format!("DELETE FROM {from} WHERE {test} AND {is_deleted}");
            let values: Vec<_> = values.into_iter().map(string).collect();
            sql.run(&delete, &values)?;
            greatest = Some(seq);
        }
        let id = Text::from(key.as_str());
        purged.removed.push((Key { stream: named, id }, hlc));
    }
    if let Some(seq) = greatest {
        set_purged(sql, plane, seq)?;
        fold(sql, plane, None)?;
    }
    Ok(purged)
}

/// The tombstones of a batch: numbers, streams and keys.
fn tombstones(sql: &dyn Sql, plane: Plane, purge: &Purge) -> Result<Vec<(u64, String, String)>> {
    let mut found = Vec::new();
    let query = plane.sql(
        "SELECT e.seq, s.name, e.key FROM @ AS e JOIN @_streams AS s ON s.id = e.stream
          WHERE e.hash < 0 AND e.seq > ?1 ORDER BY e.seq LIMIT ?2",
    );
    let parameters = [integer(purge.after), integer(purge.limit as u64)];
    sql.each(&query, &parameters, &mut |row| {
        let [stream, key] = [row.get(1), row.get(2)].map(text);
        found.push((number(row.first())?, stream?.to_owned(), key?.to_owned()));
        Ok(())
    })?;
    Ok(found)
}

/// When a tombstone was written.
fn time_of(sql: &dyn Sql, table: &Tracked, key: &str) -> Result<Option<Hlc>> {
    let (test, values) = table.test_of(key);
    let query = format!(
        "SELECT \"updated_at\" FROM {} WHERE {test} AND {}",
        quote(&table.table),
        table.is_deleted("")
    );
    let values: Vec<_> = values.into_iter().map(string).collect();
    let time = one(sql, &query, &values)?;
    Ok(text(time.as_ref())
        .ok()
        .and_then(|time| Hlc::parse(time).ok()))
}

/// Whether a foreign key refers to a table: to remove a row of it may remove others, which are not deleted.
fn is_referred_to(sql: &dyn Sql, table: &Tracked) -> Result<bool> {
    let query = "SELECT 1 FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f
      WHERE s.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE LIMIT 1";
    Ok(one(sql, query, &[string(table.table.clone())])?.is_some())
}
