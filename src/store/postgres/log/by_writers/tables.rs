//! The tables of such a log, and putting them in place.

use std::time::Duration;

use tokio::time::sleep;

use super::IN_PLACE;
use super::number::begin;
use super::scan::mend;
use crate::error::Result;
use crate::store::postgres::connection::random;
use crate::store::postgres::dialect::Dialect;
use crate::store::postgres::fault::is_conflict;
use crate::store::postgres::param::Param;

use super::super::sql::{OPERATION, Sql, get};
use super::super::tracked::Tracked;

/// Counted up with each change to what is made here.
const LAYOUT: i64 = 1;

/// The tables. Numbers that tell rows apart are drawn, as nothing counts them. A key that may be long is no part of another
/// one: what waits is found by a hash.
const TABLES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS @ (
       seq bigint NOT NULL, stream bigint NOT NULL, key text NOT NULL, hash bigint NOT NULL, deleted boolean NOT NULL,
       origin bigint, origin_seq bigint, PRIMARY KEY (stream, key))",
    "CREATE TABLE IF NOT EXISTS @_streams (
       id bigint PRIMARY KEY, name text NOT NULL UNIQUE, relation text NOT NULL, key text NOT NULL,
       is_whole boolean NOT NULL, count bigint NOT NULL, sum bigint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @_peers (
       id bigint PRIMARY KEY, generation text NOT NULL UNIQUE, seq bigint NOT NULL, moved bigint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @_generations (id bigint PRIMARY KEY, first bigint NOT NULL, generation text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @_waiting (
       id text PRIMARY KEY, peer text NOT NULL, direction text NOT NULL, stream text NOT NULL, key text NOT NULL, hlc text,
       code text NOT NULL, reason text NOT NULL, since bigint NOT NULL, attempts bigint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @_meta (
       one bigint PRIMARY KEY, id text NOT NULL, layout bigint NOT NULL, head bigint NOT NULL, state text NOT NULL,
       places text NOT NULL)",
];

/// The names of all tables behind that of the entries.
const REST: [&str; 7] = [
    "",
    "_noted",
    "_streams",
    "_peers",
    "_generations",
    "_waiting",
    "_meta",
];

/// Those that begin anew with the numbers.
const NUMBERED: [&str; 4] = ["", "_streams", "_generations", "_meta"];

/// A number that is most likely no other's.
pub fn drawn() -> i64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(0u8) >> 11;
    i64::try_from(bits).unwrap_or(1).max(1)
}

/// Whether the log of these tables is complete and in place.
pub async fn is_in_place(sql: &Sql<'_>, tables: &[Tracked]) -> Result<bool> {
    if !has_tables(sql, &REST).await? {
        return Ok(false);
    }
    let query = format!(
        "SELECT (SELECT count(*) FROM @_meta WHERE layout >= $1) = 1 AND EXISTS (SELECT 1 FROM @_generations)
            AND {IN_PLACE}"
    );
    let row = sql.one(&query, &[Param::Whole(LAYOUT)]).await?;
    if !row.as_ref().map_or(Ok(false), |row| get(row, 0))? {
        return Ok(false);
    }
    let known = streams(sql).await?;
    let is_known = |table: &Tracked| known.iter().any(|(_, _, known)| known == table);
    Ok(known.len() == tables.len() && tables.iter().all(is_known))
}

async fn has_tables(sql: &Sql<'_>, rest: &[&str]) -> Result<bool> {
    let names = rest.iter().map(|rest| format!("{}{rest}", sql.names.log()));
    let query = "SELECT count(to_regclass(name)) FROM unnest($1::text[]) AS t (name)";
    Ok(sql.count(query, &[Param::texts(names)]).await? == rest.len() as u64)
}

/// The streams: their numbers, whether they are whole, and their tables.
async fn streams(sql: &Sql<'_>) -> Result<Vec<(i64, bool, Tracked)>> {
    let query = "SELECT id, is_whole, name, relation, key FROM @_streams";
    let rows = sql.rows(query, &[]).await?;
    let stream = |row| {
        let key: &str = get(row, 4)?;
        let table = Tracked {
            stream: get(row, 2)?,
            relation: get(row, 3)?,
            // What cannot be read is no key of a table, and is written anew.
            key: serde_json::from_str(key).unwrap_or_default(),
        };
        Ok((get(row, 0)?, get(row, 1)?, table))
    };
    rows.iter().map(stream).collect()
}

/// Makes what is missing of a log. Rows of a table that was not tracked are brought in. Done twice, or by two processes at
/// once, it comes to the same.
pub async fn prepare(sql: &Sql<'_>, tables: &[Tracked]) -> Result<()> {
    make(sql).await?;
    for (id, _, table) in streams(sql).await? {
        if tables.iter().all(|known| known.stream != table.stream) {
            forget(sql, id).await?;
        }
    }
    for table in tables {
        let (id, is_whole) = track(sql, table).await?;
        if !is_whole {
            mend(sql, id, table).await?;
            let whole = "UPDATE @_streams SET is_whole = true WHERE id = $1";
            in_one(sql, &[(whole, &[Param::Whole(id)]), (CHANGED, &[])]).await?;
        }
    }
    Ok(())
}

const CHANGED: &str = "UPDATE @_meta SET state = gen_random_uuid()::text WHERE one = 1";

/// Makes the tables, and begins the log if it has not begun. Its one row of `meta` is written last.
async fn make(sql: &Sql<'_>) -> Result<()> {
    let begun = "SELECT 1 FROM @_meta";
    let has_begun = has_tables(sql, &["_meta"]).await? && sql.one(begun, &[]).await?.is_some();
    if has_begun && !has_tables(sql, &NUMBERED).await? {
        drop_numbered(sql).await?;
    }
    define(sql).await?;
    sql.session.transaction(OPERATION, false).await?;
    if sql.one(begun, &[]).await?.is_some() {
        return sql.session.commit(OPERATION).await;
    }
    let left = "SELECT 1 FROM @_streams UNION ALL (SELECT 1 FROM @ LIMIT 1)";
    if sql.one(left, &[]).await?.is_some() {
        // Of a log without its head nothing can be told.
        sql.session.rollback(OPERATION).await?;
        drop_numbered(sql).await?;
        define(sql).await?;
        sql.session.transaction(OPERATION, false).await?;
    }
    let meta = "INSERT INTO @_meta (one, id, layout, head, state, places)
        VALUES (1, replace(gen_random_uuid()::text, '-', ''), $1, 0, gen_random_uuid()::text, '') ON CONFLICT (one) DO NOTHING";
    sql.run(meta, &[Param::Whole(LAYOUT)]).await?;
    begin(sql, 0, "").await?;
    sql.session.commit(OPERATION).await
}

async fn define(sql: &Sql<'_>) -> Result<()> {
    sql.names.noted("").prepare(OPERATION, sql.session).await?;
    for statement in TABLES {
        sql.define(statement).await?;
    }
    let index = sql.session.dialect().index("#_seq", "@", "seq");
    sql.define(&index).await
}

async fn drop_numbered(sql: &Sql<'_>) -> Result<()> {
    for rest in NUMBERED {
        sql.define(&format!("DROP TABLE IF EXISTS @{rest}")).await?;
    }
    Ok(())
}

/// The number of the stream of a table, and whether all that the table had before is in the log.
async fn track(sql: &Sql<'_>, table: &Tracked) -> Result<(i64, bool)> {
    let known = streams(sql).await?;
    let known = known
        .into_iter()
        .find(|(_, _, known)| known.stream == table.stream);
    let key = serde_json::to_string(&table.key).unwrap_or_default();
    match known {
        Some((id, is_whole, known)) if known == *table => Ok((id, is_whole)),
        Some((id, ..)) => {
            let moved =
                "UPDATE @_streams SET relation = $2, key = $3, is_whole = false WHERE id = $1";
            let values = [
                Param::Whole(id),
                Param::text(&table.relation),
                Param::text(key),
            ];
            in_one(sql, &[(moved, &values)]).await?;
            Ok((id, false))
        }
        None => {
            let id = drawn();
            let new = "INSERT INTO @_streams (id, name, relation, key, is_whole, count, sum) VALUES ($1, $2, $3, $4, false, 0, 0)
                ON CONFLICT (name) DO NOTHING";
            let values = [
                Param::Whole(id),
                Param::text(&table.stream),
                Param::text(&table.relation),
                Param::text(key),
            ];
            in_one(sql, &[(new, &values)]).await?;
            let id = "SELECT id, is_whole FROM @_streams WHERE name = $1";
            let row = sql.one(id, &[Param::text(&table.stream)]).await?;
            row.as_ref()
                .map_or(Ok((0, true)), |row| Ok((get(row, 0)?, get(row, 1)?)))
        }
    }
}

/// A stream whose table is gone, or is no app's any more, holds nothing.
async fn forget(sql: &Sql<'_>, id: i64) -> Result<()> {
    let one = [Param::Whole(id)];
    let some = format!(
        "DELETE FROM @ WHERE stream = $1 AND key IN (SELECT e.key FROM @ AS e WHERE e.stream = $1 LIMIT {})",
        Dialect::ROWS
    );
    let unwhole = "UPDATE @_streams SET is_whole = false, count = 0, sum = 0 WHERE id = $1";
    in_one(sql, &[(unwhole, &one), (CHANGED, &[])]).await?;
    let left = "SELECT 1 FROM @ WHERE stream = $1 LIMIT 1";
    while sql.one(left, &one).await?.is_some() {
        in_one(sql, &[(&some, &one)]).await?;
    }
    let gone = "DELETE FROM @_streams WHERE id = $1";
    in_one(sql, &[(gone, &one), (CHANGED, &[])]).await
}

/// How often a few statements are run again that others' were first to.
const TRIES: u32 = 8;

/// Runs statements in one transaction, and again where others wrote the same rows.
async fn in_one(sql: &Sql<'_>, statements: &[(&str, &[Param])]) -> Result<()> {
    let mut tries = 0;
    loop {
        let done = async {
            sql.session.transaction(OPERATION, false).await?;
            for (statement, parameters) in statements {
                sql.run(statement, parameters).await?;
            }
            sql.session.commit(OPERATION).await
        };
        match done.await {
            Err(error) if tries < TRIES && is_conflict(&error) => {
                sql.session.undo(OPERATION).await;
                tries += 1;
                sleep(Duration::from_secs_f64(0.02 * f64::from(tries) * random())).await;
            }
            done => return done,
        }
    }
}
