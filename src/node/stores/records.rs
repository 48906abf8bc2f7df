//! Any store of shared records of this package as a `DatabaseAdapter` object.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::transaction::transaction;
use super::{hlc_arg, json_arg, outside, promise, query_arg, string_arg, utf8};
use crate::error::Result;
use crate::node::convert::{parse_json, read_hlc, stringify, write_watermarks};
use crate::node::error::must_be;
use crate::node::helpers::TIMESTAMP;
use crate::node::options::Options;
use crate::node::runtime::IntoJs;
use crate::node::value::{Call, Env, Key, Method, Scope, Value, brand, function};
use crate::protocol::watermarks::Watermarks;
use crate::store::query::QueryResult;
use crate::store::{Json, Operation, RecordStore};

/// How long the callback of a transaction may take by default.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// What is behind the adapter object.
pub struct NativeRecords(pub Arc<dyn RecordStore>);

/// The object that stands for `store`. How long a transaction may take is one of its `options`.
pub fn records<'s>(
    call: &Call<'s>,
    options: &Options<'s>,
    store: Arc<dyn RecordStore>,
) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let limit = options.transaction_timeout(TRANSACTION_TIMEOUT)?;
    let object = scope.object()?;
    for (name, body) in METHODS {
        let store = Arc::clone(&store);
        let method = function(scope, env, name, move |call| {
            outside(call, store.held_by(), |call| body(call, &store))
        })?;
        scope.set_named(object, name, method)?;
    }
    let beginning = Arc::clone(&store);
    let begin = function(scope, env, "transaction", move |call| {
        outside(call, beginning.held_by(), |call| {
            transaction(call, &beginning, limit)
        })
    })?;
    scope.set_named(object, "transaction", begin)?;
    brand(scope, env, object, Rc::new(NativeRecords(store)))?;
    Ok(object)
}

const METHODS: &[(&str, Method<Arc<dyn RecordStore>>)] = &[
    ("init", |call, store| {
        let store = Arc::clone(store);
        promise(call, Ok(async move { store.init() }))
    }),
    ("close", |call, store| {
        let store = Arc::clone(store);
        promise(call, Ok(async move { store.close().await }))
    }),
    ("healthCheck", |call, store| {
        let store = Arc::clone(store);
        promise(call, Ok(async move { store.health_check().await }))
    }),
    ("put", |call, store| {
        let store = Arc::clone(store);
        promise(
            call,
            json_arg(call, 0).map(|record| async move { store.put(record).await }),
        )
    }),
    ("get", |call, store| {
        let store = Arc::clone(store);
        let id = string_arg(call, 0, "get(id)");
        promise(call, id.map(|id| async move { store.get(&id).await }))
    }),
    ("delete", |call, store| {
        let store = Arc::clone(store);
        let arguments = string_arg(call, 0, "delete(id)")
            .and_then(|id| Ok((id, hlc_arg(call, 1, "delete(hlc)")?)));
        promise(
            call,
            arguments.map(|(id, hlc)| async move { store.delete(&id, hlc).await }),
        )
    }),
    ("query", |call, store| {
        let store = Arc::clone(store);
        promise(
            call,
            query_arg(call, 0).map(|query| async move { store.query(query).await }),
        )
    }),
    ("batch", |call, store| {
        let store = Arc::clone(store);
        promise(
            call,
            operations(call).map(|steps| async move { store.batch(steps).await }),
        )
    }),
    ("putMetadata", |call, store| {
        let store = Arc::clone(store);
        let arguments = || -> Result<_> {
            let type_id = string_arg(call, 0, "putMetadata(typeId)")?;
            let record_id = call.scope.get_named(call.arg(1), "recordId")?;
            let got = call.scope.describe_kind(record_id);
            let record_id = call.scope.as_text(record_id);
            let record_id =
                record_id.ok_or_else(|| must_be("putMetadata(row.recordId)", "a string", &got))?;
            Ok((type_id, utf8(&record_id, "recordId")?, json_arg(call, 1)?))
        };
        let work = arguments()
            .map(|(type_id, id, row)| async move { store.put_metadata(&type_id, &id, row).await });
        promise(call, work)
    }),
    ("getMetadata", |call, store| {
        let store = Arc::clone(store);
        let work = metadata_key(call)
            .map(|(type_id, id)| async move { store.get_metadata(&type_id, &id).await });
        promise(call, work)
    }),
    ("getMetadataByIds", |call, store| {
        let store = Arc::clone(store);
        let arguments =
            string_arg(call, 0, "typeId").and_then(|type_id| Ok((type_id, ids_arg(call)?)));
        let work = arguments.map(|(type_id, ids)| async move {
            let found = store.get_metadata_by_ids(&type_id, ids).await?;
            Ok(MetadataRows(found))
        });
        promise(call, work)
    }),
    ("deleteMetadata", |call, store| {
        let store = Arc::clone(store);
        let work = metadata_key(call)
            .map(|(type_id, id)| async move { store.delete_metadata(&type_id, &id).await });
        promise(call, work)
    }),
    ("getNodeWatermarks", |call, store| {
        let store = Arc::clone(store);
        promise(call, Ok(async move { store.node_watermarks().await }))
    }),
];

fn metadata_key(call: &Call<'_>) -> Result<(String, String)> {
    Ok((
        string_arg(call, 0, "typeId")?,
        string_arg(call, 1, "recordId")?,
    ))
}

fn ids_arg(call: &Call<'_>) -> Result<Vec<String>> {
    let (scope, list) = (call.scope, call.arg(1));
    if !scope.is_array(list)? {
        let got = scope.describe_kind(list);
        return Err(must_be("getMetadataByIds(recordIds)", "an array", &got));
    }
    let mut ids = Vec::new();
    for index in 0..scope.length(list)? {
        let id = scope.element(list, index)?;
        let text = scope.as_text(id).ok_or_else(|| {
            let place = format!("getMetadataByIds(recordIds[{index}])");
            must_be(&place, "a string", &scope.describe_kind(id))
        })?;
        ids.push(utf8(&text, "recordId")?);
    }
    Ok(ids)
}

fn operations(call: &Call<'_>) -> Result<Vec<Operation>> {
    let (scope, env, list) = (call.scope, call.env, call.arg(0));
    if !scope.is_array(list)? {
        let got = scope.describe_kind(list);
        return Err(must_be("batch(operations)", "an array", &got));
    }
    let mut operations = Vec::new();
    for index in 0..scope.length(list)? {
        let step = scope.element(list, index)?;
        let kind = scope
            .as_text(scope.get_named(step, "type")?)
            .map(|kind| kind.to_string());
        operations.push(match kind.as_deref() {
            Some("put") => {
                let record = scope.get_named(step, "record")?;
                Operation::Put(stringify(scope, env, record)?)
            }
            Some("delete") => {
                let id = scope.get(env, step, Key::Id)?;
                let wrong = |part, what, value| {
                    let place = format!("batch(operations[{index}].{part})");
                    must_be(&place, what, &scope.describe(value))
                };
                let id = scope
                    .as_text(id)
                    .ok_or_else(|| wrong("id", "a string", id))?;
                let stamp = scope.get_named(step, "hlc")?;
                let hlc = read_hlc(scope, env, stamp)?;
                Operation::Delete {
                    id: utf8(&id, "id")?,
                    hlc: hlc.ok_or_else(|| wrong("hlc", TIMESTAMP, stamp))?,
                }
            }
            _ => {
                let got = scope.describe(scope.get_named(step, "type")?);
                let place = format!("batch(operations[{index}].type)");
                return Err(must_be(&place, "\"put\" or \"delete\"", &got));
            }
        });
    }
    Ok(operations)
}

impl IntoJs for Watermarks {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        write_watermarks(scope, env, &self)
    }
}

impl IntoJs for QueryResult {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        let object = scope.object()?;
        let records = scope.array()?;
        for (index, record) in (0u32..).zip(&self.records) {
            env.scope(|scope| scope.set_element(records, index, parse_json(scope, env, record)?))?;
        }
        scope.set(env, object, Key::Records, records)?;
        let next = match &self.next_cursor {
            Some(cursor) => scope.text(cursor)?,
            None => scope.null()?,
        };
        scope.set(env, object, Key::NextCursor, next)?;
        scope.set(env, object, Key::HasMore, scope.boolean(self.has_more)?)?;
        Ok(object)
    }
}

/// Rows of metadata by record id, as a `Map`.
struct MetadataRows(HashMap<String, Json>);

impl IntoJs for MetadataRows {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        let map = scope.construct(scope.get_named(scope.global()?, "Map")?, &[])?;
        let set = scope.get_named(map, "set")?;
        for (id, row) in &self.0 {
            scope.call(map, set, &[scope.text(id)?, parse_json(scope, env, row)?])?;
        }
        Ok(map)
    }
}
