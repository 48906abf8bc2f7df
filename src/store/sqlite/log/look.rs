//! A look at a log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::Value;

use super::entries::{counted, head};
use super::history::history;
use super::known::purged;
use super::lacking::lacking;
use super::notes::{elsewhere, others, skipped, waiting};
use super::sql::{Plane, Sql, integer, number, one, string, text};
use crate::engine::change_log::{After, Look, View};
use crate::error::Result;
use crate::protocol::item::Item;
use crate::protocol::log::{History, Key, Keyed, Stream, Streams};
use crate::protocol::text::Text;

/// Reads the items that lie under a key.
pub type Fetch<'a, B> = &'a mut dyn FnMut(&Stream, &str) -> Result<Vec<Item<B>>>;

/// The number of entries read at one time.
const BATCH: u64 = 1024;

/// The streams of a log as they were read last, and the state of the log that they belong to.
#[derive(Debug, Default)]
pub struct KnownStreams(Mutex<Option<(Value, Arc<Streams>)>>);

/// Looks at a log that must be up to date. `fetch` reads the items that lie under a key: mostly one.
pub fn look<B>(
    sql: &dyn Sql,
    (plane, known): (Plane, &KnownStreams),
    look: &Look,
    fetch: Fetch<'_, B>,
) -> Result<View<B>> {
    let head = head(sql, plane)?;
    let id = one(
        sql,
        &plane.sql("SELECT value FROM @_meta WHERE key = 'id'"),
        &[],
    )?;
    let history = history(sql, plane, head)?;
    let after = match &look.after {
        After::Seq(seq) => (*seq).min(head),
        After::Common(cursors) => history.common(cursors).unwrap_or_default(),
    };
    let found = entries(sql, plane, look, after)?;
    let mut items = Vec::with_capacity(found.entries.len());
    for (seq, stream, key) in found.entries {
        for item in fetch(&stream, &key)? {
            let id = Text::from(key.as_str());
            let key = Key {
                stream: stream.clone(),
                id,
            };
            items.push((seq, Keyed { key, item }));
        }
    }
    let mut wanted = Vec::new();
    let unsent = unsent(sql, plane, look, (after, head))?;
    for key in unsent.as_ref().unwrap_or(&look.want) {
        let Some(id) = key.id.to_utf8() else { continue };
        for item in fetch(&key.stream, &id)? {
            let key = key.clone();
            wanted.push(Keyed { key, item });
        }
    }
    Ok(View {
        id: text(id.as_ref())?.to_owned(),
        head,
        history: History(history.0.into_iter().take(look.history).collect()),
        others: others(sql, plane, &look.others)?,
        after,
        items,
        upto: if found.more { found.upto } else { head },
        more: found.more,
        wanted,
        waiting: waiting(sql, plane, look.waiting_for.as_deref())?,
        elsewhere: elsewhere(sql, plane, look.waiting_for.as_deref())?,
        streams: known.streams(sql, plane)?,
        lacking: lacking(sql, plane, look, after)?,
    })
}

struct FoundEntries {
    entries: Vec<(u64, Stream, String)>,
    upto: u64,
    more: bool,
}

/// Those of the wanted keys whose versions lie behind `after` and did not come from where they would go, if no others
/// are meant.
fn unsent(
    sql: &dyn Sql,
    plane: Plane,
    look: &Look,
    (after, head): (u64, u64),
) -> Result<Option<Vec<Key>>> {
    if !look.only_unsent {
        return Ok(None);
    }
    let mut found = Vec::new();
    if after == head {
        return Ok(Some(found));
    }
    let skipped = skipped(sql, plane, &look.skip)?;
    let query = plane.sql(&format!(
        "{ENTRIES} WHERE s.name = ?1 AND e.key = ?2 AND e.seq > ?3"
    ));
    for key in &look.want {
        let Some(id) = key.id.to_utf8() else { continue };
        let parameters = [string(key.stream.name()), string(id), integer(after)];
        sql.each(&query, &parameters, &mut |row| {
            if !came_from(&skipped, row)? {
                found.push(key.clone());
            }
            Ok(())
        })?;
    }
    Ok(Some(found))
}

const ENTRIES: &str = "SELECT e.seq, s.name, e.key, e.origin, e.origin_seq FROM @ AS e JOIN @_streams AS s ON s.id = e.stream";

/// At most as many entries as are wanted, without those that came from where they would go.
fn entries(sql: &dyn Sql, plane: Plane, look: &Look, after: u64) -> Result<FoundEntries> {
    let mut found = FoundEntries {
        entries: Vec::new(),
        upto: after,
        more: false,
    };
    if look.only_unsent {
        return Ok(found);
    }
    let skipped = skipped(sql, plane, &look.skip)?;
    let query = plane.sql(&format!(
        "{ENTRIES} WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2"
    ));
    loop {
        let mut read = 0;
        let from = integer(found.upto);
        sql.each(&query, &[from, integer(BATCH)], &mut |row| {
            read += 1;
            if found.more {
                return Ok(());
            }
            let seq = number(row.first())?;
            if came_from(&skipped, row)? {
                found.upto = seq;
            } else if found.entries.len() < look.limit {
                let stream = Stream::named(text(row.get(1))?);
                found
                    .entries
                    .push((seq, stream, text(row.get(2))?.to_owned()));
                found.upto = seq;
            } else {
                found.more = true;
            }
            Ok(())
        })?;
        if found.more || read < BATCH {
            return Ok(found);
        }
    }
}

fn came_from(skipped: &HashMap<u64, u64>, row: &[Value]) -> Result<bool> {
    let Some(Value::Integer(_)) = row.get(3) else {
        return Ok(false);
    };
    let last = skipped.get(&number(row.get(3))?);
    let seq = number(row.get(4))?;
    Ok(last.is_some_and(|last| seq <= *last))
}

impl KnownStreams {
    /// What each stream holds. It is read anew if anything has changed since.
    fn streams(&self, sql: &dyn Sql, plane: Plane) -> Result<Arc<Streams>> {
        let query = plane.sql("SELECT value FROM @_meta WHERE key = 'state'");
        let state = one(sql, &query, &[])?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &state) {
            (Some((before, streams)), Some(now)) if before == now => {
                return Ok(Arc::clone(streams));
            }
            _ => {}
        }
        let streams = Arc::new(streams(sql, plane)?);
        *known = state.map(|state| (state, Arc::clone(&streams)));
        Ok(streams)
    }
}

fn streams(sql: &dyn Sql, plane: Plane) -> Result<Streams> {
    let mut streams = Vec::new();
    let query = plane
        .sql("SELECT name, count, sum, deleted_count, deleted_sum FROM @_streams ORDER BY name");
    sql.each(&query, &[], &mut |row| {
        streams.push((text(row.first())?.to_owned(), counted(&row[1..])?));
        Ok(())
    })?;
    let streams: Streams = streams.into_iter().collect();
    Ok(streams.purged(purged(sql, plane)? > 0))
}
