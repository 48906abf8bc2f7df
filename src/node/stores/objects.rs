//! Any object storage of this package as an `ObjectStorageAdapter` object.

use std::rc::Rc;
use std::sync::Arc;

use super::{Methods, Native, Page, add_methods, arguments, methods, promise, stand_for};
use crate::engine::object::key_text;
use crate::error::Result;
use crate::node::runtime::IntoJs;
use crate::node::value::{Call, Scope, Value};
use crate::protocol::text::Text;
use crate::store::{Object, ObjectStore, PutOptions};

/// The object that stands for `store`.
pub fn objects<'s>(call: &Call<'s>, store: Arc<dyn ObjectStore>) -> Result<Value<'s>> {
    let scope = call.scope;
    let object = scope.object()?;
    add_methods(scope, object, &[("put", put)], (&store, |_| None))?;
    add_methods(scope, object, METHODS, (&store, |_| None))?;
    stand_for(scope, "objects", object, Rc::new(Native(store)))
}

const METHODS: Methods<dyn ObjectStore> = methods! { store,
    "init"() => store.init();
    "close"() => store.close().await;
    "healthCheck"() => store.health_check().await;
    "get"(key: Text) => store.get(&key_text(&key)?).await;
    "has"(key: Text) => store.has(&key_text(&key)?).await;
    "delete"(key: Text) => store.delete(&key_text(&key)?).await;
    "list"(prefix: String, limit: Option<usize>, cursor: Option<String>) => {
        let page = store.list(&prefix, limit, cursor).await?;
        Ok(Page("keys", page.keys, page.next_cursor, page.has_more))
    };
};

fn put<'s>(call: &Call<'s>, store: &Arc<dyn ObjectStore>) -> Result<Value<'s>> {
    let (store, data) = (Arc::clone(store), bytes_arg(call));
    let given = arguments::<(Text, PutOptions)>(call).and_then(|given| Ok((given, data?)));
    let put = given.map(|((key, options), data)| async move {
        store.put(&key_text(&key)?, data.into(), options).await
    });
    promise(call, put)
}

/// The bytes of an object, which come as they are behind what is JSON.
pub fn bytes_arg(call: &Call<'_>) -> Result<Vec<u8>> {
    let (scope, data) = (call.scope, call.arg(2));
    let bytes = scope.as_bytes(data);
    bytes.ok_or_else(|| scope.must_be_some("put(data)", "a Uint8Array", data))
}

impl IntoJs for Object {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let object = scope.object()?;
        scope.set(object, "data", scope.bytes(&self.data)?)?;
        if let Some(content_type) = &self.content_type {
            scope.set(object, "contentType", scope.text(content_type)?)?;
        }
        if let Some(metadata) = self.metadata {
            let metadata = serde_json::json!(metadata).into_js(scope)?;
            scope.set(object, "metadata", metadata)?;
        }
        scope.set(object, "size", scope.count(self.size)?)?;
        Ok(object)
    }
}
