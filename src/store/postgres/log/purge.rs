//! Removing tombstones for good: rows of the tables, and with them their entries.

use std::collections::{HashMap, HashSet};

use super::super::param::Param;
use super::known::{flushed, now_ms, remove};
use super::log_tables::LogTables;
use super::look::fetch;
use super::settle::settle_all;
use super::sql::{Sql, get, integer, number};
use super::tracked::{Tracked, key_lists};
use crate::engine::purge::{Purge, Purged, Tombstone};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::log::{Key, Stream};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::known_peers::KnownPeers;
use crate::store::postgres::columns::quote;

/// A tombstone that was found.
struct FoundTombstone {
    seq: u64,
    key: Key,
    waits: bool,
}

/// Removes a batch of tombstones within a transaction that sees one moment and has the turn to give numbers. What another
/// one writes over meanwhile makes it fail, and nothing is removed.
pub async fn purge<T: LogTables>(
    sql: &Sql<'_>,
    tables: &T,
    (peers, purge): (&KnownPeers, &Purge),
) -> Result<Purged> {
    settle_all(sql).await?;
    let known = flushed(sql, peers).await?;
    let mut purged = Purged::begin(purge, known, now_ms(sql).await?);
    if !purge.is_dry && purge.after == 0 {
        let mut is_any = false;
        for (known, _, is_forgotten) in &purged.peers {
            if *is_forgotten {
                remove(sql, known).await?;
                is_any = true;
            }
        }
        if is_any {
            begin_at_once(sql).await?;
        }
    }
    let found = tombstones(sql, purge).await?;
    let is_full = found.len() == purge.limit;
    purged.next = found.last().map(|found| found.seq).filter(|_| is_full);
    let times = times_of(sql, tables, &found).await?;
    let tracked = tables.tracked(sql.session).await?.unwrap_or_default();
    let by_stream = newest_of(sql, tables, &times).await?;
    let mut referenced: HashMap<String, bool> = HashMap::new();
    let mut gone: HashMap<String, Vec<String>> = HashMap::new();
    let mut greatest = None;
    for FoundTombstone { seq, key, waits } in found {
        let stream = key.stream.name();
        let table = tracked.iter().find(|table| table.stream == stream);
        // One whose time cannot be read is no item that could be purged.
        let (Some(table), Some(hlc)) = (table, times.get(&key)) else {
            continue;
        };
        if !referenced.contains_key(&stream) {
            referenced.insert(stream.clone(), is_referred_to(sql, table).await?);
        }
        let newest = by_stream.get(&key.stream);
        let newest = newest.and_then(|newest| newest.get(&hlc.node_id));
        let tombstone = Tombstone {
            stream: &stream,
            seq,
            hlc,
            waits,
            is_newest: newest.is_none_or(|newest| newest <= hlc),
            is_referenced: referenced.get(&stream).copied().unwrap_or(true),
        };
        if purged.lets_go(purge, tombstone) {
            greatest = Some(seq);
            let ids = gone.entry(stream).or_default();
            ids.push(key.id.to_string());
            purged.removed.push((key, hlc.clone()));
        }
    }
    if let Some(seq) = greatest.filter(|_| !purge.is_dry) {
        for table in &tracked {
            if let Some(ids) = gone.get(&table.stream) {
                delete(sql, table, ids).await?;
            }
        }
        let note =
            "UPDATE @_meta SET purged = greatest(purged, $1), written = pg_current_xact_id()::xid";
        sql.run(note, &[Param::Whole(integer(seq))]).await?;
        settle_all(sql).await?;
    }
    Ok(purged)
}

/// Begins a stretch in which a number is used up, so that it is told at once: other processes know the forgotten peers no
/// more either.
async fn begin_at_once(sql: &Sql<'_>) -> Result<()> {
    sql.batch("SELECT @_begin()").await?;
    let pass = "UPDATE @_meta SET head = head + 1, written = pg_current_xact_id()::xid";
    sql.run(pass, &[]).await
}

/// The tombstones of a batch.
async fn tombstones(sql: &Sql<'_>, purge: &Purge) -> Result<Vec<FoundTombstone>> {
    let query = "SELECT e.seq, s.name, e.key, EXISTS (
         SELECT 1 FROM @_waiting AS w WHERE w.stream = s.name AND w.key = e.key)
       FROM @ AS e JOIN @_streams AS s ON s.id = e.stream WHERE e.deleted AND e.seq > $1 ORDER BY e.seq LIMIT $2";
    let parameters = [
        Param::Whole(integer(purge.after)),
        Param::count(purge.limit),
    ];
    let mut found = Vec::new();
    for row in sql.rows(query, &parameters).await? {
        let (stream, id): (&str, &str) = (get(&row, 1)?, get(&row, 2)?);
        found.push(FoundTombstone {
            seq: number(&row, 0)?,
            key: Key {
                stream: Stream::named(stream),
                id: Text::from(id),
            },
            waits: get(&row, 3)?,
        });
    }
    Ok(found)
}

/// When the tombstones were written.
async fn times_of<T: LogTables>(
    sql: &Sql<'_>,
    tables: &T,
    found: &[FoundTombstone],
) -> Result<HashMap<Key, Hlc>> {
    let items = fetch(sql, tables, found.iter().map(|found| &found.key)).await?;
    let time = |(key, items): (Key, Vec<_>)| {
        let [item]: [crate::protocol::item::Item<_>; 1] = items.try_into().ok()?;
        (item.hlc != Hlc::zero()).then_some((key, item.hlc))
    };
    Ok(items.into_iter().filter_map(time).collect())
}

/// The greatest timestamps of the nodes of these, of each stream.
async fn newest_of<T: LogTables>(
    sql: &Sql<'_>,
    tables: &T,
    times: &HashMap<Key, Hlc>,
) -> Result<HashMap<Stream, Watermarks>> {
    let mut nodes: HashMap<&Stream, HashSet<&NodeId>> = HashMap::new();
    for (key, hlc) in times {
        nodes.entry(&key.stream).or_default().insert(&hlc.node_id);
    }
    let mut newest = HashMap::new();
    for (stream, nodes) in nodes {
        let nodes = nodes.into_iter().cloned().collect();
        let marks = tables.newest_of(sql.session, stream, nodes).await?;
        newest.insert(stream.clone(), marks);
    }
    Ok(newest)
}

/// Whether a foreign key refers to a table: to remove a row of it may remove others, which are not deleted.
async fn is_referred_to(sql: &Sql<'_>, table: &Tracked) -> Result<bool> {
    let query = "SELECT 1 FROM pg_catalog.pg_constraint AS c
      WHERE c.contype = 'f' AND c.confrelid = to_regclass($1) LIMIT 1";
    let found = sql.one(query, &[Param::text(&table.relation)]).await?;
    Ok(found.is_some())
}

async fn delete(sql: &Sql<'_>, table: &Tracked, ids: &[String]) -> Result<()> {
    let names: Vec<String> = (0..table.key.len()).map(|at| format!("c{at}")).collect();
    let lists: Vec<String> = (1..=names.len())
        .map(|at| format!("${at}::text[]"))
        .collect();
    let same = table.key.iter().zip(&names);
    let same: Vec<String> = same
        .map(|(column, name)| format!("r.{}::text = k.{name}", quote(column)))
        .collect();
    let delete = format!(
        "DELETE FROM {} AS r USING unnest({}) AS k ({}) WHERE {} AND r.\"deleted_at\" IS NOT NULL",
        table.relation,
        lists.join(", "),
        names.join(", "),
        same.join(" AND ")
    );
    let keys = key_lists(table.key.len(), ids);
    sql.session
        .query(super::sql::OPERATION, &delete, &keys)
        .await
        .map(drop)
}
