//! The tables of a page of entries, and taking it in.

use std::collections::{HashMap, HashSet};

use super::super::fault::is_of_one_row;
use super::super::intake::Pace;
use super::super::log::Sql;
use super::super::noted::{Noted, Plane};
use super::super::parts::is_there_already;
use super::super::session::PgSession;
use super::apply::{APPLY, Change, refuse};
use super::namespaces;
use super::table::{self, PgTable};
use crate::error::Result;
use crate::protocol::hlc::NodeId;
use crate::protocol::item::{Item, Table};
use crate::store::row::entry::{Entry, table_of};
use crate::store::row::namespaces::{names_of, not_there, registered};
use crate::store::{Json, Taken};

/// The tables that a page is applied to, each looked at once.
pub(super) struct KnownTables<'s> {
    session: &'s PgSession,
    schema: &'s str,
    known: HashMap<Table, PgTable>,
    /// The log in which items with one timestamp and different content are noted, where there is one.
    log: Option<Sql<'s>>,
}

impl<'s> KnownTables<'s> {
    pub(super) fn new(session: &'s PgSession, schema: &'s str) -> Self {
        Self {
            session,
            schema,
            known: HashMap::new(),
            log: None,
        }
    }

    /// Of two versions with one timestamp the greater one stands, and the log says so.
    pub(super) fn logged(log: Sql<'s>, schema: &'s str) -> Self {
        Self {
            log: Some(log),
            ..Self::new(log.session, schema)
        }
    }

    /// The table of an item.
    pub(super) async fn of(&mut self, item: &Item<Json>) -> Result<&PgTable> {
        let table = table_of(item)?;
        if !self.known.contains_key(table) {
            let found = find_table(self.session, self.schema, table).await?;
            self.known.insert(table.clone(), found);
        }
        let found = self.known.get(table);
        found.ok_or_else(|| refuse("the table is not known"))
    }

    /// Applies one entry within the caller's transaction; whether it changed anything. Two processes may insert one row: the
    /// second finds it there when it looks again.
    pub(super) async fn apply(&mut self, item: &Item<Json>) -> Result<bool> {
        let (session, schema, log) = (self.session, self.schema, self.log);
        let known = self.of(item).await?;
        let table = table_of(item)?;
        if item.hlc.wall_time >= 1 << 48 || item.hlc.counter >= 1 << 16 {
            return Err(refuse(&format!(
                "its timestamp must have at most 12 digits of time and 4 of its counter in hexadecimal, got {}: text has \
                 another order then",
                item.hlc
            )));
        }
        let entry = Entry::read(item, table)?;
        let updated_at = entry.updated_at()?;
        let step = entry.step(&known.info.pk_columns, &updated_at)?;
        let change = Change {
            session,
            table: known,
            noted: noted(session, schema, known),
            hlc: &item.hlc,
            updated_at: &updated_at,
            revives: step.revives(),
        };
        let is_changed = change.run(&step).await?;
        match log {
            Some(log) if !is_changed => change.settle_equal(&log, &entry).await,
            _ => Ok(is_changed),
        }
    }
}

/// Applies entries within the caller's transaction. At once, one that is refused fails all of them.
pub(super) async fn take_in(
    session: &PgSession,
    mut tables: KnownTables<'_>,
    (items, strict): (&[Item<Json>], bool),
    way: Pace,
) -> Result<Vec<Taken>> {
    let mut stopped: HashSet<&NodeId> = HashSet::new();
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        if strict && stopped.contains(&item.hlc.node_id) {
            outcomes.push(Taken::Behind);
            continue;
        }
        if way == Pace::AtOnce {
            let stored = tables.apply(item).await?;
            outcomes.push(if stored { Taken::Applied } else { Taken::Stale });
            continue;
        }
        outcomes.push(match one(session, &mut tables, item).await {
            Ok(true) => Taken::Applied,
            Ok(false) => Taken::Stale,
            Err(error) if is_of_one_row(&error) && !session.is_lost() => {
                stopped.insert(&item.hlc.node_id);
                Taken::Failed(error)
            }
            Err(error) => return Err(error),
        });
    }
    Ok(outcomes)
}

/// Applies one; what it wrote before it failed is undone. A row that is there after all is looked at once more.
async fn one(session: &PgSession, tables: &mut KnownTables<'_>, item: &Item<Json>) -> Result<bool> {
    let mut again = true;
    loop {
        session.batch(APPLY, "SAVEPOINT item").await?;
        let applied = tables.apply(item).await;
        match &applied {
            Ok(_) => session.batch(APPLY, "RELEASE SAVEPOINT item").await?,
            Err(error) if is_of_one_row(error) && !session.is_lost() => {
                let undo = "ROLLBACK TO SAVEPOINT item; RELEASE SAVEPOINT item";
                session.batch(APPLY, undo).await?;
                if again && is_there_already(error) {
                    again = false;
                    continue;
                }
            }
            Err(_) => {}
        }
        return applied;
    }
}

async fn find_table(session: &PgSession, schema: &str, table: &Table) -> Result<PgTable> {
    let (app, name) = names_of(table)?;
    let namespace = namespaces::get(APPLY, session, schema, &app).await?;
    let info = registered(namespace.as_ref(), (table, &name))?;
    let found = table::load(APPLY, session, &app, info).await?;
    found.ok_or_else(|| not_there(table))
}

/// Where the versions of a table are noted, where they have to be.
fn noted(session: &PgSession, schema: &str, table: &PgTable) -> Option<Noted> {
    let tracked = table.tracked.as_ref();
    let tracked = tracked.filter(|_| !session.dialect().has_triggers())?;
    Some(Noted::of(Plane::Rows, schema, tracked.stream.clone()))
}
