//! Giving numbers to what was noted, without locks.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::sleep;

use super::super::sql::{OPERATION, Sql, altered, get, integer, number as safe};
use super::super::tracked::{Tracked, key_lists};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::log::{Digest, entry_hash};
use crate::store::postgres::connection::random;
use crate::store::postgres::dialect::Dialect;
use crate::store::postgres::fault::is_conflict;
use crate::store::postgres::param::Param;

/// How often numbers are given again to what others gave numbers to meanwhile.
const TRIES: u32 = 8;

/// Gives numbers to what was noted, in transactions of its own.
pub async fn settle(sql: &Sql<'_>) -> Result<()> {
    let mut tries = 0;
    loop {
        match in_one(sql).await {
            Ok(dealt) if dealt < Dialect::ROWS => return Ok(()),
            Ok(_) => tries = 0,
            Err(error) if tries < TRIES && is_conflict(&error) => {
                tries += 1;
                // The other has given numbers to the same notes.
                let longest = 10.0 * f64::from(1 << tries.min(6));
                sleep(Duration::from_secs_f64(longest * random() / 1000.0)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn in_one(sql: &Sql<'_>) -> Result<usize> {
    sql.session.transaction(OPERATION, false).await?;
    match number(sql).await {
        Ok(dealt) => {
            sql.session.commit(OPERATION).await?;
            Ok(dealt)
        }
        Err(error) => {
            sql.session.undo(OPERATION).await;
            Err(error)
        }
    }
}

/// Gives numbers to as many noted versions as fit the caller's transaction; how many notes that were. Of the transactions that
/// do it at once one can commit.
pub async fn number(sql: &Sql<'_>) -> Result<usize> {
    let mut head = begin_where_elsewhere(sql).await?;
    let notes = notes(sql).await?;
    if notes.is_empty() {
        return Ok(0);
    }
    let mut written = ToEnter::default();
    let gone: Vec<String> = notes.iter().map(|note| note.id.clone()).collect();
    let names: Vec<&str> = notes.iter().map(|note| note.stream.as_str()).collect();
    let streams = streams(sql, &names).await?;
    let items = by_item(notes);
    for stream in &streams {
        let keys: Vec<String> = items
            .iter()
            .filter(|item| item.stream == stream.table.stream)
            .map(|item| item.key.clone())
            .collect();
        let now = if stream.is_there {
            versions(sql, &stream.table, &keys).await?
        } else {
            HashMap::new()
        };
        let known = entries(sql, stream.id, &keys).await?;
        written
            .of_streams
            .insert(&stream.table.stream, (stream, now, known));
    }
    for item in &items {
        written.add(item, &mut head);
    }
    written.write(sql, &gone, head).await?;
    Ok(gone.len())
}

/// The log that a version came from, and its number there.
type CameFrom = (i64, i64);

/// Something that was noted.
#[derive(Debug)]
struct Hint {
    id: String,
    stream: String,
    key: String,
    time: Option<String>,
    origin: Option<CameFrom>,
}

async fn notes(sql: &Sql<'_>) -> Result<Vec<Hint>> {
    let query = "SELECT n.id, n.stream, n.key, n.time, n.origin, n.origin_seq FROM @_noted AS n ORDER BY n.at, n.nr LIMIT $1";
    let rows = sql.rows(query, &[Param::count(Dialect::ROWS)]).await?;
    let note = |row| {
        let origin: Option<i64> = get(row, 4)?;
        let seq: Option<i64> = get(row, 5)?;
        Ok(Hint {
            id: get(row, 0)?,
            stream: get(row, 1)?,
            key: get(row, 2)?,
            time: get(row, 3)?,
            origin: origin.zip(seq),
        })
    };
    rows.iter().map(note).collect()
}

/// What was noted of one item.
#[derive(Debug)]
struct Item {
    stream: String,
    key: String,
    /// When each version was written, and where it came from.
    notes: Vec<(Option<String>, Option<CameFrom>)>,
}

/// The items that were noted, those last of which something was noted last.
fn by_item(notes: Vec<Hint>) -> Vec<Item> {
    let mut items: HashMap<(String, String), (usize, Item)> = HashMap::new();
    for (at, note) in notes.into_iter().enumerate() {
        let key = (note.stream.clone(), note.key.clone());
        let (last, item) = items.entry(key).or_insert_with(|| {
            let (stream, key, notes) = (note.stream, note.key, Vec::new());
            (at, Item { stream, key, notes })
        });
        *last = at;
        item.notes.push((note.time, note.origin));
    }
    let mut items: Vec<_> = items.into_values().collect();
    items.sort_unstable_by_key(|(last, _)| *last);
    items.into_iter().map(|(_, item)| item).collect()
}

impl Item {
    /// Where the version came from that was written at this time, if every note of it says the same. Otherwise it goes to
    /// every peer, which costs a transfer and loses nothing.
    fn origin(&self, time: &str) -> Option<CameFrom> {
        let time = canonical(time);
        let mut found = None;
        for (noted, origin) in &self.notes {
            if canonical(noted.as_deref()?) != time {
                continue;
            }
            let (log, seq) = (*origin)?;
            found = match found {
                Some((other, _)) if other != log => return None,
                Some((_, before)) => Some((log, seq.max(before))),
                None => Some((log, seq)),
            };
        }
        found
    }
}

/// A time in the one form that all sides hash. What is none stays as it is.
fn canonical(time: &str) -> String {
    Hlc::parse(time).map_or_else(|_| time.to_owned(), |time| time.to_string())
}

/// The hash of a version.
pub fn hash(stream: &str, key: &str, time: &str) -> i64 {
    integer(entry_hash(stream, key, &canonical(time)))
}

/// A stream, as the log has it.
#[derive(Debug)]
struct KnownStream {
    id: i64,
    table: Tracked,
    is_there: bool,
    digest: Digest,
}

async fn streams(sql: &Sql<'_>, names: &[&str]) -> Result<Vec<KnownStream>> {
    let query = "SELECT s.id, s.name, s.relation, s.key, to_regclass(s.relation) IS NOT NULL, s.count, s.sum
                   FROM @_streams AS s WHERE s.name = ANY ($1)";
    let rows = sql
        .rows(query, &[Param::texts(names.iter().copied())])
        .await?;
    let stream = |row| {
        let key: &str = get(row, 3)?;
        Ok(KnownStream {
            id: get(row, 0)?,
            table: Tracked {
                stream: get(row, 1)?,
                relation: get(row, 2)?,
                key: serde_json::from_str(key).map_err(|_| altered())?,
            },
            is_there: get(row, 4)?,
            digest: Digest {
                count: safe(row, 5)?,
                sum: safe(row, 6)?,
            },
        })
    };
    rows.iter().map(stream).collect()
}

/// The versions under keys: when each was written, and whether it is deleted.
pub async fn versions(
    sql: &Sql<'_>,
    table: &Tracked,
    keys: &[String],
) -> Result<HashMap<String, (String, bool)>> {
    let columns = table.key.len();
    let names: Vec<String> = (0..columns).map(|at| format!("c{at}")).collect();
    let lists: Vec<String> = (1..=columns).map(|at| format!("${at}::text[]")).collect();
    let same = table.texts_of_key("r.").into_iter().zip(&names);
    let same: Vec<String> = same
        .map(|(text, name)| format!("{text} = k.{name}"))
        .collect();
    let query = format!(
        "SELECT {} FROM {} AS r JOIN unnest({}) AS k ({}) ON {}",
        table.version_of("r."),
        table.relation,
        lists.join(", "),
        names.join(", "),
        same.join(" AND ")
    );
    let mut found: HashMap<String, (String, bool)> = HashMap::new();
    for row in sql.rows(&query, &key_lists(columns, keys)).await? {
        let version: (String, bool) = (get(&row, 1)?, get(&row, 2)?);
        let known = found
            .entry(get(&row, 0)?)
            .or_insert_with(|| version.clone());
        if known.0 < version.0 {
            *known = version;
        }
    }
    Ok(found)
}

/// The entries under keys: the hash of each, and whether it is deleted.
pub async fn entries(
    sql: &Sql<'_>,
    stream: i64,
    keys: &[String],
) -> Result<HashMap<String, (i64, bool)>> {
    let query =
        "SELECT e.key, e.hash, e.deleted FROM @ AS e WHERE e.stream = $1 AND e.key = ANY ($2)";
    let rows = sql
        .rows(query, &[Param::Whole(stream), Param::texts(keys)])
        .await?;
    let entry = |row| Ok((get(row, 0)?, (get(row, 1)?, get(row, 2)?)));
    rows.iter().map(entry).collect()
}

type NowStored = HashMap<String, (String, bool)>;
type NowEntered = HashMap<String, (i64, bool)>;

/// What giving numbers writes.
#[derive(Debug, Default)]
struct ToEnter<'s> {
    of_streams: HashMap<&'s str, (&'s KnownStream, NowStored, NowEntered)>,
    digests: HashMap<i64, Digest>,
    /// The columns of new entries, of which each is a list.
    wholes: [Vec<i64>; 6],
    keys: Vec<String>,
    removed: HashMap<i64, Vec<String>>,
}

impl ToEnter<'_> {
    fn add(&mut self, item: &Item, head: &mut i64) {
        // A stream that is not known yet is gone through once it is.
        let Some((stream, now, known)) = self.of_streams.get(item.stream.as_str()) else {
            return;
        };
        let digest = self.digests.entry(stream.id).or_insert(stream.digest);
        if let Some((hash, _)) = known.get(&item.key) {
            let mut one = Digest::default();
            one.add(hash.unsigned_abs());
            *digest = digest.without(one);
        }
        let Some((time, is_deleted)) = now.get(&item.key) else {
            let removed = self.removed.entry(stream.id).or_default();
            removed.push(item.key.clone());
            return;
        };
        *head += 1;
        let hash = hash(&item.stream, &item.key, time);
        digest.add(hash.unsigned_abs());
        let (origin, seq) = item.origin(time).unwrap_or_default();
        let row = [*head, stream.id, hash, i64::from(*is_deleted), origin, seq];
        for (list, value) in self.wholes.iter_mut().zip(row) {
            list.push(value);
        }
        self.keys.push(item.key.clone());
    }

    async fn write(self, sql: &Sql<'_>, gone: &[String], head: i64) -> Result<()> {
        const ENTER: &str = "INSERT INTO @ AS e (seq, stream, key, hash, deleted, origin, origin_seq)
            SELECT v.seq, v.stream, v.key, v.hash, v.deleted <> 0, nullif(v.origin, 0),
                   CASE WHEN v.origin <> 0 THEN v.origin_seq END
              FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
                AS v (seq, stream, hash, deleted, origin, origin_seq, key)
            ON CONFLICT (stream, key) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, deleted = excluded.deleted,
              origin = excluded.origin, origin_seq = excluded.origin_seq";
        let moved = "UPDATE @_meta SET head = $1, state = gen_random_uuid()::text WHERE one = 1";
        sql.run(moved, &[Param::Whole(head)]).await?;
        let notes = "DELETE FROM @_noted WHERE id = ANY ($1)";
        sql.run(notes, &[Param::texts(gone)]).await?;
        if !self.keys.is_empty() {
            let mut lists: Vec<Param> = self.wholes.into_iter().map(Param::Wholes).collect();
            lists.push(Param::texts(self.keys));
            sql.run(ENTER, &lists).await?;
        }
        for (stream, keys) in self.removed {
            let remove = "DELETE FROM @ WHERE stream = $1 AND key = ANY ($2)";
            sql.run(remove, &[Param::Whole(stream), Param::texts(keys)])
                .await?;
        }
        for (stream, digest) in self.digests {
            let counted = "UPDATE @_streams SET count = $2, sum = $3 WHERE id = $1";
            let digest = [digest.count, digest.sum].map(|number| Param::Whole(integer(number)));
            let [count, sum] = digest;
            sql.run(counted, &[Param::Whole(stream), count, sum])
                .await?;
        }
        Ok(())
    }
}

/// The last number that was given. Begins a stretch of the history if this is a copy of the database in which that was.
async fn begin_where_elsewhere(sql: &Sql<'_>) -> Result<i64> {
    let query = "SELECT head, places FROM @_meta";
    let row = sql.one(query, &[]).await?.ok_or_else(|| {
        let message = "the change log is not complete; start the sync server again, which mends it";
        Error::new(ErrorKind::Database, OPERATION, message)
    })?;
    let head: i64 = get(&row, 0)?;
    let places: &str = get(&row, 1)?;
    let here = sql.session.place();
    if places.split(' ').all(|place| place != here) {
        begin(sql, head, places).await?;
    }
    Ok(head)
}

/// How many places a database is known under at most.
const MOST_PLACES: usize = 16;

/// Begins a stretch of the history, behind the last number. One that nothing was written in is forgotten, for no peer can
/// have heard of it.
pub async fn begin(sql: &Sql<'_>, head: i64, places: &str) -> Result<()> {
    let mut known: Vec<&str> = places.split_whitespace().collect();
    known.push(sql.session.place());
    let from = known.len().saturating_sub(MOST_PLACES);
    let known = known.get(from..).unwrap_or_default().join(" ");
    let here = "UPDATE @_meta SET places = $1 WHERE one = 1";
    // Another transaction that begins one is refused for this row.
    sql.run(here, &[Param::text(known)]).await?;
    let after = [Param::Whole(head)];
    for forget in [
        "DELETE FROM @_generations WHERE (SELECT max(first) FROM @_generations) > $1 + 1",
        "DELETE FROM @_generations WHERE first > $1",
    ] {
        sql.run(forget, &after).await?;
    }
    let begun = "INSERT INTO @_generations (id, first, generation)
        SELECT coalesce(max(g.id), 0) + 1, CASE WHEN count(*) > 0 THEN $1 + 1 ELSE 1 END,
               substr(replace(gen_random_uuid()::text, '-', ''), 1, 16) FROM @_generations AS g";
    sql.run(begun, &after).await
}
