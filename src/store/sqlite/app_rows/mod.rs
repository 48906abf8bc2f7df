//! The rows of apps, each in a table of its app.
//!
//! - Which apps and tables there are is written in the file and read with every question: another process
//!   may add to it, or to the tables, at any time.
//! - What comes as a change is stored, and goes on, as the whole row that it makes ([`apply`]).
//! - A field goes out as it came in, whatever the columns can hold ([`table`], [`cell`]).
//! - Names come from apps: they are quoted, never pasted.

mod apply;
mod cell;
mod declared;
mod faults;
mod layout;
mod namespaces;
mod table;

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use self::apply::{APPLY, Tables};
pub use self::declared::{Namespace, Registration, TableInfo, TableSpec};
use self::table::{AppTable, StoredRow};
use super::database::{Database, Options};
use super::delta::{self, Wanted};
use super::intake::{self, Taken};
use super::record::Fields;
use super::registry::Role;
use super::turn::Holder;
use crate::error::Result;
use crate::protocol::delta::Ask;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{FILE_RECORDS_TABLE, Item, ItemKind, Said, Table, row_blob};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::protocol::wire::size_in_json;
use crate::store::{Json, blocking};

/// A store of app rows. All clones are one store.
#[derive(Debug, Clone)]
pub struct SqliteAppRows {
    database: Database,
}

impl SqliteAppRows {
    /// Opens the file at `path`, which is created if it is missing; its folder is not. Shares it with the
    /// other stores of this package that have it open. Waits on the disk.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let (database, ()) = Database::open(path, Role::AppRows, options, namespaces::prepare)?;
        Ok(Self { database })
    }

    /// Registers an app and creates what is missing of its tables. What is there stays as it is: tables and
    /// columns are only added.
    pub async fn register(&self, app_id: &str, registration: Registration) -> Result<()> {
        const OPERATION: &str = "register an app";
        let app_id = app_id.to_owned();
        self.database
            .write(OPERATION, move |connection| {
                namespaces::register(OPERATION, connection, &app_id, &registration)
            })
            .await
    }

    /// The apps that are registered.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>> {
        const OPERATION: &str = "list the apps";
        self.database
            .read(OPERATION, |connection| {
                namespaces::list(OPERATION, connection)
            })
            .await
    }

    /// [`Self::namespaces`], waited for on this thread.
    pub fn namespaces_now(&self) -> Result<Vec<Namespace>> {
        let store = self.clone();
        blocking::wait("list the apps", async move { store.namespaces().await })
    }

    /// The app with this id, if it is registered.
    pub async fn namespace(&self, app_id: &Text) -> Result<Option<Namespace>> {
        const OPERATION: &str = "look for an app";
        let Some(app_id) = app_id.to_utf8() else {
            return Ok(None);
        };
        self.database
            .read(OPERATION, move |connection| {
                namespaces::get(OPERATION, connection, &app_id)
            })
            .await
    }

    /// Every table of every app.
    pub async fn tables(&self) -> Result<Vec<Table>> {
        let namespaces = self.namespaces().await?;
        let tables = namespaces.iter().flat_map(|namespace| {
            let app = Text::from(namespace.app_id.as_str());
            namespace.tables.iter().map(move |info| Table {
                app: app.clone(),
                name: Text::from(info.name.as_str()),
            })
        });
        Ok(tables.collect())
    }

    /// Per node the greatest timestamp of all rows of a table, deleted ones too. A table that is not there
    /// has none.
    pub async fn node_watermarks(&self, table: &Table) -> Result<Watermarks> {
        const OPERATION: &str = "read the watermarks of an app's rows";
        let marks = self.with_table(OPERATION, table, |connection, table| {
            delta::watermarks(OPERATION, connection, &table.by_time)
        });
        Ok(marks.await?.unwrap_or_default())
    }

    /// The smallest timestamps that `ask` wants of a table, in order, and whether any were left out.
    pub async fn unseen(&self, table: &Table, ask: Ask) -> Result<(Vec<Item<Json>>, bool)> {
        self.page(table, Wanted::Unseen(ask)).await
    }

    /// At most `limit` rows of a table whose `updated_at` is no timestamp. They have no place in the order, are
    /// never exchanged, and each has a fault that says so.
    pub async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Json>>> {
        const OPERATION: &str = "find rows of an app without a time";
        let found = self.with_table(OPERATION, table, move |connection, table| {
            delta::unorderable(OPERATION, connection, &table.by_time, limit, |_, row| {
                Ok(item(OPERATION, table, Hlc::zero(), &table.read(row)?))
            })
        });
        Ok(found.await?.unwrap_or_default())
    }

    /// The rows of a table after `since`, in the order of timestamps, at most `limit` of them, and whether
    /// there are more. Rows with one timestamp are not parted.
    pub async fn scan(
        &self,
        table: &Table,
        since: Hlc,
        limit: usize,
    ) -> Result<(Vec<Item<Json>>, bool)> {
        self.page(table, Wanted::After(since, limit)).await
    }

    /// Applies entries that come in the order of timestamps, last writer wins, in one transaction. Says of
    /// each what became of it. An error means that nothing of it is stored.
    pub async fn take_in(&self, items: Vec<Item<Json>>, strict: bool) -> Result<Vec<Taken>> {
        self.database
            .write(APPLY, move |connection| {
                let tables = Tables::default();
                intake::take_in(APPLY, connection, &items, strict, |connection, item| {
                    tables.apply(connection, item)
                })
            })
            .await
    }

    /// Applies one entry. An older one than what is stored changes nothing.
    pub async fn apply(&self, item: Item<Json>) -> Result<()> {
        for taken in self.take_in(vec![item], false).await? {
            if let Taken::Failed(error) = taken {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether the file is where it was opened and sound, as far as that is quickly seen.
    pub async fn health_check(&self) -> Result<bool> {
        self.database.is_sound("check the database").await
    }

    /// The transaction of an app's that has the writer's turn of the file now.
    pub fn held_by(&self) -> Option<Holder> {
        self.database.held_by()
    }

    /// Waits for what is running, then closes the store for good. Closing again does nothing.
    pub async fn close(&self) -> Result<()> {
        self.database.close().await
    }

    async fn page(&self, table: &Table, wanted: Wanted) -> Result<(Vec<Item<Json>>, bool)> {
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
        Ok(page.await?.unwrap_or_default())
    }

    /// Reads from a table, if it is registered and there.
    async fn with_table<T: Send + 'static>(
        &self,
        operation: &'static str,
        table: &Table,
        work: impl FnOnce(&Connection, &AppTable) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let (Some(app), Some(name)) = (table.app.to_utf8(), table.name.to_utf8()) else {
            return Ok(None);
        };
        self.database
            .read(operation, move |connection| {
                let namespace = namespaces::get(operation, connection, &app)?;
                let Some(info) = namespace.as_ref().and_then(|known| known.table(&name)) else {
                    return Ok(None);
                };
                let table = table::load(operation, connection, &app, info)?;
                table.map(|table| work(connection, &table)).transpose()
            })
            .await
    }
}

/// A stored row as an entry: a live one is an insert, a deleted one a delete, each with the whole row. One
/// that cannot be exchanged as it stands has a fault.
fn item(operation: &'static str, table: &AppTable, hlc: Hlc, row: &StoredRow) -> Item<Json> {
    let fault = table.fault_of(operation, row);
    let json = table.decode(row);
    let deleted = table.is_deleted(row);
    let op = if deleted { "delete" } else { "insert" };
    let body = format!(
        "{{\"timestamp\":{},\"appId\":{},\"table\":{},\"op\":\"{op}\",\"row\":{json}}}",
        json!(hlc),
        json!(table.app_id),
        json!(table.info.name),
    );
    let name = Table {
        app: Text::from(table.app_id.as_str()),
        name: Text::from(table.info.name.as_str()),
    };
    let mut blob = None;
    if table.info.name == FILE_RECORDS_TABLE && fault.is_none() {
        let fields: Fields<'_> = serde_json::from_str(&json).unwrap_or_default();
        let text = |field| serde_json::from_str::<Text>(fields.get(field)?.get()).ok();
        let said = Said {
            key: text("object_storage_key"),
            mime_type: text("mime_type"),
            content_hash: text("content_hash"),
            size: fields.get("size_bytes").copied().and_then(size_in_json),
        };
        blob = row_blob(&name, said, deleted);
    }
    Item {
        hlc,
        kind: ItemKind::Row(name),
        blob,
        body: body.into(),
        fault,
    }
}
