//! Any store of shared records of this package as a `DatabaseAdapter` object.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::transaction::transaction;
use super::{Methods, Native, Page, add_methods, arguments, methods, outside, promise, stand_for};
use crate::error::Result;
use crate::node::options::Options;
use crate::node::runtime::IntoJs;
use crate::node::value::{Call, Scope, Value, function};
use crate::protocol::hlc::Hlc;
use crate::store::query::{Query, QueryResult};
use crate::store::{Operation, RecordStore};

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
    add_methods(scope, object, METHODS, (&store, |store| store.held_by()))?;
    let beginning = Arc::clone(&store);
    let begin = function(scope, "transaction", move |call| {
        outside(call, beginning.held_by(), |call| {
            transaction(call, &beginning, limit)
        })
    })?;
    scope.set(object, "transaction", begin)?;
    stand_for(scope, "records", object, Rc::new(Native(store)))
}

const METHODS: Methods<dyn RecordStore> = methods! { store,
    "init"() => store.init();
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
};

impl IntoJs for QueryResult {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        Page("records", self.records, self.next_cursor, self.has_more).into_js(scope)
    }
}
