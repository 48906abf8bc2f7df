//! The stores, and how items are made for each and told from it.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};
use starkeep_sync_engine::engine::object::Incoming;
use starkeep_sync_engine::engine::ports::{AppRows, Blobs, Records, State};
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{Item, Table};
use starkeep_sync_engine::store::Json;
use starkeep_sync_engine::store::fs::FsObjects;
use starkeep_sync_engine::store::ports::{Here, ObjectPort, Port, RecordPort, RowPort, StatePort};
use starkeep_sync_engine::store::side::Traced;
use starkeep_sync_engine::store::sqlite::{Options, SqliteAppRows, SqliteState};
use starkeep_sync_engine::store::{AppRowStore, RecordStore};
use starkeep_sync_engine::testing;
use starkeep_sync_engine::testing::{
    Access, Body, Faults, MemoryBlobs, MemoryRecords, MemoryRows, MemoryState,
};

use crate::bucket::Bucket;
use crate::support::dsql::Proxy;
use crate::support::postgres;
use crate::support::rows::{self, SCHEMAS, of_an_app, pages};
use crate::support::{Home, NEW_TABLE, OLD_TABLE, item_of, record, value, with};

/// What an item is, whichever body carries it: its id, its time, and whether it is deleted.
pub type Told = (String, Hlc, bool);

/// Bodies of a store.
pub trait Bodies {
    type Body: Clone + Debug;
    fn record(id: &str, hlc: &Hlc, deleted: bool) -> Item<Self::Body>;
    fn row(id: &str, hlc: &Hlc, deleted: bool) -> Item<Self::Body>;
    fn told(item: &Item<Self::Body>) -> Told;
}

/// The bodies of the stores in memory.
pub struct InMemory;

impl Bodies for InMemory {
    type Body = Body;

    fn record(id: &str, hlc: &Hlc, deleted: bool) -> Item<Body> {
        testing::record(hlc.clone(), body(id, deleted), None)
    }

    fn row(id: &str, hlc: &Hlc, deleted: bool) -> Item<Body> {
        testing::row(&pages(), hlc.clone(), body(id, deleted), None)
    }

    fn told(item: &Item<Body>) -> Told {
        (
            item.body.id.to_string(),
            item.hlc.clone(),
            item.body.deleted,
        )
    }
}

fn body(id: &str, deleted: bool) -> Body {
    if deleted {
        Body::tombstone(id)
    } else {
        Body::new(id, "content")
    }
}

/// The bodies of the native stores.
pub struct AsText;

impl Bodies for AsText {
    type Body = Json;

    fn record(id: &str, hlc: &Hlc, deleted: bool) -> Item<Json> {
        let dead = if deleted { json!(hlc) } else { Value::Null };
        item_of(&with(record(id, hlc), json!({ "deletedAt": dead })))
    }

    fn row(id: &str, hlc: &Hlc, deleted: bool) -> Item<Json> {
        let dead = if deleted {
            json!(hlc.to_string())
        } else {
            Value::Null
        };
        let row = json!({ "id": id, "part": 0, "title": "t", "deleted_at": dead });
        let op = if deleted { "delete" } else { "insert" };
        rows::entry(&pages(), op, hlc, row, Value::Null)
    }

    fn told(item: &Item<Json>) -> Told {
        let body = value(&item.body);
        let (record, dead) = match body.get("row") {
            Some(row) => (row, "deleted_at"),
            None => (&body, "deletedAt"),
        };
        let id = record["id"].as_str().unwrap().to_owned();
        (id, item.hlc.clone(), !record[dead].is_null())
    }
}

/// A sentence about a store of records.
pub trait OfRecords {
    async fn check<K: Bodies>(&self, name: &str, records: &impl Records<K::Body>);

    /// The sentence for a store that holds no timestamps of unusual digits, where it has such.
    fn usual(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// Asks every store of records.
pub async fn every_store_of_records<O: OfRecords>(sentence: &O) {
    for access in [Access::Scanned, Access::Covered, Access::Indexed] {
        let records = MemoryRecords::new(access, 2, Faults::default());
        let name = format!("in memory, {access:?}");
        sentence.check::<InMemory>(&name, &records).await;
    }
    for (name, schema) in [
        ("its own", ""),
        ("of 0.1", OLD_TABLE),
        ("of 0.2", NEW_TABLE),
    ] {
        let home = Home::of_an_app(schema);
        let records = Arc::new(home.records());
        let port: RecordPort = Port::here(Arc::clone(&records) as _);
        sentence
            .check::<AsText>(&format!("SQLite, a table {name}"), &port)
            .await;
        records.close().await.unwrap();
    }
    if let Some(server) = postgres::shared() {
        for (name, proxy) in postgres::each(server, Some(7)) {
            let options = postgres::by_way_of(proxy.as_ref(), postgres::options(server));
            let records = Arc::new(postgres::records(&options));
            let port: RecordPort = Port::here(Arc::clone(&records) as _);
            let usual = sentence.usual();
            let sentence = usual.as_ref().unwrap_or(sentence);
            sentence.check::<AsText>(name, &port).await;
            records.close().await.unwrap();
            proxy.iter().for_each(Proxy::assert_has_all);
        }
    }
}

/// A sentence about a store of app rows. The app and its table are registered.
pub trait OfRows {
    async fn check<K: Bodies>(&self, name: &str, rows: &impl AppRows<K::Body>);

    /// As that of records.
    fn usual(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// Asks every store of app rows.
pub async fn every_store_of_rows<O: OfRows>(sentence: &O) {
    for knows_coverage in [true, false] {
        let rows = MemoryRows::new(knows_coverage, 2, Faults::default());
        rows.register(&pages());
        let name = format!("in memory, coverage {knows_coverage}");
        sentence.check::<InMemory>(&name, &rows).await;
    }
    for schema in SCHEMAS {
        let home = of_an_app(schema);
        let rows = SqliteAppRows::open(&home.path(), Options::default()).unwrap();
        let rows = Arc::new(rows);
        let port: RowPort = Port::here(Arc::clone(&rows) as _);
        sentence
            .check::<AsText>(&format!("SQLite: {schema}"), &port)
            .await;
        rows.close().await.unwrap();
    }
    if let Some(server) = postgres::shared() {
        for (name, proxy) in postgres::each(server, Some(7)) {
            let options = postgres::by_way_of(proxy.as_ref(), postgres::database(server).await);
            let store = Arc::new(postgres::app_rows(&options));
            let registered = rows::tables(vec![rows::spec("pages", &["id"], &["part", "title"])]);
            store.register("My-App", registered).await.unwrap();
            let port: RowPort = Port::here(Arc::clone(&store) as _);
            let usual = sentence.usual();
            let sentence = usual.as_ref().unwrap_or(sentence);
            sentence.check::<AsText>(name, &port).await;
            store.close().await.unwrap();
            proxy.iter().for_each(Proxy::assert_has_all);
        }
    }
}

/// A sentence about a storage of objects.
pub trait OfBlobs {
    async fn check<B: Blobs>(&self, name: &str, blobs: &B, bytes: &Bytesful<B::Data>);
}

/// Bytes to the data of a storage and back.
pub struct Bytesful<D> {
    pub of: fn(&'static [u8]) -> D,
    pub all: fn(D) -> futures_util::future::BoxFuture<'static, Result<Vec<u8>>>,
    /// Whether any key is one.
    pub takes_any_key: bool,
}

fn incoming(bytes: &'static [u8]) -> Incoming {
    let pieces = bytes.chunks(3).map(|piece| Ok(Bytes::from_static(piece)));
    Incoming {
        content_type: None,
        size: None,
        is_page: false,
        chunks: stream::iter(pieces.collect::<Vec<_>>()).boxed(),
    }
}

/// Asks every storage of objects.
pub async fn every_storage(sentence: &impl OfBlobs) {
    let blobs = MemoryBlobs::default();
    let bytes = Bytesful::<Arc<[u8]>> {
        of: Arc::from,
        all: |data| Box::pin(async move { Ok(data.to_vec()) }),
        takes_any_key: true,
    };
    sentence.check("in memory", &blobs, &bytes).await;
    let folder = tempfile::TempDir::new().unwrap();
    let blobs: ObjectPort = Port::here(Arc::new(FsObjects::open(folder.path()).unwrap()));
    let bytes = || Bytesful::<Incoming> {
        of: incoming,
        all: |mut data| {
            Box::pin(async move {
                let mut all = Vec::new();
                while let Some(piece) = data.chunks.next().await {
                    all.extend_from_slice(&piece?);
                }
                Ok(all)
            })
        },
        takes_any_key: false,
    };
    sentence.check("a folder", &blobs, &bytes()).await;
    if let Some(bucket) = Bucket::start() {
        let blobs: ObjectPort = Port::here(Arc::clone(&bucket.objects) as _);
        sentence.check("a bucket", &blobs, &bytes()).await;
    }
}

/// A sentence about a store of what an engine remembers; the second is over the same place.
pub trait OfState {
    async fn check<S: State>(&self, name: &str, state: S, reopen: impl AsyncFnOnce(S) -> S);
}

/// Asks every store of state.
pub async fn every_state(sentence: &impl OfState) {
    let state = MemoryState::new(Faults::default());
    sentence
        .check("in memory", state, async |state| state)
        .await;
    let home = Home::new();
    let open = || StatePort {
        port: Port::here(Arc::new(
            SqliteState::open(&home.path(), Options::default()).unwrap(),
        )),
        log: Traced,
    };
    sentence
        .check("SQLite", open(), async |state: StatePort<Here, Traced>| {
            state.port.store.close().await.unwrap();
            open()
        })
        .await;
    if let Some(server) = postgres::shared() {
        for (name, proxy) in postgres::each(server, Some(7)) {
            let options = postgres::by_way_of(proxy.as_ref(), postgres::options(server));
            let open = || StatePort {
                port: Port::here(Arc::new(postgres::state(&options))),
                log: Traced,
            };
            let reopen = async |state: StatePort<Here, Traced>| {
                state.port.store.close().await.unwrap();
                open()
            };
            sentence.check(name, open(), reopen).await;
            proxy.iter().for_each(Proxy::assert_has_all);
        }
    }
}

/// A table that nobody has registered.
pub fn unknown() -> Table {
    rows::table("nobody", "nothing")
}
