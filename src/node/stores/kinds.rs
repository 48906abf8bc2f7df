//! What is asked of the stores of each kind, by name, and the objects that stand for them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::transaction::transaction;
use super::{
    HeldBy, Methods, Native, QueryPage, add_methods, arguments, methods, outside, promise, stand,
    stand_for,
};
use crate::engine::object::key_text;
use crate::engine::purge::Purge;
use crate::error::Result;
use crate::node::convert::read_row;
use crate::node::error::invalid;
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, write_data};
use crate::node::value::{Call, Scope, Value, function};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Table;
use crate::protocol::text::Text;
use crate::store::purged::as_json;
use crate::store::query::{Query, QueryResult};
use crate::store::{
    AppRowStore, HLC_CLOCK, OWN_WATERMARKS, Object, ObjectStore, ObjectUrl, Operation,
    PEER_WATERMARKS, PutOptions, RecordStore, Registration, StateStore, rows_since, told,
};

/// How long the callback of a transaction may take by default.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// The `DatabaseAdapter` that stands for `store`. How long a transaction may take is one of its `options`.
pub fn records<'s>(
    call: &Call<'s>,
    options: &Options<'s>,
    store: Arc<dyn RecordStore>,
) -> Result<Value<'s>> {
    let scope = call.scope;
    let limit = options.time("transactionTimeoutMs", Some(TRANSACTION_TIMEOUT))?;
    let object = scope.object()?;
    add_methods(scope, object, &store, &[(RECORDS, |store| store.held_by())])?;
    let beginning = Arc::clone(&store);
    let begin = function(scope, "transaction", move |call| {
        outside(call, beginning.held_by(), |call| {
            transaction(call, &beginning, limit)
        })
    })?;
    scope.set(object, "transaction", begin)?;
    stand_for(scope, "records", object, Rc::new(Native(store)))
}

const RECORDS: Methods<dyn RecordStore> = methods! { store, promise,
    "init"() => store.init().await;
    "close"() => store.close().await;
    "healthCheck"() => store.health_check().await;
    "put"(record: Box<RawValue>) => store.put(record.get().into()).await;
    "get"(id: String) => store.get(&id).await;
    "delete"(id: String, hlc: Hlc) => store.delete(&id, hlc).await;
    "query"(query: Box<RawValue>) => store.query(Query::from_json(query.get())?).await;
    "batch"(steps: Vec<Operation>) => store.batch(steps).await;
    "putMetadata"(type_id: String, id: String, row: Box<RawValue>) =>
        store.put_metadata(&type_id, &id, row.get().into()).await;
    "getMetadata"(type_id: String, id: String) => store.get_metadata(&type_id, &id).await;
    "getMetadataByIds"(type_id: String, ids: Vec<String>) => {
        let rows = store.get_metadata_by_ids(&type_id, ids).await?;
        Ok(rows.into_iter().collect::<Vec<_>>())
    };
    "deleteMetadata"(type_id: String, id: String) => store.delete_metadata(&type_id, &id).await;
    "getNodeWatermarks"() => store.node_watermarks().await;
    "purge"(asked: Purge) => Ok(as_json(&store.purge(asked).await?));
};

impl IntoJs for QueryResult {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        QueryPage("records", self.records, self.next_cursor, self.has_more).into_js(scope)
    }
}

/// The `SyncStateStore` that stands for `store`.
pub fn state<'s>(call: &Call<'s>, store: Arc<dyn StateStore>) -> Result<Value<'s>> {
    let groups: &[(_, HeldBy<dyn StateStore>)] =
        &[(STATE, |_| None), (SETTING, |store| store.held_by())];
    stand(call, "state", store, groups)
}

const STATE: Methods<dyn StateStore> = methods! { store, promise,
    "getWatermarks"() => Ok(store.get(OWN_WATERMARKS).await?.unwrap_or_else(|| "{}".into()));
    "getPeerWatermarks"() => Ok(store.get(PEER_WATERMARKS).await?.unwrap_or_else(|| "{}".into()));
    "getHlcClockState"() => store.get(HLC_CLOCK).await;
    "close"() => store.close().await;
};

const SETTING: Methods<dyn StateStore> = methods! { store, promise,
    "setWatermarks"(value: Box<RawValue>) => store.set(OWN_WATERMARKS, value.get().into()).await;
    "setPeerWatermarks"(value: Box<RawValue>) => store.set(PEER_WATERMARKS, value.get().into()).await;
    "setHlcClockState"(value: Box<RawValue>) => store.set(HLC_CLOCK, value.get().into()).await;
};

/// The `ObjectStorageAdapter` of this kind that stands for `store`.
pub fn objects<'s>(call: &Call<'s>, kind: &str, store: Arc<dyn ObjectStore>) -> Result<Value<'s>> {
    stand(call, kind, store, &[(OBJECTS, |_| None)])
}

/// The same of a store behind a network, which hands out urls. It keeps what hangs on the array of its options.
pub fn bucket<'s>(
    call: &Call<'s>,
    options: &Options<'s>,
    store: Arc<dyn ObjectStore>,
) -> Result<Value<'s>> {
    let (scope, functions) = (call.scope, call.scope.object()?);
    let groups: [(_, HeldBy<_>); 2] = [(OBJECTS, |_| None), (URLS, |_| None)];
    add_methods(scope, functions, &store, &groups)?;
    scope.set(functions, "hung", options.array())?;
    stand_for(scope, "bucket", functions, Rc::new(Native(store)))
}

const URLS: Methods<dyn ObjectStore> = methods! { store, promise,
    "presign"(key: Text, put: Option<PutOptions>) => {
        let url = store.presign(&key_text(&key)?, put).await?;
        Ok(url.map(|ObjectUrl { url, headers }| serde_json::json!({ "url": url, "headers": headers })))
    };
};

const OBJECTS: Methods<dyn ObjectStore> = methods! { store, promise,
    "init"() => store.init();
    "close"() => store.close().await;
    "healthCheck"() => store.health_check().await;
    "put"(key: Text, options: PutOptions), data = bytes_arg =>
        store.put(&key_text(&key)?, data.into(), options).await;
    "get"(key: Text) => store.get(&key_text(&key)?).await;
    "has"(key: Text) => store.has(&key_text(&key)?).await;
    "stat"(key: Text) => Ok(store.stat(&key_text(&key)?).await?.as_ref().map(told));
    "delete"(key: Text) => store.delete(&key_text(&key)?).await;
    "list"(prefix: String, limit: Option<usize>, cursor: Option<String>) => {
        let page = store.list(&prefix, limit, cursor).await?;
        Ok(QueryPage("keys", page.keys, page.next_cursor, page.has_more))
    };
};

/// The bytes of an object, which come as they are behind what is JSON.
pub fn bytes_arg(call: &Call<'_>) -> Result<Vec<u8>> {
    let (scope, data) = (call.scope, call.arg(2));
    let bytes = scope.as_bytes(data);
    bytes.ok_or_else(|| scope.must_be_some("put(data)", "a Uint8Array", data))
}

/// A file as storages answer it.
impl IntoJs for Object {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let object = write_data(scope, &self)?;
        scope.set(object, "data", scope.bytes(&self.data)?)?;
        Ok(object)
    }
}

/// The source that stands for `store`: the two objects of an `appSyncableSource`.
pub fn rows<'s>(call: &Call<'s>, store: Arc<dyn AppRowStore>) -> Result<Value<'s>> {
    let free: HeldBy<_> = |_| None;
    let writing: HeldBy<dyn AppRowStore> = |store| store.held_by();
    let groups = [(WRITING_ROWS, writing), (ROWS, free), (NAMESPACES, free)];
    stand(call, "rows", store, &groups)
}

const NAMESPACES: Methods<dyn AppRowStore> = &[
    // Answers at once, as the interface has it. The file is asked each time: another process may register apps too.
    ("list", |call, store| {
        let namespaces = store.namespaces_now()?.into_iter();
        let namespaces = namespaces.map(|namespace| namespace.to_json());
        namespaces.collect::<Vec<_>>().into_js(call.scope)
    }),
];

const WRITING_ROWS: Methods<dyn AppRowStore> = methods! { store, promise,
    "register"(app: String, tables: Box<RawValue>) =>
        store.register(&app, Registration::from_json(tables.get())?).await;
    "purge"(asked: Purge) => Ok(as_json(&store.purge(asked).await?));
    // The entry is looked at as it is.
    "apply"(), item = |call| {
        let item = read_row(call.scope, call.arg(1))?;
        let item = item.map_err(|what| invalid("apply(entry)", &what.to_string()))?;
        item.with_body(|body| body.to_json(call.env))
    } => store.apply(item).await;
};

const ROWS: Methods<dyn AppRowStore> = methods! { store, promise,
    "healthCheck"() => store.health_check().await;
    "close"() => store.close().await;
    // What is later than all of these times.
    "scanSince"(app: Text, name: Text, times: Vec<Text>, limit: Option<usize>) => {
        let (rows, next) = rows_since(&*store, &Table { app, name }, &times, limit).await?;
        let more = next.is_some();
        Ok(QueryPage("rows", rows, next, more))
    };
    "getNodeWatermarks"(app: Text, name: Text) => store.node_watermarks(&Table { app, name }).await;
};
