//! Entering versions into a log beside the rows that they are of, by the one who writes both: nothing is noted, and
//! nothing is read again.

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::entries::{Origin, counted_of, head, set_counted, set_head};
use super::schema::stream_id;
use super::sql::{OPERATION, Plane, altered, hash_of, integer, stored_hash};
use crate::error::Result;
use crate::protocol::log::{Digests, entry_hash};
use crate::store::sqlite::fault::during;

/// As long as this lives, a connection fires no triggers.
pub struct WithoutTriggers<'c>(&'c Connection);

impl<'c> WithoutTriggers<'c> {
    /// None from now on.
    pub fn on(connection: &'c Connection) -> Result<Self> {
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
            .map_err(during(OPERATION))?;
        Ok(Self(connection))
    }
}

impl Drop for WithoutTriggers<'_> {
    fn drop(&mut self) {
        let fires = self
            .0
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true);
        if !matches!(fires, Ok(true)) {
            tracing::error!("the triggers of a change log stay off until its file is opened again");
        }
    }
}

/// Enters versions of one stream within the caller's transaction, in a log that is up to date.
///
/// What goes wrong is told at the end, and the transaction must be given up then: a row without its entry may not stay.
pub struct Entering<'c> {
    connection: &'c Connection,
    plane: Plane,
    stream: (u64, &'static str),
    origin: Option<Origin>,
    insert: CachedStatement<'c>,
    remove: CachedStatement<'c>,
    last: u64,
    counted: Digests,
    entered: Result<bool>,
}

impl<'c> Entering<'c> {
    /// Of the stream of this name. Versions come from `origin`.
    pub fn begin(
        connection: &'c Connection,
        plane: Plane,
        stream: &'static str,
        origin: Option<Origin>,
    ) -> Result<Self> {
        let id = stream_id(connection, plane, stream)?.ok_or_else(altered)?;
        let prepare = |sql: &str| {
            let statement = connection.prepare_cached(&plane.sql(sql));
            statement.map_err(during(OPERATION))
        };
        Ok(Self {
            insert: prepare(
                "INSERT INTO @ (seq, stream, key, hash, origin, origin_seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO NOTHING",
            )?,
            remove: prepare("DELETE FROM @ WHERE stream = ?1 AND key = ?2 RETURNING hash")?,
            last: head(connection, plane)?,
            counted: counted_of(connection, plane, id)?,
            stream: (id, stream),
            entered: Ok(false),
            connection,
            plane,
            origin,
        })
    }

    /// Enters the version of an item that is stored now and came from the origin.
    pub fn came(&mut self, key: &str, version: (&str, bool)) {
        self.enter(key, version, self.origin);
    }

    /// Gives an item a new number, as if it had been written here.
    pub fn renew(&mut self, key: &str, version: (&str, bool)) {
        self.enter(key, version, None);
    }

    fn enter(&mut self, key: &str, version: (&str, bool), origin: Option<Origin>) {
        if self.entered.is_ok() {
            let entered = self.try_to_enter(key, version, origin);
            self.entered = entered.map(|()| true);
        }
    }

    /// Enters the version that was written at a time, and is a tombstone or not.
    fn try_to_enter(
        &mut self,
        key: &str,
        (time, is_deleted): (&str, bool),
        origin: Option<Origin>,
    ) -> Result<()> {
        let hash = entry_hash(self.stream.1, key, time);
        let stored = stored_hash(hash, is_deleted);
        if !self.insert(key, stored, origin)? {
            let gone = self.remove(key)?;
            self.counted = self.counted.without(gone);
            if !self.insert(key, stored, origin)? {
                return Err(altered());
            }
        }
        self.last += 1;
        self.counted.add(hash, is_deleted);
        Ok(())
    }

    /// Whether there was no entry of the item.
    fn insert(&mut self, key: &str, hash: i64, origin: Option<Origin>) -> Result<bool> {
        let (log, seq) = match origin {
            Some((log, seq)) => (integer(log), integer(seq)),
            None => (Value::Null, Value::Null),
        };
        let number = integer(self.last + 1);
        let entry = params![number, integer(self.stream.0), key, hash, log, seq];
        let inserted = self.insert.execute(entry).map_err(during(OPERATION))?;
        Ok(inserted > 0)
    }

    /// Removes the entry of an item. Returns what it counted for.
    fn remove(&mut self, key: &str) -> Result<Digests> {
        let entry = params![integer(self.stream.0), key];
        let hash = self.remove.query_row(entry, |row| row.get::<_, i64>(0));
        let hash = hash.optional().map_err(during(OPERATION))?;
        let mut gone = Digests::default();
        if let Some(stored) = hash {
            let (hash, is_deleted) = hash_of(stored)?;
            gone.add(hash, is_deleted);
        }
        Ok(gone)
    }

    /// Says what the log holds now.
    pub fn end(self) -> Result<()> {
        if self.entered? {
            set_head(self.connection, self.plane, self.last)?;
            set_counted(self.connection, self.plane, self.stream.0, self.counted)?;
        }
        Ok(())
    }
}
