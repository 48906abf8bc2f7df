//! The rows of apps, each in a table of its app.
//!
//! - Which apps and tables there are is written in the file and read with every question: another process
//!   may add to it, or to the tables, at any time.
//! - What comes as a change is stored, and goes on, as the whole row that it makes ([`apply`]).
//! - A field goes out as it came in, whatever the columns can hold ([`table`]).
//! - Names come from apps: they are quoted, never pasted.

mod apply;
mod entry;
mod faults;
mod known;
mod layout;
mod logged;
mod namespaces;
mod table;

use std::future::ready;
use std::path::Path;

use self::apply::APPLY;
use self::entry::item;
use self::known::KnownTables;
use self::logged::RowTables;
use self::table::AppTable;
use super::database::Database;
use super::delta::{self, Wanted};
use super::fault::during;
use super::intake::{self, begin};
use super::logged::{Log, Logged};
use super::registry::Role;
use super::shared::Options;
use crate::engine::ports::Late;
use crate::error::Result;
use crate::protocol::delta::Ask;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::late::{LateCheck, LateStamps};
use crate::store::{AppRowStore, Holder, Json, Later, Namespace, Registration, Taken, blocking};
use rusqlite::Connection;

/// A store of app rows. All clones are one store.
#[derive(Debug, Clone)]
pub struct SqliteAppRows {
    database: Database,
    log: Log,
    late: LateStamps,
}

impl SqliteAppRows {
    /// Opens the file at `path`, which is created if it is missing; its folder is not. Shares it with the
    /// other stores of this package that have it open. Waits on the disk.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let set_up = |connection: &mut Connection| {
            namespaces::prepare(connection)?;
            Log::open(connection, &RowTables)
        };
        let (database, log) = Database::open(path, Role::AppRows, options, set_up)?;
        Ok(Self {
            database,
            log,
            late: LateStamps::default(),
        })
    }

    fn page(&self, table: &Table, wanted: Wanted) -> Later<'_, (Vec<Item<Json>>, bool)> {
        const OPERATION: &str = "find unseen rows of an app";
        let page = self.with_table(OPERATION, table, move |connection, table| {
            delta::page(
                OPERATION,
                connection,
                &table.by_time,
                &wanted,
                |hlc, _, row| Ok(item(OPERATION, table, hlc, &table.read(row)?)),
            )
        });
        Box::pin(async move { Ok(page.await?.unwrap_or_default()) })
    }

    /// Reads from a table, if it is registered and there.
    fn with_table<T: Send + 'static>(
        &self,
        operation: &'static str,
        table: &Table,
        work: impl FnOnce(&Connection, &AppTable) -> Result<T> + Send + 'static,
    ) -> Later<'_, Option<T>> {
        let (Some(app), Some(name)) = (table.app.to_utf8(), table.name.to_utf8()) else {
            return Box::pin(ready(Ok(None)));
        };
        Box::pin(self.database.read(operation, move |connection| {
            let namespace = namespaces::get(operation, connection, &app)?;
            let Some(info) = namespace.as_ref().and_then(|known| known.table(&name)) else {
                return Ok(None);
            };
            let table = table::load(operation, connection, &app, info)?;
            table.map(|table| work(connection, &table)).transpose()
        }))
    }
}

impl AppRowStore for SqliteAppRows {
    fn register(&self, app_id: &str, registration: Registration) -> Later<'_, ()> {
        const OPERATION: &str = "register an app";
        let (app_id, log) = (app_id.to_owned(), self.log.clone());
        Box::pin(self.database.write(OPERATION, move |connection| {
            let transaction = begin(OPERATION, connection)?;
            namespaces::register(OPERATION, &transaction, &app_id, &registration)?;
            log.put_in_place(&transaction, &RowTables)?;
            transaction.commit().map_err(during(OPERATION))
        }))
    }

    fn health_check(&self) -> Later<'_, bool> {
        Box::pin(self.database.is_sound("check the database"))
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(self.database.close())
    }

    fn held_by(&self) -> Option<Holder> {
        self.database.held_by()
    }

    fn namespaces(&self) -> Later<'_, Vec<Namespace>> {
        Box::pin(
            self.database
                .read(LIST, |connection| namespaces::list(LIST, connection)),
        )
    }

    fn namespaces_now(&self) -> Result<Vec<Namespace>> {
        let store = self.clone();
        blocking::wait(LIST, async move { store.namespaces().await })
    }

    fn namespace(&self, app_id: &Text) -> Later<'_, Option<Namespace>> {
        const OPERATION: &str = "look for an app";
        let Some(app_id) = app_id.to_utf8() else {
            return Box::pin(ready(Ok(None)));
        };
        Box::pin(self.database.read(OPERATION, move |connection| {
            namespaces::get(OPERATION, connection, &app_id)
        }))
    }

    fn node_watermarks(&self, table: &Table) -> Later<'_, Watermarks> {
        const OPERATION: &str = "read the watermarks of an app's rows";
        let marks = self.with_table(OPERATION, table, |connection, table| {
            delta::watermarks(OPERATION, connection, &table.by_time)
        });
        Box::pin(async move { Ok(marks.await?.unwrap_or_default()) })
    }

    fn newest_upto(&self, table: &Table, marks: Watermarks) -> Later<'_, Option<Watermarks>> {
        const OPERATION: &str = "read the watermarks of an app's rows";
        let found = self.with_table(OPERATION, table, move |connection, table| {
            delta::newest_upto(OPERATION, connection, &table.by_time, &marks)
        });
        Box::pin(async move { Ok(Some(found.await?.unwrap_or_default())) })
    }

    fn late(&self, known: u64) -> Late {
        self.late.since(known)
    }

    fn unseen(&self, table: &Table, ask: Ask) -> Later<'_, (Vec<Item<Json>>, bool)> {
        self.page(table, Wanted::Unseen(ask))
    }

    fn unorderable(&self, table: &Table, limit: usize) -> Later<'_, Vec<Item<Json>>> {
        const OPERATION: &str = "find rows of an app without a time";
        let found = self.with_table(OPERATION, table, move |connection, table| {
            delta::unorderable(OPERATION, connection, &table.by_time, limit, |_, row| {
                Ok(item(OPERATION, table, Hlc::zero(), &table.read(row)?))
            })
        });
        Box::pin(async move { Ok(found.await?.unwrap_or_default()) })
    }

    fn scan(&self, table: &Table, since: Hlc, limit: usize) -> Later<'_, (Vec<Item<Json>>, bool)> {
        self.page(table, Wanted::After(since, limit))
    }

    fn apply(&self, item: Item<Json>) -> Later<'_, ()> {
        let (stamps, log) = (self.late.clone(), self.log.clone());
        Box::pin(self.database.write(APPLY, move |connection| {
            let transaction = begin(APPLY, connection)?;
            log.stay_in_place(&transaction, &RowTables)?;
            let mut late = LateCheck::default();
            let applied = KnownTables::default().apply_own(&transaction, &item, &mut late)?;
            transaction.commit().map_err(during(APPLY))?;
            if applied {
                stamps.note(late.found);
            }
            Ok(())
        }))
    }

    fn take_in(&self, items: Vec<Item<Json>>, strict: bool) -> Later<'_, Vec<Taken>> {
        let log = self.log.clone();
        Box::pin(self.database.write(APPLY, move |connection| {
            let ready = |connection: &Connection| log.stay_in_place(connection, &RowTables);
            let tables = KnownTables::default();
            let one = |connection: &Connection, item: &Item<Json>| tables.apply(connection, item);
            let page = (&items[..], strict);
            intake::take_in(APPLY, connection, page, (ready, one, |_, _| Ok(())))
        }))
    }
}

const LIST: &str = "list the apps";

impl Logged for SqliteAppRows {
    type Tables = RowTables;

    fn parts(&self) -> (&Database, &RowTables, &Log) {
        (&self.database, &RowTables, &self.log)
    }
}
