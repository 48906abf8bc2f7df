//! The shared records of a database.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::database::{Database, Within, is_sound};
use super::intake::{self, Pace, TAKE_IN};
use super::late::{delete_own, put_own};
use super::line::WriteLine;
use super::logged::{self, HasLog, Log, keeps_log};
use super::logged_records::RecordTables;
use super::noted::Plane;
use super::options::{PasswordSource, PostgresOptions};
use super::parts::take_page;
use super::rows::{self, ToWrite};
use super::schema::{self, Shape};
use super::session::PgSession;
use super::tls::TlsClients;
use super::transaction::PostgresTransaction;
use super::{metadata, query as sql};
use crate::engine::ports::Late;
use crate::error::Result;
use crate::protocol::delta::Ask;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::gate::Pass;
use crate::store::late::{LateCheck, LateStamps};
use crate::store::query::{self, Query, QueryResult};
use crate::store::{Holder, Json, Later, Operation, RecordStore, RecordTransaction, Taken};

/// A store of shared records. All clones are one store.
#[derive(Debug, Clone)]
pub struct PostgresRecords {
    database: Database,
    schema: Arc<str>,
    shape: Arc<OnceCell<Arc<Shape>>>,
    line: WriteLine,
    late: LateStamps,
    tables: RecordTables,
    log: Log,
}

/// What an app's own writes do.
type Writing<'s> = (&'s PgSession, &'s Shape, &'s mut LateCheck);

impl PostgresRecords {
    /// The records in the schema of the options. Nothing is sent before the first call, which creates the tables if
    /// they are not there.
    pub fn open(
        options: &PostgresOptions,
        password: PasswordSource,
        tls: Arc<dyn TlsClients>,
    ) -> Result<Self> {
        let schema: Arc<str> = options.schema.as_str().into();
        let shape = Arc::default();
        Ok(Self {
            database: Database::open(options, password, tls)?,
            tables: RecordTables::new(Arc::clone(&schema), Arc::clone(&shape)),
            log: Log::of(Plane::Records, &schema),
            line: WriteLine::new(),
            late: LateStamps::default(),
            schema,
            shape,
        })
    }

    /// The table as it is, which is looked at once.
    fn shape(&self, inside: &Arc<Pass>) -> impl Future<Output = Result<Arc<Shape>>> + Send + use<> {
        let inside = Arc::clone(inside);
        let (shape, database) = (Arc::clone(&self.shape), self.database.clone());
        let schema = Arc::clone(&self.schema);
        async move {
            let prepare = || async {
                let prepared = database.run(
                    schema::OPERATION,
                    (&inside, Within::Preparing),
                    move |session| {
                        let schema = Arc::clone(&schema);
                        Box::pin(async move { Shape::prepare(session, &schema).await })
                    },
                );
                prepared.await.map(Arc::new)
            };
            shape.get_or_try_init(prepare).await.cloned()
        }
    }

    /// Runs `work` on the table, and once more where a fault may pass.
    fn run<T, W>(&self, operation: &'static str, within: Within, work: W) -> Later<'static, T>
    where
        T: Send + 'static,
        W: for<'s> Fn(&'s PgSession, &'s Shape) -> BoxFuture<'s, Result<T>> + Send + Sync + 'static,
    {
        let store = self.clone();
        let ready = move |inside| async move { store.shape(&inside).await };
        self.database.run_on(operation, within, ready, work)
    }

    /// Writes what the app asks for, in its turn. What of it is late is noted once it lasts.
    fn write<W>(&self, operation: &'static str, within: Within, work: W) -> Later<'static, ()>
    where
        W: for<'s> Fn(Writing<'s>) -> BoxFuture<'s, Result<()>> + Send + Sync + 'static,
    {
        let (line, stamps) = (self.line.clone(), self.late.clone());
        let work = Arc::new(work);
        // What is noted lasts with what it speaks of.
        let within = if self.database.dialect().has_triggers() {
            within
        } else {
            Within::Writing
        };
        let written = self.run(operation, within, move |session, shape| {
            let work = Arc::clone(&work);
            Box::pin(async move {
                let mut late = LateCheck::default();
                work((session, shape, &mut late)).await?;
                Ok(late.found)
            })
        });
        Box::pin(async move {
            let _turn = line.turn(operation).await?;
            stamps.note(written.await?);
            Ok(())
        })
    }
}

impl PostgresRecords {
    fn take_in_by(
        &self,
        items: &Arc<[Item<Json>]>,
        strict: bool,
        way: Pace,
    ) -> Later<'static, Vec<Taken>> {
        let items = Arc::clone(items);
        self.run(TAKE_IN, Within::Writing, move |session, shape| {
            let items = Arc::clone(&items);
            Box::pin(async move { intake::take_in(session, shape, (&items, strict), way).await })
        })
    }
}

impl HasLog for PostgresRecords {
    type Tables = RecordTables;

    fn parts(&self) -> (&Database, &RecordTables, &Log) {
        (&self.database, &self.tables, &self.log)
    }

    fn ready(&self, inside: &Arc<Pass>) -> Later<'static, ()> {
        let shape = self.shape(inside);
        Box::pin(async move { shape.await.map(drop) })
    }
}

keeps_log!(PostgresRecords);

impl RecordStore for PostgresRecords {
    fn init(&self) -> Later<'_, ()> {
        logged::begin(self, "make the database ready")
    }

    fn health_check(&self) -> Later<'_, bool> {
        let checked = self.run("check the database", Within::Nothing, |session, shape| {
            Box::pin(async move {
                let sql = format!("SELECT 1 FROM {} LIMIT 1", shape.table);
                session
                    .query("check the database", &sql, &[])
                    .await
                    .map(drop)
            })
        });
        Box::pin(async move { is_sound(checked.await) })
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(self.database.close_with(&self.line))
    }

    fn put(&self, record: Json) -> Later<'_, ()> {
        const OPERATION: &str = "put a record";
        self.write(OPERATION, Within::Writes, move |(session, shape, late)| {
            let record = Arc::clone(&record);
            Box::pin(async move {
                let record = ToWrite::read(OPERATION, shape, &record)?;
                put_own(OPERATION, (session, shape), &record, late).await
            })
        })
    }

    fn get(&self, id: &str) -> Later<'_, Option<Json>> {
        const OPERATION: &str = "get a record";
        let id: Arc<str> = id.into();
        self.run(OPERATION, Within::Nothing, move |session, shape| {
            let id = Arc::clone(&id);
            Box::pin(async move { rows::get(OPERATION, session, shape, &id).await })
        })
    }

    fn stored(&self, id: &Text) -> Later<'_, Option<Hlc>> {
        const OPERATION: &str = "look for a record";
        let Some(id) = id.to_utf8().filter(|id| !id.contains('\0')) else {
            return Box::pin(std::future::ready(Ok(None)));
        };
        self.run(OPERATION, Within::Nothing, move |session, shape| {
            let ids = vec![id.clone()];
            Box::pin(async move {
                let found = rows::stored_times(OPERATION, session, shape, ids).await?;
                Ok(found.into_values().next())
            })
        })
    }

    fn delete(&self, id: &str, hlc: Hlc) -> Later<'_, ()> {
        const OPERATION: &str = "delete a record";
        let id: Arc<str> = id.into();
        self.write(OPERATION, Within::Writes, move |(session, shape, late)| {
            let (id, hlc) = (Arc::clone(&id), hlc.clone());
            Box::pin(
                async move { delete_own(OPERATION, (session, shape), (&id, &hlc), late).await },
            )
        })
    }

    fn query(&self, query: Query) -> Later<'_, QueryResult> {
        let query = Arc::new(query);
        self.run(query::OPERATION, Within::Nothing, move |session, shape| {
            let query = Arc::clone(&query);
            Box::pin(async move { sql::run(session, shape, &query).await })
        })
    }

    fn batch(&self, operations: Vec<Operation>) -> Later<'_, ()> {
        const OPERATION: &str = "run a batch";
        let operations: Arc<[Operation]> = operations.into();
        self.write(OPERATION, Within::Writing, move |(session, shape, late)| {
            let operations = Arc::clone(&operations);
            Box::pin(async move {
                for operation in &*operations {
                    match operation {
                        Operation::Put(record) => {
                            let record = ToWrite::read(OPERATION, shape, record)?;
                            put_own(OPERATION, (session, shape), &record, late).await?;
                        }
                        Operation::Delete { id, hlc } => {
                            delete_own(OPERATION, (session, shape), (id, hlc), late).await?;
                        }
                    }
                }
                Ok(())
            })
        })
    }

    fn transaction(&self) -> Later<'_, Arc<dyn RecordTransaction>> {
        const OPERATION: &str = "begin a transaction";
        let (store, entered) = (self.clone(), self.database.enter(OPERATION));
        Box::pin(async move {
            let inside = entered?;
            let turn = store.line.turn(OPERATION).await?;
            let shape = store.shape(&inside).await?;
            let session = (inside, store.database.session(OPERATION).await?);
            let notes = (store.late.clone(), store.database.written().begin());
            let cut = store.line.cut.subscribe();
            let begun = PostgresTransaction::begin((turn, session), shape, notes, cut).await?;
            Ok(Arc::new(begun) as Arc<dyn RecordTransaction>)
        })
    }

    fn held_by(&self) -> Option<Holder> {
        self.line.holder()
    }

    fn put_metadata(&self, type_id: &str, record_id: &str, row: Json) -> Later<'_, ()> {
        let key: Arc<[String; 2]> = Arc::new([type_id.to_owned(), record_id.to_owned()]);
        let schema = Arc::clone(&self.schema);
        self.write("put metadata", Within::Writes, move |(session, _, _)| {
            let (key, row, schema) = (Arc::clone(&key), Arc::clone(&row), Arc::clone(&schema));
            Box::pin(async move { metadata::put(session, &schema, [&key[0], &key[1]], &row).await })
        })
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
        let asked = Arc::new((type_id.to_owned(), record_ids));
        let schema = Arc::clone(&self.schema);
        self.run("get metadata", Within::Nothing, move |session, _| {
            let (asked, schema) = (Arc::clone(&asked), Arc::clone(&schema));
            Box::pin(async move { metadata::get(session, &schema, &asked.0, &asked.1).await })
        })
    }

    fn delete_metadata(&self, type_id: &str, record_id: &str) -> Later<'_, ()> {
        let key: Arc<[String; 2]> = Arc::new([type_id.to_owned(), record_id.to_owned()]);
        let schema = Arc::clone(&self.schema);
        self.write("delete metadata", Within::Writes, move |(session, _, _)| {
            let (key, schema) = (Arc::clone(&key), Arc::clone(&schema));
            Box::pin(async move { metadata::delete(session, &schema, [&key[0], &key[1]]).await })
        })
    }

    fn node_watermarks(&self) -> Later<'_, Watermarks> {
        const OPERATION: &str = "read the watermarks of the records";
        self.run(OPERATION, Within::Nothing, |session, shape| {
            Box::pin(shape.by_time.watermarks(OPERATION, session))
        })
    }

    fn newest_upto(&self, marks: Watermarks) -> Later<'_, Option<Watermarks>> {
        const OPERATION: &str = "read the watermarks of the records";
        let marks = Arc::new(marks);
        self.run(OPERATION, Within::Nothing, move |session, shape| {
            let marks = Arc::clone(&marks);
            Box::pin(async move {
                let found = shape.by_time.newest_upto(OPERATION, session, &marks).await;
                found.map(Some)
            })
        })
    }

    fn late(&self, known: u64) -> Late {
        self.late.since(known)
    }

    fn unseen(&self, ask: Ask) -> Later<'_, (Vec<Item<Json>>, bool)> {
        const OPERATION: &str = "find unseen records";
        let ask = Arc::new(ask);
        self.run(OPERATION, Within::Nothing, move |session, shape| {
            let ask = Arc::clone(&ask);
            Box::pin(async move {
                let item = |hlc, row: &_| {
                    let stored = rows::read(OPERATION, shape, row)?;
                    Ok(stored.item(OPERATION, shape, hlc, String::new))
                };
                shape.by_time.page(OPERATION, session, &ask, item).await
            })
        })
    }

    fn unorderable(&self, limit: usize) -> Later<'_, Vec<Item<Json>>> {
        const OPERATION: &str = "find records without a time";
        self.run(OPERATION, Within::Nothing, move |session, shape| {
            Box::pin(async move { rows::unorderable(OPERATION, session, shape, limit).await })
        })
    }

    fn take_in(&self, items: Vec<Item<Json>>, strict: bool) -> Later<'_, Vec<Taken>> {
        let store = self.clone();
        let take = move |items: &_, pace| store.take_in_by(items, strict, pace);
        take_page(self.database.dialect(), (items, strict), take)
    }
}
