//! The shared records of a file.

use std::collections::HashMap;
use std::future::ready;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::database::Database;
use super::delta::Wanted;
use super::fault::during;
use super::intake::{self, begin};
use super::known_marks::KnownMarks;
use super::late::{delete_own, put_own};
use super::logged::{Log, Logged};
use super::logged_records::{Met, RecordTables, TAKE_IN, take_in_one};
use super::malformed::stand_in;
use super::record::encode;
use super::registry::Role;
use super::rows::Intake;
use super::schema::Shape;
use super::shared::Options;
use super::transaction::SqliteTransaction;
use super::{delta, metadata, query as sql, rows};
use crate::engine::ports::Late;
use crate::error::Result;
use crate::protocol::delta::Ask;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::late::{LateCheck, LateStamps};
use crate::store::query::{self, Query, QueryResult};
use crate::store::{Holder, Json, Later, Operation, RecordStore, RecordTransaction, Taken};

/// A store of shared records. All clones are one store.
#[derive(Debug, Clone)]
pub struct SqliteRecords {
    database: Database,
    tables: RecordTables,
    log: Log,
    late: LateStamps,
    marks: KnownMarks,
}

impl SqliteRecords {
    /// Opens the file at `path`, which is created if it is missing; its folder is not. Waits on the disk.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let set_up = |connection: &mut Connection| {
            let tables = RecordTables::prepare(connection)?;
            let log = Log::open(connection, &tables)?;
            Ok((tables, log))
        };
        let (database, (tables, log)) = Database::open(path, Role::Records, options, set_up)?;
        Ok(Self {
            database,
            tables,
            log,
            late: LateStamps::default(),
            marks: KnownMarks::default(),
        })
    }

    async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Shape) -> Result<T> + Send + 'static,
    {
        let shape = Arc::clone(&self.tables.shape);
        self.database
            .read(operation, move |connection| work(connection, &shape))
            .await
    }

    /// Writes what the app asks for in one transaction. What of it is late is noted once it lasts.
    fn write(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection, &Shape, &mut LateCheck) -> Result<()> + Send + 'static,
    ) -> Later<'_, ()> {
        let (tables, log, stamps) = (self.tables.clone(), self.log.clone(), self.late.clone());
        Box::pin(self.database.write(operation, move |connection| {
            let transaction = begin(operation, connection)?;
            log.stay_in_place(&transaction, &tables)?;
            let mut late = LateCheck::default();
            work(&transaction, &tables.shape, &mut late)?;
            transaction.commit().map_err(during(operation))?;
            stamps.note(late.found);
            Ok(())
        }))
    }
}

impl RecordStore for SqliteRecords {
    fn init(&self) -> Later<'_, ()> {
        Box::pin(ready(self.database.check_open("make the database ready")))
    }

    fn health_check(&self) -> Later<'_, bool> {
        Box::pin(self.database.is_sound("check the database"))
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(self.database.close())
    }

    fn put(&self, record: Json) -> Later<'_, ()> {
        const OPERATION: &str = "put a record";
        self.write(OPERATION, move |connection, shape, late| {
            let record = encode(OPERATION, shape, &record)?;
            put_own(OPERATION, (connection, shape), &record, late)
        })
    }

    fn get(&self, id: &str) -> Later<'_, Option<Json>> {
        const OPERATION: &str = "get a record";
        let id = id.to_owned();
        Box::pin(self.read(OPERATION, move |connection, shape| {
            rows::get(OPERATION, connection, shape, &id)
        }))
    }

    fn stored(&self, id: &Text) -> Later<'_, Option<Hlc>> {
        const OPERATION: &str = "look for a record";
        let Some(id) = id.to_utf8() else {
            return Box::pin(ready(Ok(None)));
        };
        Box::pin(self.read(OPERATION, move |connection, _| {
            rows::stored_time(OPERATION, connection, &id)
        }))
    }

    fn delete(&self, id: &str, hlc: Hlc) -> Later<'_, ()> {
        const OPERATION: &str = "delete a record";
        let id = id.to_owned();
        self.write(OPERATION, move |connection, shape, late| {
            delete_own(OPERATION, (connection, shape), (&id, &hlc), late)
        })
    }

    fn query(&self, query: Query) -> Later<'_, QueryResult> {
        Box::pin(self.read(query::OPERATION, move |connection, shape| {
            sql::run(connection, shape, &query)
        }))
    }

    fn batch(&self, operations: Vec<Operation>) -> Later<'_, ()> {
        const OPERATION: &str = "run a batch";
        self.write(OPERATION, move |connection, shape, late| {
            for operation in operations {
                match operation {
                    Operation::Put(record) => {
                        let record = encode(OPERATION, shape, &record)?;
                        put_own(OPERATION, (connection, shape), &record, late)?;
                    }
                    Operation::Delete { id, hlc } => {
                        delete_own(OPERATION, (connection, shape), (&id, &hlc), late)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn transaction(&self) -> Later<'_, Arc<dyn RecordTransaction>> {
        Box::pin(async move {
            let turn = self.database.turn("begin a transaction").await?;
            let (tables, log) = (self.tables.clone(), self.log.clone());
            let shape = Arc::clone(&tables.shape);
            let ready = move |connection: &Connection| log.stay_in_place(connection, &tables);
            let begun = SqliteTransaction::begin(turn, shape, self.late.clone(), ready).await?;
            Ok(Arc::new(begun) as Arc<dyn RecordTransaction>)
        })
    }

    fn held_by(&self) -> Option<Holder> {
        self.database.held_by()
    }

    fn put_metadata(&self, type_id: &str, record_id: &str, row: Json) -> Later<'_, ()> {
        let (type_id, record_id) = (type_id.to_owned(), record_id.to_owned());
        Box::pin(self.database.write("put metadata", move |connection| {
            metadata::put(connection, &type_id, &record_id, &row)
        }))
    }

    fn get_metadata(&self, type_id: &str, record_id: &str) -> Later<'_, Option<Json>> {
        let found = self.get_metadata_by_ids(type_id, vec![record_id.to_owned()]);
        Box::pin(async move { Ok(found.await?.into_values().next()) })
    }

    fn get_metadata_by_ids(
        &self,
        type_id: &str,
        record_ids: Vec<String>,
    ) -> Later<'_, HashMap<String, Json>> {
        let type_id = type_id.to_owned();
        Box::pin(self.database.read("get metadata", move |connection| {
            metadata::get(connection, &type_id, record_ids)
        }))
    }

    fn delete_metadata(&self, type_id: &str, record_id: &str) -> Later<'_, ()> {
        let (type_id, record_id) = (type_id.to_owned(), record_id.to_owned());
        Box::pin(self.database.write("delete metadata", move |connection| {
            metadata::delete(connection, &type_id, &record_id)
        }))
    }

    fn node_watermarks(&self) -> Later<'_, Watermarks> {
        const OPERATION: &str = "read the watermarks of the records";
        Box::pin(async move {
            let fresh = self.database.freshness();
            if let Some(marks) = fresh.and_then(|fresh| self.marks.at(fresh)) {
                return Ok(marks);
            }
            let read = self.read(OPERATION, |connection, shape| {
                delta::watermarks(OPERATION, connection, &shape.sql.by_time)
            });
            let marks = read.await?;
            self.marks.learn(fresh, &marks);
            Ok(marks)
        })
    }

    fn newest_upto(&self, marks: Watermarks) -> Later<'_, Option<Watermarks>> {
        const OPERATION: &str = "read the watermarks of the records";
        Box::pin(self.read(OPERATION, move |connection, shape| {
            delta::newest_upto(OPERATION, connection, &shape.sql.by_time, &marks).map(Some)
        }))
    }

    fn late(&self, known: u64) -> Late {
        self.late.since(known)
    }

    fn unseen(&self, ask: Ask) -> Later<'_, (Vec<Item<Json>>, bool)> {
        const OPERATION: &str = "find unseen records";
        Box::pin(self.read(OPERATION, move |connection, shape| {
            let wanted = Wanted::Unseen(ask);
            delta::page(
                OPERATION,
                connection,
                &shape.sql.by_time,
                &wanted,
                |hlc, key, row| {
                    Ok(rows::read(shape, row)?.item(OPERATION, shape, hlc, || stand_in(key)))
                },
            )
        }))
    }

    fn unorderable(&self, limit: usize) -> Later<'_, Vec<Item<Json>>> {
        const OPERATION: &str = "find records without a time";
        Box::pin(self.read(OPERATION, move |connection, shape| {
            let by_time = &shape.sql.by_time;
            delta::unorderable(OPERATION, connection, by_time, limit, |key, row| {
                Ok(rows::read(shape, row)?.item(OPERATION, shape, Hlc::zero(), || stand_in(key)))
            })
        }))
    }

    fn take_in(&self, items: Vec<Item<Json>>, strict: bool) -> Later<'_, Vec<Taken>> {
        let (tables, log) = (self.tables.clone(), self.log.clone());
        Box::pin(self.database.write(TAKE_IN, move |connection| {
            let ready = |connection: &Connection| log.stay_in_place(connection, &tables);
            let one = |connection: &Connection, item: &Item<Json>| {
                let mut rows = Intake::prepare(TAKE_IN, connection, &tables.shape)?;
                Ok(matches!(take_in_one(&mut rows, item)?, Met::Older(..)))
            };
            let page = (&items[..], strict);
            intake::take_in(TAKE_IN, connection, page, (ready, one, |_, _| Ok(())))
        }))
    }
}

impl Logged for SqliteRecords {
    type Tables = RecordTables;

    fn parts(&self) -> (&Database, &RecordTables, &Log) {
        (&self.database, &self.tables, &self.log)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::ErrorKind;
    use crate::protocol::item::ItemKind;

    fn item(id: &str, wall_time: u64, note: &str) -> Item<Json> {
        let hlc = Hlc::new(wall_time, 0, Text::from("n"));
        let (time, kind) = (serde_json::json!(hlc), ItemKind::Record(Text::from(id)));
        let body = serde_json::json!({
            "id": id, "type": "t", "createdAt": time, "updatedAt": time, "note": note,
        });
        Item {
            hlc,
            kind,
            blob: None,
            body: body.to_string().into(),
            fault: None,
        }
    }

    #[tokio::test]
    async fn a_page_that_the_disk_has_no_room_for_is_not_taken_in_at_all() {
        let folder = tempfile::TempDir::new().unwrap();
        let records = SqliteRecords::open(&folder.path().join("r.db"), Options::default()).unwrap();
        let limit = |pages: u32| {
            records.database.write("limit", move |connection| {
                connection
                    .query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(()))
                    .map_err(during("limit"))
            })
        };
        limit(30).await.unwrap();
        let page = || vec![item("small", 1, ""), item("big", 2, &"x".repeat(500_000))];
        let error = records.take_in(page(), false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(records.node_watermarks().await.unwrap().is_empty());
        limit(100_000).await.unwrap();
        assert!(matches!(
            records.take_in(page(), false).await.unwrap()[..],
            [Taken::Applied, Taken::Applied]
        ));
    }
}
