//! What is noted of other logs: how far they were taken in, and what waits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::Row;

use super::super::param::Param;
use super::by_writers;
use super::history::LogStanding;
use super::sql::{Sql, get, integer, number};
use super::tracked::Tracked;
use crate::engine::change_log::{Advance, MOST_WAITING, Note, Others, Waiting};
use crate::engine::held::Direction;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{Cursor, Key, Stream};
use crate::protocol::text::Text;

const NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// What has not moved is noted again at most so often: a round with nothing to do writes nothing.
const AN_HOUR_MS: u64 = 3_600_000;

/// Says, within the caller's transaction, that the versions which it writes came from another log.
pub async fn come_from(sql: &Sql<'_>, origin: &Cursor) -> Result<()> {
    let name = [Param::text(origin.generation.name())];
    let known = "SELECT id::bigint FROM @_peers WHERE generation = $1";
    let mut row = sql.one(known, &name).await?;
    if row.is_none() {
        let (column, value, id) = id_of_new_row(sql, "$2, ");
        let make = format!(
            "INSERT INTO @_peers ({column}generation, seq, moved) VALUES ({value}$1, 0, {NOW_MS}) ON CONFLICT DO NOTHING"
        );
        let values: Vec<Param> = name.iter().cloned().chain(id).collect();
        sql.run(&make, &values).await?;
        row = sql.one(known, &name).await?;
    }
    let id: i64 = row.as_ref().map_or(Ok(0), |row| get(row, 0))?;
    if !sql.session.dialect().has_triggers() {
        sql.session.set_origin((id, integer(origin.seq)));
        return Ok(());
    }
    let came = format!("{id}.{}", origin.seq);
    let tell = "SELECT set_config('starkeep.origin', $1, true)";
    sql.run(tell, &[Param::text(came)]).await
}

/// The column and the value of the number of a new row of `peers`, where the database does not count.
fn id_of_new_row<'p>(sql: &Sql<'_>, place: &'p str) -> (&'static str, &'p str, Option<Param>) {
    if sql.session.dialect().has_triggers() {
        ("", "", None)
    } else {
        ("id, ", place, Some(Param::Whole(by_writers::drawn())))
    }
}

/// Notes a version that is stored already, within the caller's transaction, as if it had been written now: every side
/// hears of it again. `is_it` is SQL that finds the row `r` by its key in `$2`.
pub async fn renew(sql: &Sql<'_>, table: &Tracked, is_it: &str, key: &str) -> Result<()> {
    let note = format!(
        "INSERT INTO @_noted (stream, key, time, deleted) SELECT s.id, v.key, v.time, v.deleted
           FROM @_streams AS s CROSS JOIN (SELECT {} FROM {} AS r WHERE {is_it}) AS v WHERE s.name = $1",
        table.version_of("r."),
        table.relation,
    );
    let parameters = [Param::text(&table.stream), Param::text(key)];
    sql.run(&note, &parameters).await
}

/// Notes how far another log was taken in, within the caller's transaction. It does not move if something is missing
/// between what was noted before and what the items follow on, or if what came from here was left out by a side that
/// knows of more than this log has.
pub async fn advance(sql: &Sql<'_>, advance: &Advance) -> Result<()> {
    let generations = advance.history.0.iter();
    let asked = generations.map(|cursor| cursor.generation.clone());
    let standing = LogStanding::read(sql, &Others::Of(asked.collect()), "NULL").await?;
    let known = advance.history.common(&standing.others).unwrap_or_default();
    let presumed = advance.presumes.as_ref();
    if known < advance.follows || presumed.is_some_and(|presumed| !standing.history.has(presumed)) {
        return Ok(());
    }
    let (column, value, id) = id_of_new_row(sql, "$3, ");
    let note = format!(
        "INSERT INTO @_peers AS p ({column}generation, seq, moved) VALUES ({value}$1, $2, {NOW_MS})
         ON CONFLICT (generation) DO UPDATE SET seq = greatest(p.seq, excluded.seq), moved = excluded.moved
           WHERE excluded.seq > p.seq OR excluded.moved > p.moved + {AN_HOUR_MS}"
    );
    let upto = &advance.upto;
    let parameters = [
        Param::text(upto.generation.name()),
        Param::Whole(integer(upto.seq)),
    ];
    let parameters: Vec<Param> = parameters.into_iter().chain(id).collect();
    sql.run(&note, &parameters).await
}

/// The attempts that a transaction counted. Where the answer to its commit was lost, the same transaction once more counts no
/// further.
#[derive(Debug, Default)]
pub struct Attempted(Mutex<Counts>);

/// Attempts by the direction, the stream and the key of what waits.
type Attempts = HashMap<[String; 3], i64>;

#[derive(Debug, Default)]
struct Counts {
    /// By the transaction that runs, or ran last.
    last: Attempts,
    /// By those before it, of which it is not known whether they last.
    lost: Attempts,
}

impl Attempted {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The transaction that ran last was refused, and nothing of it lasts.
    pub fn forget_last(&self) {
        self.counts().last.clear();
    }

    /// Keeps the rows that [`WAIT`] answers.
    fn keep(&self, rows: &[Row]) -> Result<()> {
        for row in rows {
            let key = [get(row, 0)?, get(row, 1)?, get(row, 2)?];
            self.counts().last.insert(key, get(row, 3)?);
        }
        Ok(())
    }
}

/// Notes what an exchange came to, within the caller's transaction. `counted` is the same each time the transaction is
/// made again.
pub async fn note(sql: &Sql<'_>, note: &Note, counted: &Attempted) -> Result<()> {
    // One item waits once, whatever is said of it last.
    let waits: HashMap<_, _> = note
        .waits
        .iter()
        .map(|waits| ((name_of(waits.direction), &waits.key), waits))
        .collect();
    if !waits.is_empty() {
        let (attempts, again) = attempts(waits.values().copied(), counted);
        let parameters = [
            Param::text(storable(&note.peer)),
            texts(waits.values().map(|waits| name_of(waits.direction))),
            texts(waits.values().map(|waits| waits.key.stream.name())),
            texts(waits.values().map(|waits| waits.key.id.to_string())),
            Param::Texts(
                waits
                    .values()
                    .map(|waits| Some(storable(&waits.hlc.as_ref()?.to_string()).into_owned()))
                    .collect(),
            ),
            texts(waits.values().map(|waits| &waits.code)),
            texts(waits.values().map(|waits| &waits.reason)),
            attempts,
        ];
        let wait = if sql.session.dialect().has_triggers() {
            WAIT
        } else {
            WAIT_BY_HASH
        };
        let wait = wait.replace("NOW", NOW_MS).replace("AGAIN", again);
        counted.keep(&sql.rows(&wait, &parameters).await?)?;
    }
    if !note.settled.is_empty() {
        let parameters = [
            Param::text(storable(&note.peer)),
            texts(
                note.settled
                    .iter()
                    .map(|(direction, _)| name_of(*direction)),
            ),
            texts(note.settled.iter().map(|(_, key)| key.stream.name())),
            texts(note.settled.iter().map(|(_, key)| key.id.to_string())),
        ];
        let settled = if sql.session.dialect().has_triggers() {
            SETTLED
        } else {
            SETTLED_BY_HASH
        };
        sql.run(settled, &parameters).await?;
    }
    match &note.advance {
        Some(moves) => advance(sql, moves).await,
        None => Ok(()),
    }
}

/// The attempts of items that wait, and the SQL that says what they come to.
fn attempts<'w>(
    waits: impl Iterator<Item = &'w Waiting>,
    counted: &Attempted,
) -> (Param, &'static str) {
    let Counts { last, lost } = &mut *counted.counts();
    lost.extend(last.drain());
    let again = if lost.is_empty() {
        "w.attempts + 1"
    } else {
        "greatest(w.attempts, excluded.attempts)"
    };
    let key_of = |waits: &Waiting| {
        let texts = [waits.key.stream.name(), waits.key.id.to_string()];
        let [stream, key] = texts.map(|text| storable(&text).into_owned());
        [name_of(waits.direction).to_owned(), stream, key]
    };
    let attempts = waits.map(|waits| lost.get(&key_of(waits)).copied().unwrap_or(1));
    (Param::Wholes(attempts.collect()), again)
}

const WAIT: &str = "INSERT INTO @_waiting AS w (peer, direction, stream, key, hlc, code, reason, attempts, since)
  SELECT $1, u.*, NOW FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[]) AS u
  ON CONFLICT (peer, direction, stream, key) DO UPDATE SET hlc = excluded.hlc, code = excluded.code,
    reason = excluded.reason, attempts = AGAIN
  RETURNING w.direction, w.stream, w.key, w.attempts";

const SETTLED: &str = "DELETE FROM @_waiting AS w USING unnest($2::text[], $3::text[], $4::text[]) AS u (direction, stream, key)
  WHERE w.peer = $1 AND w.direction = u.direction AND w.stream = u.stream AND w.key = u.key";

/// The same where a row is found by a hash of what it is about.
const WAIT_BY_HASH: &str = "INSERT INTO @_waiting AS w (id, peer, direction, stream, key, hlc, code, reason, since, attempts)
  SELECT md5($1) || md5(u.direction || md5(u.stream) || u.key), $1, u.direction, u.stream, u.key, u.hlc, u.code, u.reason, NOW,
         u.attempts
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[])
      AS u (direction, stream, key, hlc, code, reason, attempts)
  ON CONFLICT (id) DO UPDATE SET hlc = excluded.hlc, code = excluded.code, reason = excluded.reason, attempts = AGAIN
  RETURNING w.direction, w.stream, w.key, w.attempts";

const SETTLED_BY_HASH: &str = "DELETE FROM @_waiting WHERE id IN (
  SELECT md5($1) || md5(u.direction || md5(u.stream) || u.key)
    FROM unnest($2::text[], $3::text[], $4::text[]) AS u (direction, stream, key))";

fn texts<T: AsRef<str>>(all: impl Iterator<Item = T>) -> Param {
    Param::texts(all.map(|text| storable(text.as_ref()).into_owned()))
}

fn name_of(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "out",
        Direction::Inbound => "in",
    }
}

const WAITS: &str = "SELECT direction, stream, key, hlc, code, reason, since, attempts FROM";

/// What waits of a peer, what was tried least first.
pub async fn waiting(sql: &Sql<'_>, peer: &str) -> Result<Vec<Waiting>> {
    let from = "@_waiting WHERE peer = $1";
    all_waiting(sql, peer, from).await
}

/// What waits to come in from other logs than that of a peer.
pub async fn elsewhere(sql: &Sql<'_>, peer: &str) -> Result<Vec<Waiting>> {
    let from =
        "(SELECT DISTINCT ON (stream, key) * FROM @_waiting WHERE peer <> $1 AND direction = 'in'
                  ORDER BY stream, key, peer) AS w";
    all_waiting(sql, peer, from).await
}

async fn all_waiting(sql: &Sql<'_>, peer: &str, from: &str) -> Result<Vec<Waiting>> {
    let query = format!("{WAITS} {from} ORDER BY attempts, since LIMIT {MOST_WAITING}");
    let rows = sql.rows(&query, &[Param::text(storable(peer))]).await?;
    rows.iter().map(waits).collect()
}

fn waits(row: &Row) -> Result<Waiting> {
    let text = |at| get::<&str>(row, at).map(stored);
    let hlc: Option<&str> = get(row, 3)?;
    Ok(Waiting {
        direction: match get::<&str>(row, 0)? {
            "out" => Direction::Outbound,
            _ => Direction::Inbound,
        },
        key: Key {
            stream: Stream::named(&text(1)?),
            id: Text::from(&*text(2)?),
        },
        hlc: hlc.and_then(|hlc| Hlc::parse(&stored(hlc)).ok()),
        code: text(4)?.into_owned(),
        reason: text(5)?.into_owned(),
        since_ms: number(row, 6)?,
        attempts: number(row, 7)?,
    })
}

/// A text as a column can have it, which has no NUL.
pub fn storable(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\u{1}']) {
        return text
            .replace('\u{1}', "\u{1}1")
            .replace('\0', "\u{1}0")
            .into();
    }
    text.into()
}

/// The text that [`storable`] made this of.
fn stored(text: &str) -> Cow<'_, str> {
    if text.contains('\u{1}') {
        return text
            .replace("\u{1}0", "\0")
            .replace("\u{1}1", "\u{1}")
            .into();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_stored_has_no_nul_and_reads_back(text in "[\u{0}\u{1}01a]{0,9}") {
            let form = storable(&text);
            prop_assert!(!form.contains('\0'));
            prop_assert_eq!(stored(&form), text.as_str());
        }
    }
}
