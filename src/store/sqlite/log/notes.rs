//! What is noted of other logs: how far they were taken in, and what waits.

use std::collections::HashMap;

use rusqlite::types::Value;

use super::entries::head;
use super::history::history;
use super::sql::{Plane, Sql, integer, number, one, string, text};
use crate::engine::change_log::{Advance, MOST_WAITING, Note, Others, Waiting};
use crate::engine::held::Direction;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{Cursor, Generation, History, Key, Stream};
use crate::protocol::text::Text;

/// What has not moved is noted again at most so often: a round with nothing to do writes nothing.
const AN_HOUR_MS: u64 = 3_600_000;

const NOW_MS: &str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

/// The row under which another log is known, for the origins of entries; it is made if it is missing.
pub fn origin_of(sql: &dyn Sql, plane: Plane, origin: &Cursor) -> Result<(u64, u64)> {
    let name = string(origin.generation.name());
    let make =
        format!("INSERT OR IGNORE INTO @_peers (generation, seq, moved) VALUES (?1, 0, {NOW_MS})");
    sql.run(&plane.sql(&make), std::slice::from_ref(&name))?;
    let id = one(
        sql,
        &plane.sql("SELECT id FROM @_peers WHERE generation = ?1"),
        &[name],
    )?;
    Ok((number(id.as_ref())?, origin.seq))
}

/// Notes how far another log was taken in, within the caller's transaction. It does not move if something is missing
/// between what was noted before and what the items follow on, or if what came from here was left out by somebody who
/// knows of more than this log has.
pub fn advance(sql: &dyn Sql, plane: Plane, advance: &Advance) -> Result<()> {
    let known = known_of(sql, plane, advance)?;
    if known < advance.follows {
        return Ok(());
    }
    if let Some(presumed) = &advance.presumes
        && !history(sql, plane, head(sql, plane)?)?.has(presumed)
    {
        return Ok(());
    }
    let note = format!(
        "INSERT INTO @_peers (generation, seq, moved) VALUES (?1, ?2, {NOW_MS})
         ON CONFLICT (generation) DO UPDATE SET seq = max(seq, excluded.seq), moved = excluded.moved
           WHERE excluded.seq > seq OR excluded.moved > moved + {AN_HOUR_MS}"
    );
    let upto = &advance.upto;
    let parameters = [string(upto.generation.name()), integer(upto.seq)];
    sql.run(&plane.sql(&note), &parameters)?;
    Ok(())
}

fn known_of(sql: &dyn Sql, plane: Plane, advance: &Advance) -> Result<u64> {
    let generations = advance.history.0.iter();
    let asked = generations.map(|cursor| cursor.generation.clone());
    let cursors = others(sql, plane, &Others::Of(asked.collect()))?;
    Ok(advance.history.common(&cursors).unwrap_or_default())
}

/// How far other logs were taken in.
pub(super) fn others(sql: &dyn Sql, plane: Plane, asked: &Others) -> Result<Vec<Cursor>> {
    let mut found = Vec::new();
    let mut keep = |row: &[Value]| {
        let seq = number(row.get(1))?;
        let generation = Generation::new(text(row.first())?);
        found.extend(generation.map(|generation| Cursor { generation, seq }));
        Ok(())
    };
    match asked {
        Others::Latest(most) => sql.each(
            &plane.sql(
                "SELECT generation, seq FROM @_peers WHERE seq > 0 ORDER BY moved DESC LIMIT ?1",
            ),
            &[integer(*most as u64)],
            &mut keep,
        )?,
        Others::Of(generations) => {
            let query = plane.sql("SELECT generation, seq FROM @_peers WHERE generation = ?1");
            for generation in generations {
                sql.each(&query, &[string(generation.name())], &mut keep)?;
            }
        }
    }
    Ok(found)
}

/// The rows under which the logs of a history are known, each up to a number of it: versions from there are passed over.
pub(super) fn skipped(sql: &dyn Sql, plane: Plane, skip: &History) -> Result<HashMap<u64, u64>> {
    let mut skipped = HashMap::new();
    let query = plane.sql("SELECT id FROM @_peers WHERE generation = ?1");
    for cursor in &skip.0 {
        let id = one(sql, &query, &[string(cursor.generation.name())])?;
        if let Some(id) = id {
            skipped.insert(number(Some(&id))?, cursor.seq);
        }
    }
    Ok(skipped)
}

/// Notes what an exchange came to, within the caller's transaction.
pub fn note(sql: &dyn Sql, plane: Plane, note: &Note) -> Result<()> {
    for waits in &note.waits {
        let wait = format!(
            "INSERT INTO @_waiting (peer, direction, stream, key, hlc, code, reason, since, attempts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, {NOW_MS}, 1)
             ON CONFLICT DO UPDATE SET hlc = excluded.hlc, code = excluded.code, reason = excluded.reason,
               attempts = attempts + 1"
        );
        let hlc = waits.hlc.as_ref();
        let parameters = [
            string(note.peer.clone()),
            string(name_of(waits.direction)),
            string(waits.key.stream.name()),
            string(waits.key.id.to_string()),
            hlc.map_or(Value::Null, |hlc| string(hlc.to_string())),
            string(waits.code.clone()),
            string(waits.reason.clone()),
        ];
        sql.run(&plane.sql(&wait), &parameters)?;
    }
    for (direction, key) in &note.settled {
        sql.run(
            &plane.sql(
                "DELETE FROM @_waiting WHERE peer = ?1 AND direction = ?2 AND stream = ?3 AND key = ?4",
            ),
            &[
                string(note.peer.clone()),
                string(name_of(*direction)),
                string(key.stream.name()),
                string(key.id.to_string()),
            ],
        )?;
    }
    if let Some(moves) = &note.advance {
        advance(sql, plane, moves)?;
    }
    Ok(())
}

fn name_of(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "out",
        Direction::Inbound => "in",
    }
}

/// What waits of a peer, what was tried least first.
pub(super) fn waiting(sql: &dyn Sql, plane: Plane, peer: Option<&str>) -> Result<Vec<Waiting>> {
    all_waiting(sql, plane, peer, "WHERE peer = ?1")
}

/// What waits to come in from other logs than that of a peer.
pub(super) fn elsewhere(sql: &dyn Sql, plane: Plane, peer: Option<&str>) -> Result<Vec<Waiting>> {
    let which = "WHERE peer <> ?1 AND direction = 'in' GROUP BY stream, key";
    all_waiting(sql, plane, peer, which)
}

fn all_waiting(
    sql: &dyn Sql,
    plane: Plane,
    peer: Option<&str>,
    which: &str,
) -> Result<Vec<Waiting>> {
    let mut found = Vec::new();
    let Some(peer) = peer else { return Ok(found) };
    let query = format!(
        "SELECT direction, stream, key, hlc, code, reason, since, attempts FROM @_waiting {which}
         ORDER BY attempts, since LIMIT ?2"
    );
    let parameters = [string(peer), integer(MOST_WAITING as u64)];
    sql.each(&plane.sql(&query), &parameters, &mut |row| {
        let hlc = match row.get(3) {
            Some(Value::Text(hlc)) => Hlc::parse(hlc).ok(),
            _ => None,
        };
        found.push(Waiting {
            direction: match text(row.first())? {
                "out" => Direction::Outbound,
                _ => Direction::Inbound,
            },
            key: Key {
                stream: Stream::named(text(row.get(1))?),
                id: Text::from(text(row.get(2))?),
            },
            hlc,
            code: text(row.get(4))?.to_owned(),
            reason: text(row.get(5))?.to_owned(),
            since_ms: number(row.get(6))?,
            attempts: number(row.get(7))?,
        });
        Ok(())
    })?;
    Ok(found)
}
