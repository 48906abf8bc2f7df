//! The shared records of a database.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::database::{Database, Within};
use super::options::{PasswordSource, PostgresOptions};
use super::rows::{self, ToWrite};
use super::schema::{self, Shape};
use super::session::Session;
use super::tls::TlsClients;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::Ask;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::query::{Query, QueryResult};
use crate::store::{
    Holder, Json, Later, LogStore, Operation, RecordStore, RecordTransaction, Taken,
};

/// A store of shared records. All clones are one store.
#[derive(Debug, Clone)]
pub struct PostgresRecords {
    database: Database,
    schema: Arc<str>,
    shape: Arc<OnceCell<Arc<Shape>>>,
}

impl PostgresRecords {
    /// The records in the schema of the options. Nothing is sent before the first call, which creates the tables if
    /// they are not there.
    pub fn open(
        options: &PostgresOptions,
        password: PasswordSource,
        tls: Arc<dyn TlsClients>,
    ) -> Result<Self> {
        Ok(Self {
            database: Database::open(options, password, tls)?,
            schema: options.schema.as_str().into(),
            shape: Arc::default(),
        })
    }

    /// The table as it is, which is looked at once.
    fn shape(&self) -> impl Future<Output = Result<Arc<Shape>>> + Send + use<> {
        let (shape, database) = (Arc::clone(&self.shape), self.database.clone());
        let schema = Arc::clone(&self.schema);
        async move {
            let prepare = || async {
                let prepared = database.run(schema::OPERATION, Within::Writing, move |session| {
                    let schema = Arc::clone(&schema);
                    Box::pin(async move { Shape::prepare(session, &schema).await })
                });
                prepared.await.map(Arc::new)
            };
            shape.get_or_try_init(prepare).await.cloned()
        }
    }

    /// Runs `work` on the table, and once more where a fault may pass.
    fn run<T, W>(&self, operation: &'static str, within: Within, work: W) -> Later<'static, T>
    where
        T: Send + 'static,
        W: for<'s> Fn(&'s Session, Arc<Shape>) -> BoxFuture<'s, Result<T>> + Send + Sync + 'static,
    {
        let (shape, database) = (self.shape(), self.database.clone());
        Box::pin(async move {
            let shape = shape.await?;
            database
                .run(operation, within, move |session| {
                    work(session, Arc::clone(&shape))
                })
                .await
        })
    }
}

impl LogStore for PostgresRecords {}

fn not_yet<T: Send + 'static>() -> Later<'static, T> {
    Box::pin(ready(Err(Error::new(
        ErrorKind::Internal,
        "ask the records",
        "not there yet",
    ))))
}

impl RecordStore for PostgresRecords {
    fn init(&self) -> Later<'_, ()> {
        let shape = self.shape();
        Box::pin(async move { shape.await.map(drop) })
    }

    fn health_check(&self) -> Later<'_, bool> {
        not_yet()
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(self.database.close())
    }

    fn put(&self, record: Json) -> Later<'_, ()> {
        const OPERATION: &str = "put a record";
        self.run(OPERATION, Within::Nothing, move |session, shape| {
            let record = Arc::clone(&record);
            Box::pin(async move {
                let record = ToWrite::read(OPERATION, &shape, &record)?;
                rows::write(OPERATION, session, &shape, &[&record], false)
                    .await
                    .map(drop)
            })
        })
    }

    fn get(&self, id: &str) -> Later<'_, Option<Json>> {
        const OPERATION: &str = "get a record";
        let id: Arc<str> = id.into();
        self.run(OPERATION, Within::Nothing, move |session, shape| {
            let id = Arc::clone(&id);
            Box::pin(async move { rows::get(OPERATION, session, &shape, &id).await })
        })
    }

    fn stored(&self, _id: &Text) -> Later<'_, Option<Hlc>> {
        not_yet()
    }

    fn delete(&self, _id: &str, _hlc: Hlc) -> Later<'_, ()> {
        not_yet()
    }

    fn query(&self, _query: Query) -> Later<'_, QueryResult> {
        not_yet()
    }

    fn batch(&self, _operations: Vec<Operation>) -> Later<'_, ()> {
        not_yet()
    }

    fn transaction(&self) -> Later<'_, Arc<dyn RecordTransaction>> {
        not_yet()
    }

    fn held_by(&self) -> Option<Holder> {
        None
    }

    fn put_metadata(&self, _type_id: &str, _record_id: &str, _row: Json) -> Later<'_, ()> {
        not_yet()
    }

    fn get_metadata(&self, _type_id: &str, _record_id: &str) -> Later<'_, Option<Json>> {
        not_yet()
    }

    fn get_metadata_by_ids(
        &self,
        _type_id: &str,
        _record_ids: Vec<String>,
    ) -> Later<'_, HashMap<String, Json>> {
        not_yet()
    }

    fn delete_metadata(&self, _type_id: &str, _record_id: &str) -> Later<'_, ()> {
        not_yet()
    }

    fn node_watermarks(&self) -> Later<'_, Watermarks> {
        not_yet()
    }

    fn unseen(&self, _ask: Ask) -> Later<'_, (Vec<Item<Json>>, bool)> {
        not_yet()
    }

    fn unorderable(&self, _limit: usize) -> Later<'_, Vec<Item<Json>>> {
        not_yet()
    }

    fn take_in(&self, _items: Vec<Item<Json>>, _strict: bool) -> Later<'_, Vec<Taken>> {
        not_yet()
    }
}
