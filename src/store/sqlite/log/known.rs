//! The peers that were heard of, and how far each is proved to hold the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::types::Value;

use super::sql::{Plane, Sql, altered, integer, number, one, string, text};
use crate::engine::change_log::Heard;
use crate::engine::purge::{Kind, NotedPeer, find, has_missed};
use crate::error::Result;
use crate::protocol::log::{Cursor, Generation};

/// How far a known peer got is written at most so often: what is not yet written is known to this process, and if it ends
/// before, less is purged until the next round.
const A_MINUTE_MS: u64 = 60_000;

/// A known peer that is heard of is noted again at most so often: a round with nothing to do writes nothing.
const AN_HOUR_MS: u64 = 3_600_000;

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

fn generation_of(known: &NotedPeer) -> &str {
    let reached = known.reached.as_ref();
    reached.map_or("", |reached| reached.generation.name())
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

/// A peer as this process knows it.
#[derive(Debug, Clone)]
struct Remembered {
    known: NotedPeer,
    /// As it is written.
    written: NotedPeer,
}

/// The peers of a log that this process has heard of, so that one that says nothing new costs no look into the file.
#[derive(Debug, Default)]
pub struct KnownPeers(Mutex<HashMap<String, Vec<Remembered>>>);

impl KnownPeers {
    /// Hears of a peer. Returns whether that is to be written now, and if so whether it must be: the peer is not known
    /// here yet.
    pub fn is_due(&self, heard: &Heard, now_ms: u64) -> Option<bool> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = heard.id.as_deref().unwrap_or_default();
        let remembered = all.get_mut(name).map(Vec::as_mut_slice).unwrap_or_default();
        let is_it = |one: &&mut Remembered| one.known.is(heard);
        let found = remembered.iter_mut().filter(is_it);
        let Some(found) = found.max_by_key(|one| one.known.proved) else {
            return Some(true);
        };
        found.known.learn(heard);
        let since = now_ms.abs_diff(found.written.heard_ms);
        let is_news = found.known.is_news_beside(&found.written);
        (since >= AN_HOUR_MS || (is_news && since >= A_MINUTE_MS)).then_some(false)
    }

    /// Writes what was heard, within the caller's transaction. Returns whether a peer that was not known has missed what
    /// was purged, and what to [remember](Self::remember) once that is committed.
    pub fn write(&self, sql: &dyn Sql, plane: Plane, heard: &Heard) -> Result<(bool, NotedPeer)> {
        let now = now_ms(sql)?;
        let mut known = self.flushed(sql, plane)?;
        if let Some(found) = find(known.iter_mut(), heard) {
            let before = found.clone();
            found.learn(heard);
            found.heard_ms = now;
            remove(sql, plane, &before)?;
            put(sql, plane, found)?;
            return Ok((false, found.clone()));
        }
        let (kind, id) = match &heard.id {
            Some(id) => (Kind::Logged, id.as_str()),
            None => (Kind::Plain, ""),
        };
        let mut new = NotedPeer::new(kind, id, heard.history.head().cloned(), now);
        new.learn(heard);
        put(sql, plane, &new)?;
        Ok((has_missed(heard, purged(sql, plane)?), new))
    }

    /// What was written is known to this process.
    pub fn remember(&self, written: NotedPeer) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_id = all.entry(written.id.clone()).or_default();
        of_id.retain(|one| {
            (one.written.kind, one.written.since_ms) != (written.kind, written.since_ms)
        });
        of_id.push(Remembered {
            known: written.clone(),
            written,
        });
    }

    /// What is noted, with what this process knows and has not written yet. It is written now, within the caller's
    /// transaction.
    pub(super) fn flushed(&self, sql: &dyn Sql, plane: Plane) -> Result<Vec<NotedPeer>> {
        let pending: Vec<Remembered> = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let all = all.values().flatten();
            all.filter(|one| one.known != one.written)
                .cloned()
                .collect()
        };
        let mut known = all(sql, plane)?;
        for Remembered {
            known: now,
            written,
        } in pending
        {
            // Another process may have written more, or forgotten it.
            let is_same = |one: &&mut NotedPeer| {
                (one.kind, one.since_ms) == (written.kind, written.since_ms) && one.id == written.id
            };
            if let Some(one) = known.iter_mut().find(is_same)
                && one.proved < now.proved
            {
                remove(sql, plane, one)?;
                put(sql, plane, &now)?;
                *one = now;
            }
        }
        Ok(known)
    }

    /// Nothing is known any more but what is written.
    pub fn forget(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
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
