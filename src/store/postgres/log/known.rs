//! The peers that were heard of, and how far each is proved to have seen the log.

use super::super::param::Param;
use super::history::LogStanding;
use super::sql::{Sql, altered, get, integer, number};
use crate::engine::change_log::{Heard, Others, Recognized};
use crate::engine::purge::{Kind, NotedPeer};
use crate::error::Result;
use crate::protocol::log::{Cursor, Generation};
use crate::store::known_peers::{KnownPeers, PeerChange, change_of, generation_of};

const NOW_MS: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

pub(super) async fn now_ms(sql: &Sql<'_>) -> Result<u64> {
    sql.count(NOW_MS, &[]).await
}

/// The greatest number of a tombstone that was purged.
pub(super) async fn purged(sql: &Sql<'_>) -> Result<u64> {
    sql.count("SELECT purged FROM @_meta", &[]).await
}

/// Notes that there may be peers which were exchanged with before any was noted.
pub(super) async fn begin_with_earlier(sql: &Sql<'_>) -> Result<()> {
    let earlier = NotedPeer::new(Kind::Earlier, "", None, now_ms(sql).await?);
    put(sql, &earlier).await
}

/// Writes what was heard, within the caller's transaction. Returns what is known of the peer, and what this process is to
/// remember once that is committed. Processes write one after the other.
pub async fn hear_of(
    sql: &Sql<'_>,
    peers: &KnownPeers,
    heard: &Heard,
) -> Result<(Recognized, NotedPeer)> {
    let mut noted = flushed(sql, peers).await?;
    let own = own(sql).await?;
    let times = (purged(sql).await?, now_ms(sql).await?);
    let (change, known) = change_of(&mut noted, heard, own.as_ref(), times);
    write(sql, &change).await?;
    Ok((known, change.now))
}

/// What is noted, with what this process knows and has not written yet. It is written now, within the caller's
/// transaction.
pub(super) async fn flushed(sql: &Sql<'_>, peers: &KnownPeers) -> Result<Vec<NotedPeer>> {
    sql.batch("LOCK TABLE @_known IN EXCLUSIVE MODE").await?;
    let mut noted = all(sql).await?;
    for change in peers.bring_up(&mut noted, own(sql).await?.as_ref()) {
        write(sql, &change).await?;
    }
    Ok(noted)
}

/// Where the log ends.
async fn own(sql: &Sql<'_>) -> Result<Option<Cursor>> {
    let standing = LogStanding::read(sql, &Others::default(), "NULL").await?;
    Ok(standing.history.head().cloned())
}

async fn all(sql: &Sql<'_>) -> Result<Vec<NotedPeer>> {
    let query = "SELECT kind, peer, generation, reached, proved, streams, since, heard FROM @_known
      ORDER BY kind, since, peer";
    let mut found = Vec::new();
    for row in sql.rows(query, &[]).await? {
        let seq = number(&row, 3)?;
        let generation = Generation::new(get(&row, 2)?);
        let streams: &str = get(&row, 5)?;
        found.push(NotedPeer {
            kind: Kind::named(get(&row, 0)?),
            id: get(&row, 1)?,
            reached: generation.map(|generation| Cursor { generation, seq }),
            proved: number(&row, 4)?,
            streams: serde_json::from_str(streams).map_err(|_| altered())?,
            since_ms: number(&row, 6)?,
            heard_ms: number(&row, 7)?,
        });
    }
    Ok(found)
}

async fn write(sql: &Sql<'_>, change: &PeerChange) -> Result<()> {
    if let Some(before) = &change.before {
        remove(sql, before).await?;
    }
    put(sql, &change.now).await
}

/// What no column can have is in the id of no peer of this package.
fn storable(text: &str) -> Param {
    Param::text(text.replace('\0', ""))
}

async fn put(sql: &Sql<'_>, known: &NotedPeer) -> Result<()> {
    let reached = known.reached.as_ref();
    let streams = serde_json::to_string(&known.streams).map_err(|_| altered())?;
    let put = "INSERT INTO @_known (kind, peer, generation, reached, proved, streams, since, heard)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (kind, peer, generation) DO UPDATE
      SET reached = excluded.reached, proved = excluded.proved, streams = excluded.streams, since = excluded.since,
          heard = excluded.heard";
    let parameters = [
        Param::text(known.kind.name()),
        storable(&known.id),
        Param::text(generation_of(known)),
        Param::Whole(integer(reached.map_or(0, |reached| reached.seq))),
        Param::Whole(integer(known.proved)),
        Param::text(streams),
        Param::Whole(integer(known.since_ms)),
        Param::Whole(integer(known.heard_ms)),
    ];
    sql.run(put, &parameters).await
}

pub(super) async fn remove(sql: &Sql<'_>, known: &NotedPeer) -> Result<()> {
    let remove = "DELETE FROM @_known WHERE kind = $1 AND peer = $2 AND generation = $3";
    let parameters = [
        Param::text(known.kind.name()),
        storable(&known.id),
        Param::text(generation_of(known)),
    ];
    sql.run(remove, &parameters).await
}
