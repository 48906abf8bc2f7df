//! The rows of apps, as their log knows them.

use std::sync::Arc;

use super::super::answer::text;
use super::super::columns::quote;
use super::super::intake::Pace;
use super::super::log::{self, LogTables, Sql, Tracked, key_lists};
use super::super::session::PgSession;
use super::apply::{APPLY, Change};
use super::known::{self, KnownTables};
use super::namespaces::{self, registry};
use super::table::{self, PgTable, StoredRow};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::Item;
use crate::protocol::log::Stream;
use crate::protocol::watermarks::Watermarks;
use crate::store::row::entry::Entry;
use crate::store::row::equal::is_greater_row;
use crate::store::row::operation::content;
use crate::store::{Json, Later, SHARED_NODE, Taken};

const OPERATION: &str = "read a row of an app";

const PURGE: &str = "purge rows of an app";

/// The tables of all apps in the registry of a schema.
#[derive(Debug, Clone)]
pub(in crate::store::postgres) struct RowTables {
    pub(super) schema: Arc<str>,
}

impl LogTables for RowTables {
    fn tracked<'s>(&'s self, session: &'s PgSession) -> Later<'s, Option<Vec<Tracked>>> {
        Box::pin(async move {
            let mut all = Vec::new();
            for namespace in namespaces::list(OPERATION, session, &self.schema).await? {
                for info in &namespace.tables {
                    let loaded = table::load(OPERATION, session, &namespace.app_id, info);
                    let Some(table) = loaded.await? else { continue };
                    match table.tracked {
                        Some(one) => all.push(one),
                        None => return Ok(None),
                    }
                }
            }
            Ok(Some(all))
        })
    }

    /// The registry, and which of its tables are there.
    fn which(&self) -> String {
        format!(
            "(SELECT md5(string_agg(concat_ws('|', r.app_id, r.tables_json::text, (
                SELECT string_agg(coalesce(to_regclass(format('%I.%I', 'app_' || replace(lower(r.app_id), '-', '_'),
                         t ->> 'name'))::oid::text, '-'), ',')
                  FROM json_array_elements(r.tables_json::text::json) AS t)), '|' ORDER BY r.app_id))
               FROM {} AS r)",
            registry(&self.schema)
        )
    }

    fn fetch<'s>(
        &'s self,
        session: &'s PgSession,
        stream: &'s Stream,
        keys: Vec<String>,
    ) -> Later<'s, Vec<(String, Item<Json>)>> {
        Box::pin(async move {
            let Some((table, tracked)) = find(session, &self.schema, stream).await? else {
                return Ok(Vec::new());
            };
            rows_of(session, (&table, &tracked), &keys).await
        })
    }

    fn newest_of<'s>(
        &'s self,
        session: &'s PgSession,
        stream: &'s Stream,
        nodes: Vec<NodeId>,
    ) -> Later<'s, Watermarks> {
        Box::pin(async move {
            let Some((table, _)) = find(session, &self.schema, stream).await? else {
                return Ok(Watermarks::default());
            };
            let by_time = &table.by_time;
            by_time.newest_of(PURGE, session, nodes.iter()).await
        })
    }

    fn take_in<'s>(
        &'s self,
        sql: Sql<'s>,
        items: &'s [Item<Json>],
        how: Pace,
    ) -> Later<'s, Vec<Taken>> {
        Box::pin(async move {
            let tables = KnownTables::logged(sql, &self.schema);
            known::take_in(sql.session, tables, (items, false), how).await
        })
    }
}

impl PgTable {
    /// Gives a row that is locked a new number in the log, so that every side hears of it again.
    pub(super) async fn renew(&self, sql: &Sql<'_>, row: &StoredRow) -> Result<()> {
        let Some(tracked) = &self.tracked else {
            return Ok(());
        };
        if sql.session.dialect().has_triggers() {
            return log::renew(sql, tracked, "r.ctid = $2::text::tid", &row.place).await;
        }
        let noted = sql.names.noted(&tracked.stream);
        noted
            .note(APPLY, sql.session, &[(row.place.clone(), None)])
            .await
    }
}

impl Change<'_> {
    /// Of two versions with one timestamp the greater one stands; whether that is the one that came, and was not stored.
    pub(super) async fn settle_equal(&self, log: &Sql<'_>, entry: &Entry<'_>) -> Result<bool> {
        let Some((row, key)) = entry.keyed(&self.table.info.pk_columns) else {
            return Ok(false);
        };
        let stored = self.matching(&key).await?;
        let [stored] = &stored[..] else {
            return Ok(false);
        };
        if self.table.time_of(stored).as_ref() != Some(self.hlc) {
            return Ok(false);
        }
        let content = content(row, self.updated_at);
        let came = self.table.reads_back(&content, self.hlc);
        let Some(is_greater) = is_greater_row(&came, &self.table.json(stored)) else {
            return Ok(false);
        };
        let named = self
            .table
            .named_by(|column| row.get(column).map(|json| json.get().to_owned()));
        tracing::warn!(row = named, time = %self.hlc, "{SHARED_NODE}");
        if is_greater {
            self.update(stored, content).await?;
        }
        for stands in self.matching(&key).await? {
            self.table.renew(log, &stands).await?;
        }
        Ok(is_greater)
    }
}

async fn find(
    session: &PgSession,
    schema: &str,
    stream: &Stream,
) -> Result<Option<(PgTable, Tracked)>> {
    let Stream::Rows(name) = stream else {
        return Ok(None);
    };
    let (Some(app), Some(name)) = (name.app.to_utf8(), name.name.to_utf8()) else {
        return Ok(None);
    };
    let namespace = namespaces::get(OPERATION, session, schema, &app).await?;
    let Some(info) = namespace.as_ref().and_then(|known| known.table(&name)) else {
        return Ok(None);
    };
    let table = table::load(OPERATION, session, &app, info).await?;
    Ok(table.and_then(|table| table.tracked.clone().map(|tracked| (table, tracked))))
}

/// The rows under keys, each with its key. Columns are compared as text: what is no value of theirs is then no fault.
async fn rows_of(
    session: &PgSession,
    (table, tracked): (&PgTable, &Tracked),
    keys: &[String],
) -> Result<Vec<(String, Item<Json>)>> {
    let columns = tracked.key.len();
    let names: Vec<String> = (0..columns).map(|at| format!("c{at}")).collect();
    let lists: Vec<String> = (1..=columns).map(|at| format!("${at}::text[]")).collect();
    let same = tracked.key.iter().zip(&names);
    let same: Vec<String> = same
        .map(|(column, name)| format!("t.{}::text = k.{name}", quote(column)))
        .collect();
    let query = format!(
        "SELECT {}, {} FROM {} AS t JOIN unnest({}) AS k ({}) ON {}",
        table.read,
        tracked.key_of("t."),
        table.name,
        lists.join(", "),
        names.join(", "),
        same.join(" AND ")
    );
    let found = session
        .query(OPERATION, &query, &key_lists(columns, keys))
        .await?;
    let mut items = Vec::with_capacity(found.len());
    for row in &found {
        let stored = table.read(OPERATION, row)?;
        let hlc = table.time_of(&stored).unwrap_or_else(Hlc::zero);
        let key = text(OPERATION, row, row.len() - 1)?;
        items.push((key, table.item(OPERATION, hlc, &stored)));
    }
    Ok(items)
}
