//! Any store of shared records of this package as a `DatabaseAdapter` object.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::transaction::transaction;
use super::{
    Native, add_methods, elements, hlc, json, methods, outside, promise, query, text, utf8,
    write_page,
};
use crate::error::Result;
use crate::node::convert::{TIMESTAMP, read_hlc};
use crate::node::options::Options;
use crate::node::runtime::{IntoJs, parse_json, stringify};
use crate::node::value::{Call, Intrinsic, Method, Scope, Value, brand, function};
use crate::store::query::QueryResult;
use crate::store::{Json, Operation, RecordStore};

/// How long the callback of a transaction may take by default.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// The object that stands for `store`. How long a transaction may take is one of its `options`.
pub fn records<'s>(
    call: &Call<'s>,
    options: &Options<'s>,
    store: Arc<dyn RecordStore>,
) -> Result<Value<'s>> {
    let scope = call.scope;
    let limit = options.time("transactionTimeoutMs", Some(TRANSACTION_TIMEOUT))?;
    let object = scope.object()?;
    let guarded: (_, fn(&Arc<dyn RecordStore>) -> _) = (&store, |store| store.held_by());
    add_methods(call, object, METHODS, guarded)?;
    let beginning = Arc::clone(&store);
    let begin = function(scope, "transaction", move |call| {
        outside(call, beginning.held_by(), |call| {
            transaction(call, &beginning, limit)
        })
    })?;
    scope.set(object, "transaction", begin)?;
    brand(scope, object, Rc::new(Native(store)))?;
    Ok(object)
}

const METHODS: &[(&str, Method<Arc<dyn RecordStore>>)] = methods! { store,
    "init"() => store.init();
    "close"() => store.close().await;
    "healthCheck"() => store.health_check().await;
    "put"(record: json(0)) => store.put(record).await;
    "get"(id: text(0, "get(id)")) => store.get(&id).await;
    "delete"(id: text(0, "delete(id)"), hlc: hlc(1, "delete(hlc)")) => store.delete(&id, hlc).await;
    "query"(query: query) => store.query(query).await;
    "batch"(steps: operations) => store.batch(steps).await;
    "putMetadata"(type_id: text(0, "putMetadata(typeId)"), id: record_id_of_row, row: json(1)) =>
        store.put_metadata(&type_id, &id, row).await;
    "getMetadata"(type_id: text(0, "typeId"), id: text(1, "recordId")) =>
        store.get_metadata(&type_id, &id).await;
    "getMetadataByIds"(type_id: text(0, "typeId"), ids: ids_arg) =>
        store.get_metadata_by_ids(&type_id, ids).await.map(MetadataRows);
    "deleteMetadata"(type_id: text(0, "typeId"), id: text(1, "recordId")) =>
        store.delete_metadata(&type_id, &id).await;
    "getNodeWatermarks"() => store.node_watermarks().await;
};

fn record_id_of_row(call: &Call<'_>) -> Result<String> {
    let scope = call.scope;
    let id = scope.get(call.arg(1), "recordId")?;
    let text = scope.as_text(id);
    let text =
        text.ok_or_else(|| scope.must_be_some("putMetadata(row.recordId)", "a string", id))?;
    utf8(&text, "recordId")
}

fn ids_arg(call: &Call<'_>) -> Result<Vec<String>> {
    let scope = call.scope;
    let ids = elements(call, 1, "getMetadataByIds(recordIds)")?.into_iter();
    ids.enumerate()
        .map(|(index, id)| {
            let place = format!("getMetadataByIds(recordIds[{index}])");
            let text = scope.as_text(id);
            let text = text.ok_or_else(|| scope.must_be_some(&place, "a string", id))?;
            utf8(&text, "recordId")
        })
        .collect()
}

fn operations(call: &Call<'_>) -> Result<Vec<Operation>> {
    let scope = call.scope;
    let steps = elements(call, 0, "batch(operations)")?.into_iter();
    steps
        .enumerate()
        .map(|(index, step)| {
            let wrong = |part, what, value| {
                scope.must_be(&format!("batch(operations[{index}].{part})"), what, value)
            };
            let kind = scope.get(step, "type")?;
            match scope.as_string(kind).as_deref() {
                Some("put") => {
                    let record = scope.get(step, "record")?;
                    Ok(Operation::Put(stringify(scope, record)?))
                }
                Some("delete") => {
                    let [id, stamp] = scope.pick(step, ["id", "hlc"])?;
                    let text = scope
                        .as_text(id)
                        .ok_or_else(|| wrong("id", "a string", id))?;
                    let hlc = read_hlc(scope, stamp)?;
                    Ok(Operation::Delete {
                        id: utf8(&text, "id")?,
                        hlc: hlc.ok_or_else(|| wrong("hlc", TIMESTAMP, stamp))?,
                    })
                }
                _ => Err(wrong("type", "\"put\" or \"delete\"", kind)),
            }
        })
        .collect()
}

impl IntoJs for QueryResult {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        write_page(
            scope,
            ("records", &self.records),
            |scope, record| parse_json(scope, record),
            (self.next_cursor, self.has_more),
        )
    }
}

/// Rows of metadata by record id, as a `Map`.
struct MetadataRows(HashMap<String, Json>);

impl IntoJs for MetadataRows {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let map = scope.helper(Intrinsic::NewMap, &[])?;
        let set = scope.get(map, "set")?;
        for (id, row) in &self.0 {
            scope.call(map, set, &[scope.text(id)?, parse_json(scope, row)?])?;
        }
        Ok(map)
    }
}
