//! The tables of a page of entries, and applying one of them.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::Connection;

use super::super::delta::newest_of;
use super::apply::{APPLY, Change};
use super::namespaces;
use super::table::{self, AppTable};
use crate::error::Result;
use crate::protocol::item::{Item, ItemKind, Table};
use crate::store::Json;
use crate::store::late::LateCheck;
use crate::store::row::entry::{Entry, table_of};
use crate::store::row::namespaces::{names_of, not_there, registered};

/// The tables that a page is applied to, each looked at once.
#[derive(Default)]
pub(super) struct KnownTables(RefCell<HashMap<Table, AppTable>>);

impl KnownTables {
    /// Applies one entry within the caller's transaction; whether it changed anything.
    pub(super) fn apply(&self, connection: &Connection, item: &Item<Json>) -> Result<bool> {
        self.run(connection, item, false)
    }

    /// The same for an entry that a log sent: of two versions of a row with one timestamp the greater one stands.
    pub(super) fn settle(&self, connection: &Connection, item: &Item<Json>) -> Result<bool> {
        self.run(connection, item, true)
    }

    fn run(&self, connection: &Connection, item: &Item<Json>, settles: bool) -> Result<bool> {
        let applied = self.apply_entry(connection, item, settles);
        if applied.is_err() {
            // What it did to a table is undone with it.
            self.0.borrow_mut().clear();
        }
        applied
    }

    /// Applies an entry of the app's, and notes where it is late.
    pub(super) fn apply_own(
        &self,
        connection: &Connection,
        item: &Item<Json>,
        late: &mut LateCheck,
    ) -> Result<bool> {
        if let ItemKind::Row(table) = &item.kind {
            let known = find_table(connection, table)?;
            let node = &item.hlc.node_id;
            let newest = || newest_of(APPLY, connection, &known.by_time, node);
            late.look(&item.hlc, newest, || Ok(None))?;
            self.0.borrow_mut().insert(table.clone(), known);
        }
        self.apply(connection, item)
    }

    fn apply_entry(
        &self,
        connection: &Connection,
        item: &Item<Json>,
        settles: bool,
    ) -> Result<bool> {
        let table = table_of(item)?;
        let known = self.0.borrow_mut().remove(table);
        let known = match known {
            Some(known) => known,
            None => find_table(connection, table)?,
        };
        let entry = Entry::read(item, table)?;
        let updated_at = entry.updated_at()?;
        let step = entry.step(&known.info.pk_columns, &updated_at)?;
        let mut change = Change {
            connection,
            table: known,
            hlc: &item.hlc,
            updated_at: &updated_at,
            revives: step.revives(),
        };
        let changed = change.run(&step)? || (settles && change.settle_equal(&entry)?);
        self.0.borrow_mut().insert(table.clone(), change.table);
        Ok(changed)
    }
}

fn find_table(connection: &Connection, table: &Table) -> Result<AppTable> {
    let (app, name) = names_of(table)?;
    let namespace = namespaces::get(APPLY, connection, &app)?;
    let info = registered(namespace.as_ref(), (table, &name))?;
    let found = table::load(APPLY, connection, &app, info)?.ok_or_else(|| not_there(table))?;
    found.create_indexes(APPLY, connection)?;
    Ok(found)
}
