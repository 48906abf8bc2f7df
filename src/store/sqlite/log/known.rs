//! The peers that were heard of, and how far each is proved to hold the same.

use rusqlite::types::Value;

use super::entries::head;
use super::history::history;
use super::sql::{Plane, Sql, altered, integer, number, one, string, text};
use crate::engine::change_log::{Heard, Recognized};
use crate::engine::purge::{Kind, NotedPeer};
use crate::error::Result;
use crate::protocol::log::{Cursor, Generation};
use crate::store::known_peers::{KnownPeers, PeerChange, change_of, generation_of};

const NOW_MS: &str = "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

pub(super) fn now_ms(sql: &dyn Sql) -> Result<u64> {
    number(one(sql, NOW_MS, &[])?.as_ref())
}

/// Notes that there may be peers which were exchanged with before any was noted.
pub(super) fn begin_with_earlier(sql: &dyn Sql, plane: Plane) -> Result<()> {
    put(
        sql,
        plane,
        &NotedPeer::new(Kind::Earlier, "", None, now_ms(sql)?),
    )
}

/// All peers that are noted.
pub(super) fn all(sql: &dyn Sql, plane: Plane) -> Result<Vec<NotedPeer>> {
    let mut found = Vec::new();
    let query = "SELECT kind, peer, generation, reached, proved, streams, since, heard FROM @_known
      ORDER BY kind, since, peer";
    sql.each(&plane.sql(query), &[], &mut |row| {
        let seq = number(row.get(3))?;
        let generation = Generation::new(text(row.get(2))?);
        found.push(NotedPeer {
            kind: Kind::named(text(row.first())?),
            id: text(row.get(1))?.to_owned(),
            reached: generation.map(|generation| Cursor { generation, seq }),
            proved: number(row.get(4))?,
            streams: serde_json::from_str(text(row.get(5))?).map_err(|_| altered())?,
            since_ms: number(row.get(6))?,
            heard_ms: number(row.get(7))?,
        });
        Ok(())
    })?;
    Ok(found)
}

fn put(sql: &dyn Sql, plane: Plane, known: &NotedPeer) -> Result<()> {
    let reached = known.reached.as_ref();
    let streams = serde_json::to_string(&known.streams).map_err(|_| altered())?;
    let put = plane.sql(
        "INSERT OR REPLACE INTO @_known (kind, peer, generation, reached, proved, streams, since, heard)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    );
    let parameters = [
        string(known.kind.name()),
        string(known.id.clone()),
        string(generation_of(known)),
        integer(reached.map_or(0, |reached| reached.seq)),
        integer(known.proved),
        string(streams),
        integer(known.since_ms),
        integer(known.heard_ms),
    ];
    sql.run(&put, &parameters).map(drop)
}

pub(super) fn remove(sql: &dyn Sql, plane: Plane, known: &NotedPeer) -> Result<()> {
    let remove = plane.sql("DELETE FROM @_known WHERE kind = ?1 AND peer = ?2 AND generation = ?3");
    let parameters = [
        string(known.kind.name()),
        string(known.id.clone()),
        string(generation_of(known)),
    ];
    sql.run(&remove, &parameters).map(drop)
}

fn write(sql: &dyn Sql, plane: Plane, change: &PeerChange) -> Result<()> {
    if let Some(before) = &change.before {
        remove(sql, plane, before)?;
    }
    put(sql, plane, &change.now)
}

/// Writes what was heard, within the caller's transaction. Returns what is known of the peer, and what this process is to
/// remember once that is committed.
pub fn hear_of(
    sql: &dyn Sql,
    (plane, peers): (Plane, &KnownPeers),
    heard: &Heard,
) -> Result<(Recognized, NotedPeer)> {
    let mut noted = flushed(sql, plane, peers)?;
    let own = own(sql, plane)?;
    let times = (purged(sql, plane)?, now_ms(sql)?);
    let (change, known) = change_of(&mut noted, heard, own.as_ref(), times);
    write(sql, plane, &change)?;
    Ok((known, change.now))
}

/// Where the log ends.
fn own(sql: &dyn Sql, plane: Plane) -> Result<Option<Cursor>> {
    let head = head(sql, plane)?;
    Ok(history(sql, plane, head)?.head().cloned())
}

/// What is noted, with what this process knows and has not written yet. It is written now, within the caller's
/// transaction.
pub(super) fn flushed(sql: &dyn Sql, plane: Plane, peers: &KnownPeers) -> Result<Vec<NotedPeer>> {
    let mut noted = all(sql, plane)?;
    for change in peers.bring_up(&mut noted, own(sql, plane)?.as_ref()) {
        write(sql, plane, &change)?;
    }
    Ok(noted)
}

/// The greatest number of a tombstone that was purged.
pub(super) fn purged(sql: &dyn Sql, plane: Plane) -> Result<u64> {
    let query = plane.sql("SELECT value FROM @_meta WHERE key = 'purged'");
    number(one(sql, &query, &[])?.as_ref())
}

pub(super) fn set_purged(sql: &dyn Sql, plane: Plane, seq: u64) -> Result<()> {
    let set = plane.sql("INSERT OR REPLACE INTO @_meta (key, value) VALUES ('purged', max(?1, coalesce((SELECT value FROM @_meta WHERE key = 'purged'), 0)))");
    sql.run(&set, &[integer(seq)]).map(drop)
}

/// Whether an item waits for a peer, on either way.
pub(super) fn waits(sql: &dyn Sql, plane: Plane, stream: &str, key: &str) -> Result<bool> {
    let query = plane.sql("SELECT 1 FROM @_waiting WHERE stream = ?1 AND key = ?2 LIMIT 1");
    let found: Option<Value> = one(sql, &query, &[string(stream), string(key)])?;
    Ok(found.is_some())
}
