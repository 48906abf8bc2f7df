//! What engines remember between rounds. The table is an interface: apps read and write it as well.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::database::Database;
use super::fault::during;
use super::registry::Role;
use super::shared::Options;
use crate::error::Result;
use crate::store::{Holder, Json, Later, StateStore};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS sync_state (
  key TEXT PRIMARY KEY,
  value_json TEXT NOT NULL,
  updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now'))
)";

/// A store of JSON values under keys. All clones are one store.
#[derive(Debug, Clone)]
pub struct SqliteState {
    database: Database,
}

impl SqliteState {
    /// Opens the file at `path`, which is created if it is missing; its folder is not. Shares it with
    /// the other stores of this package that have it open. Waits on the disk.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let set_up = |connection: &mut Connection| {
            connection
                .execute_batch(TABLE)
                .map_err(during("prepare the tables"))
        };
        let (database, ()) = Database::open(path, Role::State, options, set_up)?;
        Ok(Self { database })
    }

    /// Puts all of these values under their keys, or none.
    pub async fn set_all(&self, values: Vec<(String, Json)>) -> Result<()> {
        self.database
            .write(WRITE, move |connection| {
                write(connection, &values).map_err(during(WRITE))
            })
            .await
    }
}

impl StateStore for SqliteState {
    fn get(&self, key: &str) -> Later<'_, Option<Json>> {
        const OPERATION: &str = "read the sync state";
        let key = key.to_owned();
        Box::pin(self.database.read(OPERATION, move |connection| {
            let value: Option<String> = connection
                .prepare_cached("SELECT value_json FROM sync_state WHERE key = ?1")
                .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional())
                .map_err(during(OPERATION))?;
            Ok(value.map(Json::from))
        }))
    }

    fn set(&self, key: &str, value: Json) -> Later<'_, ()> {
        Box::pin(self.set_all(vec![(key.to_owned(), value)]))
    }

    fn held_by(&self) -> Option<Holder> {
        self.database.held_by()
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(self.database.close())
    }
}

const WRITE: &str = "write the sync state";

fn write(connection: &mut Connection, values: &[(String, Json)]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO sync_state (key, value_json) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET
               value_json = excluded.value_json, updated_at = strftime('%s','now')",
        )?;
        for (key, value) in values {
            statement.execute([key.as_str(), value])?;
        }
    }
    transaction.commit()
}
