//! The tables and triggers of a log.

use super::super::columns::quote;
use super::entries::{changed, has_noted, head, set_head};
use super::known;
use super::sql::{OPERATION, Plane, Sql, integer, number, one, string, text};
use super::tracked::Tracked;
use super::verify;
use crate::error::{Error, ErrorKind, Result};

const TABLES: [&str; 10] = [
    "CREATE TABLE IF NOT EXISTS @ (
       seq INTEGER PRIMARY KEY,
       stream INTEGER NOT NULL, key TEXT NOT NULL, hash INTEGER NOT NULL, origin INTEGER, origin_seq INTEGER)",
    "CREATE UNIQUE INDEX IF NOT EXISTS @_keys ON @ (stream, key)",
    "CREATE TABLE IF NOT EXISTS @_noted (
       id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, key TEXT NOT NULL, time TEXT, deleted INTEGER)",
    "CREATE TABLE IF NOT EXISTS @_streams (
       id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, count INTEGER NOT NULL, sum INTEGER NOT NULL,
       deleted_count INTEGER NOT NULL DEFAULT 0, deleted_sum INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS @_peers (
       id INTEGER PRIMARY KEY, generation TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, moved INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @_known (
       kind TEXT NOT NULL, peer TEXT NOT NULL, generation TEXT NOT NULL, reached INTEGER NOT NULL,
       proved INTEGER NOT NULL, streams TEXT NOT NULL, since INTEGER NOT NULL, heard INTEGER NOT NULL,
       PRIMARY KEY (kind, peer, generation)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS @_generations (first INTEGER NOT NULL, generation TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS @_waiting (
       peer TEXT NOT NULL, direction TEXT NOT NULL, stream TEXT NOT NULL, key TEXT NOT NULL,
       hlc TEXT, code TEXT NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL, attempts INTEGER NOT NULL,
       PRIMARY KEY (peer, direction, stream, key)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS @_meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "INSERT OR IGNORE INTO @_meta (key, value) VALUES ('id', lower(hex(randomblob(16))))",
];

/// Makes what is missing of a log, within the caller's transaction. Rows of a table that was not tracked, or whose
/// triggers were not the right ones, are brought in.
pub fn prepare(sql: &dyn Sql, plane: Plane, tables: &[Tracked]) -> Result<()> {
    let encoding = one(sql, "PRAGMA encoding", &[])?;
    if text(encoding.as_ref())? != "UTF-8" {
        let message = "the encoding of the database must be UTF-8 for a change log";
        return Err(Error::new(ErrorKind::Database, OPERATION, message));
    }
    if !has_all_tables(sql, plane)? {
        drop_rest(sql, plane)?;
    }
    let knew_peers = has_table(sql, plane, "_known")?;
    for statement in TABLES {
        sql.run(&plane.sql(statement), &[])?;
    }
    for (table, column, kind) in TELLING_TOMBSTONES {
        if !has_column(sql, plane, table, column)? {
            let add = format!("ALTER TABLE @{table} ADD COLUMN {column} {kind}");
            sql.run(&plane.sql(&add), &[])?;
        }
    }
    if !knew_peers && holds_anything(sql, tables)? {
        known::begin_with_earlier(sql, plane)?;
    }
    for table in tables {
        if !is_tracked(sql, plane, table)? {
            track(sql, plane, table)?;
        }
    }
    forget_others(sql, plane, tables)?;
    if is_begun(sql, plane)? {
        return Ok(());
    }
    begin_generation(sql, plane)
}

/// Whether the log of these tables is complete and in place.
pub fn is_in_place(sql: &dyn Sql, plane: Plane, tables: &[Tracked]) -> Result<bool> {
    if !has_all_tables(sql, plane)? || !has_table(sql, plane, "_known")? {
        return Ok(false);
    }
    for table in tables {
        if !is_tracked(sql, plane, table)? {
            return Ok(false);
        }
    }
    is_begun(sql, plane)
}

fn has_all_tables(sql: &dyn Sql, plane: Plane) -> Result<bool> {
    let names = one(
        sql,
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (?1, ?1 || '_noted', ?1 || '_streams', \
         ?1 || '_peers', ?1 || '_generations', ?1 || '_waiting', ?1 || '_meta')",
        &[string(plane.log())],
    )?;
    Ok(number(names.as_ref())? == 7)
}

fn has_table(sql: &dyn Sql, plane: Plane, name: &str) -> Result<bool> {
    let query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let name = string(format!("{}{name}", plane.log()));
    Ok(one(sql, query, &[name])?.is_some())
}

/// The columns that say what is a tombstone: tables, columns and how they are made. Logs of earlier builds have none.
const TELLING_TOMBSTONES: [(&str, &str, &str); 3] = [
    ("_noted", "deleted", "INTEGER"),
    ("_streams", "deleted_count", "INTEGER NOT NULL DEFAULT 0"),
    ("_streams", "deleted_sum", "INTEGER NOT NULL DEFAULT 0"),
];

fn has_column(sql: &dyn Sql, plane: Plane, table: &str, column: &str) -> Result<bool> {
    let query = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
    let table = string(format!("{}{table}", plane.log()));
    Ok(one(sql, query, &[table, string(column)])?.is_some())
}

fn holds_anything(sql: &dyn Sql, tables: &[Tracked]) -> Result<bool> {
    for table in tables {
        let query = format!("SELECT 1 FROM {} LIMIT 1", quote(&table.table));
        if one(sql, &query, &[])?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what is left of a log of which a part is gone. The numbers begin anew, so its history does as well. What was
/// taken in of other logs is still there, and so is what waits.
fn drop_rest(sql: &dyn Sql, plane: Plane) -> Result<()> {
    let mut triggers = Vec::new();
    sql.each(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND substr(name, 1, length(?1) + 1) = ?1 || '_'",
        &[string(plane.log())],
        &mut |row| {
            triggers.push(text(row.first())?.to_owned());
            Ok(())
        },
    )?;
    for name in triggers {
        sql.run(&format!("DROP TRIGGER {}", quote(&name)), &[])?;
    }
    for table in [
        "@",
        "@_noted",
        "@_streams",
        "@_known",
        "@_generations",
        "@_meta",
    ] {
        let drop = plane.sql(&format!("DROP TABLE IF EXISTS {table}"));
        sql.run(&drop, &[])?;
    }
    Ok(())
}

pub(super) fn stream_id(sql: &dyn Sql, plane: Plane, stream: &str) -> Result<Option<u64>> {
    let id = one(
        sql,
        &plane.sql("SELECT id FROM @_streams WHERE name = ?1"),
        &[string(stream)],
    )?;
    id.map(|id| number(Some(&id))).transpose()
}

fn is_tracked(sql: &dyn Sql, plane: Plane, table: &Tracked) -> Result<bool> {
    let Some(id) = stream_id(sql, plane, &table.stream)? else {
        return Ok(false);
    };
    for (name, wanted) in triggers(plane, id, table) {
        let there = one(
            sql,
            "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1",
            &[string(name)],
        )?;
        if there != Some(string(wanted)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the tables, and the log itself, have no triggers but those of the log, which is in place.
pub fn has_only_its_triggers(sql: &dyn Sql, plane: Plane, tables: &[Tracked]) -> Result<bool> {
    let count = |table: &str| {
        let query = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE";
        number(one(sql, query, &[string(table)])?.as_ref())
    };
    for table in tables {
        if count(&table.table)? != 3 {
            return Ok(false);
        }
    }
    Ok(count(plane.log())? == 0)
}

fn track(sql: &dyn Sql, plane: Plane, table: &Tracked) -> Result<()> {
    sql.run(
        &plane.sql("INSERT OR IGNORE INTO @_streams (name, count, sum) VALUES (?1, 0, 0)"),
        &[string(table.stream.clone())],
    )?;
    changed(sql, plane)?;
    let id = stream_id(sql, plane, &table.stream)?.unwrap_or_default();
    for (name, wanted) in triggers(plane, id, table) {
        sql.run(&format!("DROP TRIGGER IF EXISTS {}", quote(&name)), &[])?;
        sql.run(&wanted, &[])?;
    }
    let is_new = one(
        sql,
        &plane.sql("SELECT 1 FROM @ WHERE stream = ?1 LIMIT 1"),
        &[integer(id)],
    )?
    .is_none();
    if is_new {
        let key = table.key_of("");
        let from = quote(&table.table);
        let bring_in = plane.sql("INSERT INTO @_noted (stream, key, time, deleted) SELECT ?1, ");
        sql.run(
            &format!(
                "{bring_in}{key}, {}, {} FROM {from} ORDER BY \"updated_at\"",
                time_of(""),
                table.is_deleted("")
            ),
            &[integer(id)],
        )?;
        return Ok(());
    }
    tell_tombstones(sql, plane, (id, table))?;
    verify::verify(sql, plane, std::slice::from_ref(table)).map(drop)
}

/// In a log that an earlier build made nothing says which entries are tombstones. They are told apart in their places, so
/// that none of them travels again.
fn tell_tombstones(sql: &dyn Sql, plane: Plane, (id, table): (u64, &Tracked)) -> Result<()> {
    let deleted = format!(
        "(SELECT {} FROM {} WHERE {})",
        table.key_of(""),
        quote(&table.table),
        table.is_deleted("")
    );
    for statement in [
        "UPDATE @ SET hash = -1 - hash WHERE hash >= 0 AND stream = ?1 AND key IN ",
        "UPDATE @_noted SET deleted = 1 WHERE deleted IS NULL AND stream = ?1 AND key IN ",
    ] {
        sql.run(&(plane.sql(statement) + &deleted), &[integer(id)])?;
    }
    Ok(())
}

/// Streams whose tables are gone hold nothing.
fn forget_others(sql: &dyn Sql, plane: Plane, tables: &[Tracked]) -> Result<()> {
    let mut gone = Vec::new();
    sql.each(
        &plane.sql("SELECT id, name FROM @_streams"),
        &[],
        &mut |row| {
            let name = text(row.get(1))?;
            if tables.iter().all(|table| table.stream != name) {
                gone.push(number(row.first())?);
            }
            Ok(())
        },
    )?;
    for id in gone {
        changed(sql, plane)?;
        for statement in [
            "DELETE FROM @ WHERE stream = ?1",
            "DELETE FROM @_noted WHERE stream = ?1",
            "DELETE FROM @_streams WHERE id = ?1",
        ] {
            sql.run(&plane.sql(statement), &[integer(id)])?;
        }
    }
    Ok(())
}

/// When a row was written, as SQL. `of` stands before the column, as in `NEW.`.
fn time_of(of: &str) -> String {
    format!("coalesce(CAST({of}\"updated_at\" AS TEXT), '')")
}

/// The triggers of a table, by name. They only note what happened, for that is what every write pays for.
///
/// Their statements have no conflict clauses: those of the statement that fires a trigger would count instead.
fn triggers(plane: Plane, id: u64, table: &Tracked) -> [(String, String); 3] {
    let log = plane.log();
    let (new, old) = (table.key_of("NEW."), table.key_of("OLD."));
    let (dead, was_dead) = (table.is_deleted("NEW."), table.is_deleted("OLD."));
    let add = format!(
        "INSERT INTO {log}_noted (stream, key, time, deleted) VALUES ({id}, {new}, {}, {dead});",
        time_of("NEW.")
    );
    let gone = format!("INSERT INTO {log}_noted (stream, key) SELECT {id}, {old}");
    let on = quote(&table.table);
    let name = |event: &str| format!("{log}_{id}_{event}");
    let trigger = |event: &str, when: &str, body: &str| {
        let name = name(event);
        let event = event.to_uppercase();
        (
            name.clone(),
            format!("CREATE TRIGGER {name} AFTER {event} ON {on}{when} BEGIN {body} END"),
        )
    };
    [
        trigger("insert", "", &add),
        trigger(
            "update",
            &format!(
                " WHEN NEW.\"updated_at\" IS NOT OLD.\"updated_at\" OR {new} IS NOT {old} OR {dead} <> {was_dead}"
            ),
            &format!("{gone} WHERE {new} IS NOT {old}; {add}"),
        ),
        trigger("delete", "", &format!("{gone};")),
    ]
}

/// Begins a stretch behind a number. The first of all has what was there before there was any: no peer has heard of it.
pub(super) const BEGIN_AFTER: &str = "INSERT INTO @_generations (first, generation)
  SELECT CASE WHEN EXISTS (SELECT 1 FROM @_generations) THEN ?1 + 1 ELSE 1 END, lower(hex(randomblob(8)))";

/// Whether the log has its name, and a stretch of its history has begun.
pub(super) fn is_begun(sql: &dyn Sql, plane: Plane) -> Result<bool> {
    let query = "SELECT 1 FROM @_generations JOIN @_meta ON key = 'id' LIMIT 1";
    Ok(one(sql, &plane.sql(query), &[])?.is_some())
}

/// Whether a log whose tables and triggers are in place says all that it has to: nothing was noted since.
pub fn is_up_to_date(sql: &dyn Sql, plane: Plane) -> Result<bool> {
    Ok(is_begun(sql, plane)? && !has_noted(sql, plane)?)
}

/// Begins a stretch in which a number is used up, so that it is told at once: what processes remember of the own log and of
/// peers holds no more.
pub(super) fn begin_at_once(sql: &dyn Sql, plane: Plane) -> Result<()> {
    begin_generation(sql, plane)?;
    set_head(sql, plane, head(sql, plane)? + 1)
}

/// Begins a stretch of the history: what this opening of the file writes is told apart from what a copy of the file
/// writes. One that nothing was written in is forgotten, for no peer can have heard of it.
pub fn begin_generation(sql: &dyn Sql, plane: Plane) -> Result<()> {
    let head = [integer(head(sql, plane)?)];
    for statement in [
        // Numbers that were given are gone: what was said of them holds no more.
        "DELETE FROM @_generations WHERE (SELECT max(first) FROM @_generations) > ?1 + 1",
        "DELETE FROM @_generations WHERE first > ?1",
        "UPDATE @_known SET proved = 0 WHERE proved > ?1",
        BEGIN_AFTER,
    ] {
        sql.run(&plane.sql(statement), &head)?;
    }
    Ok(())
}
