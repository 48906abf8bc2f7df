//! A look at a log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::digests;
use super::entries::{entries, unsent};
use super::history::LogStanding;
use super::lacking::lacking;
use super::log_tables::LogTables;
use super::notes::{elsewhere, waiting};
use super::sql::Sql;
use crate::engine::change_log::{Look, View};
use crate::error::Result;
use crate::protocol::item::Item;
use crate::protocol::log::{Key, Keyed, Stream, Streams};
use crate::protocol::text::Text;
use crate::store::Json;

/// The streams of a log as they were read last, and the name of what they held then.
#[derive(Debug, Default)]
pub struct KnownStreams(Mutex<Option<(String, Arc<Streams>)>>);

impl KnownStreams {
    /// What the streams hold, if nothing has changed since that was read.
    fn of(&self, state: &str) -> Option<Arc<Streams>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|(before, _)| before == state);
        known.map(|(_, streams)| Arc::clone(streams))
    }

    async fn read(&self, sql: &Sql<'_>, state: &str) -> Result<Arc<Streams>> {
        if let Some(streams) = self.of(state) {
            return Ok(streams);
        }
        let streams = Arc::new(digests::of_streams(sql).await?);
        let known = Some((state.to_owned(), Arc::clone(&streams)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(streams)
    }
}

/// What a look finds if nothing is new and nothing else is asked: how it stands with the log says it all.
pub fn quiet(standing: &LogStanding, known: &KnownStreams, look: &Look) -> Option<View<Json>> {
    let after = standing.after(look);
    let asks = !look.want.is_empty() || look.waiting_for.is_some() || look.lacking_at.is_some();
    if after < standing.head || asks {
        return None;
    }
    Some(view(standing, known.of(&standing.state)?, look))
}

/// Looks at a log that is settled, in a transaction that sees one moment.
pub async fn look<T: LogTables>(
    sql: &Sql<'_>,
    (standing, known): (&LogStanding, &KnownStreams),
    look: &Look,
    tables: &T,
) -> Result<View<Json>> {
    let streams = known.read(sql, &standing.state).await?;
    let mut view = view(standing, streams, look);
    let found = entries(sql, look, (view.after, view.head)).await?;
    view.more = found.more;
    view.upto = if found.more { found.upto } else { view.head };
    let keys = found.entries.iter().map(|(_, key)| key);
    let mut items = fetch(sql, tables, keys).await?;
    for (seq, key) in found.entries {
        let found = items.remove(&key).unwrap_or_default();
        let keyed = |item| {
            (
                seq,
                Keyed {
                    key: key.clone(),
                    item,
                },
            )
        };
        view.items.extend(found.into_iter().map(keyed));
    }
    let unsent = unsent(sql, look, view.after).await?;
    let wanted = unsent.as_ref().unwrap_or(&look.want);
    let items = fetch(sql, tables, wanted.iter()).await?;
    for key in wanted {
        let found = items.get(key).cloned().unwrap_or_default();
        let keyed = |item| Keyed {
            key: key.clone(),
            item,
        };
        view.wanted.extend(found.into_iter().map(keyed));
    }
    if let Some(peer) = &look.waiting_for {
        view.waiting = waiting(sql, peer).await?;
        view.elsewhere = elsewhere(sql, peer).await?;
    }
    view.lacking = lacking(sql, look, view.after).await?;
    Ok(view)
}

fn view(standing: &LogStanding, streams: Arc<Streams>, look: &Look) -> View<Json> {
    let mut history = standing.history.clone();
    history.0.truncate(look.history);
    View {
        id: standing.id.clone(),
        head: standing.head,
        history,
        others: standing.others.clone(),
        after: standing.after(look),
        items: Vec::new(),
        upto: standing.head,
        more: false,
        wanted: Vec::new(),
        waiting: Vec::new(),
        elsewhere: Vec::new(),
        streams,
        lacking: None,
    }
}

/// The items under these keys: mostly one each.
pub async fn fetch<T: LogTables>(
    sql: &Sql<'_>,
    tables: &T,
    keys: impl Iterator<Item = &Key>,
) -> Result<HashMap<Key, Vec<Item<Json>>>> {
    let mut of_streams: HashMap<&Stream, Vec<String>> = HashMap::new();
    for key in keys {
        // Text that is no Unicode, or has a NUL, is under no key here.
        if let Some(id) = key.id.to_utf8().filter(|id| !id.contains('\0')) {
            of_streams.entry(&key.stream).or_default().push(id);
        }
    }
    let mut all = HashMap::new();
    for (stream, ids) in of_streams {
        for (id, item) in tables.fetch(sql.session, stream, ids).await? {
            let (stream, id) = (stream.clone(), Text::from(id.as_str()));
            all.entry(Key { stream, id })
                .or_insert_with(Vec::new)
                .push(item);
        }
    }
    Ok(all)
}
