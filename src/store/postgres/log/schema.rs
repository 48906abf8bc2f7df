//! Putting the tables, functions and triggers of a log in place.

use super::super::param::Param;
use super::by_writers;
use super::digests::with_counts;
use super::history::IN_PLACE;
use super::known::begin_with_earlier;
use super::settle::begin_with_turn;
use super::sql::{OPERATION, Sql, get};
use super::tables::{ADDED, LAYOUT, REST, TABLES, functions};
use super::tracked::Tracked;
use super::verify::{bring_in, stream_id};
use crate::error::{Error, ErrorKind, Result};

/// The events that triggers are on, and what the rows that they change are called in each.
const EVENTS: [(&str, &str); 4] = [
    ("insert", "REFERENCING NEW TABLE AS new_rows"),
    (
        "update",
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    ),
    ("delete", "REFERENCING OLD TABLE AS old_rows"),
    ("truncate", ""),
];

/// Whether the log of these tables is complete and in place.
pub async fn is_in_place(sql: &Sql<'_>, tables: &[Tracked]) -> Result<bool> {
    if !sql.session.dialect().has_triggers() {
        return by_writers::is_in_place(sql, tables).await;
    }
    if !has_all_tables(sql).await? || !knows_peers(sql).await? {
        return Ok(false);
    }
    let query = format!(
        "SELECT (SELECT count(*) FROM @_meta WHERE layout >= $1) = 1 AND EXISTS (SELECT 1 FROM @_generations)
            AND coalesce({IN_PLACE}, true)"
    );
    let row = sql.one(&query, &[Param::Whole(LAYOUT)]).await?;
    if !row.as_ref().map_or(Ok(false), |row| get(row, 0))? {
        return Ok(false);
    }
    let known = streams(sql).await?;
    let is_known = |table: &Tracked| {
        let wanted = (
            table.stream.clone(),
            table.relation.clone(),
            table.key.clone(),
        );
        known.iter().any(|(_, stream)| *stream == wanted)
    };
    Ok(known.len() == tables.len() && tables.iter().all(is_known))
}

/// A stream: its name, its table and the columns of its key.
type Stream = (String, String, Vec<String>);

async fn streams(sql: &Sql<'_>) -> Result<Vec<(i64, Stream)>> {
    let query = "SELECT id::bigint, name, relation, key FROM @_streams";
    let rows = sql.rows(query, &[]).await?;
    let stream = |row| Ok((get(row, 0)?, (get(row, 1)?, get(row, 2)?, get(row, 3)?)));
    rows.iter().map(stream).collect()
}

async fn has_all_tables(sql: &Sql<'_>) -> Result<bool> {
    let names = REST.iter().map(|rest| format!("{}{rest}", sql.names.log()));
    let query = "SELECT count(to_regclass(name)) FROM unnest($1::text[]) AS name";
    let there = sql.count(query, &[Param::texts(names)]).await?;
    Ok(there == REST.len() as u64)
}

async fn knows_peers(sql: &Sql<'_>) -> Result<bool> {
    let name = format!("{}_known", sql.names.log());
    let query = "SELECT count(to_regclass($1))";
    Ok(sql.count(query, &[Param::text(name)]).await? > 0)
}

/// Whether a table has rows. One that is not there has none.
async fn holds_anything(sql: &Sql<'_>, tables: &[Tracked]) -> Result<bool> {
    for table in tables {
        let there = "SELECT count(to_regclass($1))";
        if sql.count(there, &[Param::text(&table.relation)]).await? == 0 {
            continue;
        }
        let any = format!("SELECT 1 FROM {} LIMIT 1", table.relation);
        if sql.one(&any, &[]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes what is missing of a log. Rows of a table that was not tracked, or whose triggers were not the right ones, are
/// brought in. Writers wait while triggers are made, and not while rows are brought in.
pub async fn prepare(sql: &Sql<'_>, tables: &[Tracked]) -> Result<()> {
    if !sql.session.dialect().has_triggers() {
        for table in tables {
            check(sql, table).await?;
        }
        return by_writers::prepare(sql, tables).await;
    }
    sql.session.transaction(OPERATION, false).await?;
    make(sql, tables).await?;
    sql.session.commit(OPERATION).await?;
    for table in tables {
        begin_with_turn(sql).await?;
        let is_whole = "SELECT is_whole FROM @_streams WHERE name = $1";
        let row = sql.one(is_whole, &[Param::text(&table.stream)]).await?;
        let is_whole: bool = row.as_ref().map_or(Ok(true), |row| get(row, 0))?;
        if let Some(id) = stream_id(sql, table).await?.filter(|_| !is_whole) {
            bring_in(sql, id, table).await?;
        }
        sql.session.commit(OPERATION).await?;
    }
    Ok(())
}

/// Makes the tables, the functions and the triggers, within a transaction.
async fn make(sql: &Sql<'_>, tables: &[Tracked]) -> Result<()> {
    // One at a time: two that make one table at once fail. What waits for writers keeps further ones waiting.
    let alone =
        "SELECT pg_advisory_xact_lock(hashtext($1)), set_config('lock_timeout', '10s', true)";
    sql.run(alone, &[Param::text(sql.names.log())]).await?;
    if is_in_place(sql, tables).await? {
        return Ok(());
    }
    if !has_all_tables(sql).await? {
        drop_rest(sql).await?;
    }
    let knew_peers = knows_peers(sql).await?;
    for statement in TABLES {
        sql.batch(statement).await?;
    }
    sql.batch("LOCK TABLE @_turn IN EXCLUSIVE MODE").await?;
    for statement in ADDED {
        sql.batch(&with_counts(statement)).await?;
    }
    if !knew_peers && holds_anything(sql, tables).await? {
        begin_with_earlier(sql).await?;
    }
    let begun = "INSERT INTO @_meta (id, layout, head, state, place, written)
        SELECT replace(gen_random_uuid()::text, '-', ''), 0, 0, gen_random_uuid(), '', pg_current_xact_id()::xid
         WHERE NOT EXISTS (SELECT 1 FROM @_meta)";
    sql.batch(begun).await?;
    for function in functions() {
        sql.batch(&function).await?;
    }
    let has_begun = "SELECT 1 FROM @_generations LIMIT 1";
    if sql.one(has_begun, &[]).await?.is_none() {
        sql.batch("SELECT @_begin()").await?;
    }
    sql.run(
        "UPDATE @_meta SET layout = $1, written = pg_current_xact_id()::xid",
        &[Param::Whole(LAYOUT)],
    )
    .await?;
    for table in tables {
        track(sql, table).await?;
    }
    forget_others(sql, tables).await
}

/// Removes what is left of a log of which a part is gone. The numbers begin anew, so its history does as well. What was
/// taken in of other logs is still there, and so is what waits.
async fn drop_rest(sql: &Sql<'_>) -> Result<()> {
    let functions = "SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE starts_with(n.nspname || '.' || p.proname, $1)";
    for row in sql
        .rows(functions, &[Param::text(sql.names.plain("_note_"))])
        .await?
    {
        let function: &str = get(&row, 0)?;
        // With the functions go the triggers.
        sql.batch(&format!("DROP FUNCTION {function} CASCADE"))
            .await?;
    }
    for rest in [
        "",
        "_noted",
        "_streams",
        "_generations",
        "_meta",
        "_known",
        "_turn",
    ] {
        sql.batch(&format!("DROP TABLE IF EXISTS @{rest}")).await?;
    }
    Ok(())
}

async fn track(sql: &Sql<'_>, table: &Tracked) -> Result<()> {
    check(sql, table).await?;
    let know = "INSERT INTO @_streams AS s (name, relation, key) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET relation = excluded.relation, key = excluded.key,
          is_whole = s.is_whole AND s.relation = excluded.relation AND s.key = excluded.key";
    let stream = [
        Param::text(&table.stream),
        Param::text(&table.relation),
        Param::texts(&table.key),
    ];
    sql.run(know, &stream).await?;
    let id = stream_id(sql, table).await?.unwrap_or_default();
    if has_triggers(sql, id).await? {
        return sql.batch(&note_function(id, table)).await;
    }
    // What was written while there were no triggers is found once they are there.
    sql.run(
        "UPDATE @_streams SET is_whole = false WHERE id = $1",
        &[Param::Whole(id)],
    )
    .await?;
    sql.batch(&format!("DROP FUNCTION IF EXISTS @_note_{id}() CASCADE"))
        .await?;
    sql.batch(&note_function(id, table)).await?;
    let on = &table.relation;
    for (event, rows) in EVENTS {
        let name = sql.names.trigger(id, event);
        let event = event.to_uppercase();
        sql.batch(&format!(
            "CREATE TRIGGER {name} AFTER {event} ON {on} {rows} FOR EACH STATEMENT EXECUTE FUNCTION @_note_{id}()"
        ))
        .await?;
    }
    Ok(())
}

/// Whether a stream has all of its triggers, and everything that its table had before them.
async fn has_triggers(sql: &Sql<'_>, id: i64) -> Result<bool> {
    let of_one = IN_PLACE.replace("FROM @_streams AS s", "FROM @_streams AS s WHERE s.id = $1");
    let row = sql
        .one(
            &format!("SELECT coalesce({of_one}, false)"),
            &[Param::Whole(id)],
        )
        .await?;
    row.as_ref().map_or(Ok(false), |row| get(row, 0))
}

/// Fails where the table has not what triggers read of it: each write to it would fail.
async fn check(sql: &Sql<'_>, table: &Tracked) -> Result<()> {
    let query = "SELECT c.name FROM unnest($2::text[]) AS c (name) WHERE NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = to_regclass($1) AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped)";
    let relation = &table.relation;
    let Some(row) = sql
        .one(
            query,
            &[Param::text(relation), Param::texts(table.columns())],
        )
        .await?
    else {
        return Ok(());
    };
    let column: &str = get(&row, 0)?;
    let message = format!("the table {relation} has no column {column}, which a change log needs");
    Err(Error::new(ErrorKind::Database, OPERATION, message))
}

/// What the triggers of a table do: they note which versions a statement wrote, and nothing else, for that is what every
/// write pays for. They do it with the rights of the role that made them, so that a program may write to the table which
/// may not write to the log.
fn note_function(id: i64, table: &Tracked) -> String {
    let note = format!(
        "INSERT INTO @_noted (stream, key, time, deleted, origin, origin_seq)
         SELECT {id}, v.key, v.time, v.deleted, from_log, from_seq"
    );
    let (new, key_new, key_old) = (
        table.version_of("n."),
        table.key_of("n."),
        table.key_of("o."),
    );
    let is_other = Tracked::is_other("n.", "o.");
    format!(
        "CREATE OR REPLACE FUNCTION @_note_{id}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
           SET search_path = pg_catalog, pg_temp AS $starkeep$
         DECLARE
           came_from text := nullif(current_setting('starkeep.origin', true), '');
           from_log int := split_part(came_from, '.', 1);
           from_seq bigint := split_part(came_from, '.', 2);
         BEGIN
           IF TG_OP = 'INSERT' THEN
             {note} FROM (SELECT {new} FROM new_rows AS n) AS v;
           ELSIF TG_OP = 'UPDATE' THEN
             INSERT INTO @_noted (stream, key) SELECT {id}, k.key FROM (
               SELECT {key_old} AS key FROM old_rows AS o EXCEPT SELECT {key_new} FROM new_rows AS n) AS k;
             {note} FROM (SELECT {new} FROM new_rows AS n WHERE NOT EXISTS (
               SELECT 1 FROM old_rows AS o WHERE {key_old} = {key_new} AND NOT ({is_other}))) AS v;
           ELSIF TG_OP = 'DELETE' THEN
             INSERT INTO @_noted (stream, key) SELECT {id}, {key_old} FROM old_rows AS o;
           ELSE
             INSERT INTO @_noted (stream, key) SELECT {id}, k.key FROM (
               SELECT e.key FROM @ AS e WHERE e.stream = {id} UNION SELECT t.key FROM @_noted AS t WHERE t.stream = {id}) AS k;
           END IF;
           RETURN NULL;
         END $starkeep$"
    )
}

/// Streams whose tables are gone, or are no app's any more, hold nothing.
async fn forget_others(sql: &Sql<'_>, tables: &[Tracked]) -> Result<()> {
    for (id, (name, relation, _)) in streams(sql).await? {
        if tables.iter().any(|table| table.stream == name) {
            continue;
        }
        sql.batch(&format!("DROP FUNCTION IF EXISTS @_note_{id}() CASCADE"))
            .await?;
        for gone in [
            "DELETE FROM @ WHERE stream = $1",
            "DELETE FROM @_noted WHERE stream = $1",
            "DELETE FROM @_streams WHERE id = $1",
        ] {
            sql.run(gone, &[Param::Whole(id)]).await?;
        }
        tracing::debug!(relation, "its versions are not noted any more");
    }
    sql.batch("UPDATE @_meta SET state = gen_random_uuid(), written = pg_current_xact_id()::xid")
        .await
}
