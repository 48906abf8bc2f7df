//! Any object storage of this package as an `ObjectStorageAdapter` object.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::{Native, add_methods, key_arg, limit_in, methods, promise, text, write_page};
use crate::engine::object::key_text;
use crate::error::Result;
use crate::node::error::invalid;
use crate::node::runtime::IntoJs;
use crate::node::value::{Call, Kind, Method, Scope, Value, brand};
use crate::store::{Listing, Object, ObjectStore, PutOptions};

/// The object that stands for `store`.
pub fn objects<'s>(call: &Call<'s>, store: Arc<dyn ObjectStore>) -> Result<Value<'s>> {
    let scope = call.scope;
    let object = scope.object()?;
    add_methods(call, object, METHODS, (&store, |_| None))?;
    brand(scope, object, Rc::new(Native(store)))?;
    Ok(object)
}

const METHODS: &[(&str, Method<Arc<dyn ObjectStore>>)] = methods! { store,
    "init"() => store.init();
    "close"() => store.close().await;
    "healthCheck"() => store.health_check().await;
    "put"(key: key("put(key)"), data: data_arg, options: put_options) => store.put(&key, data, options).await;
    "get"(key: key("get(key)")) => store.get(&key).await;
    "has"(key: key("has(key)")) => store.has(&key).await;
    "delete"(key: key("delete(key)")) => store.delete(&key).await;
    "list"(prefix: text(0, "list(prefix)"), page: list_options) => store.list(&prefix, page.0, page.1).await;
};

fn key(what: &'static str) -> impl Fn(&Call<'_>) -> Result<String> {
    move |call| key_text(&key_arg(call, what)?)
}

fn data_arg(call: &Call<'_>) -> Result<Bytes> {
    let (scope, data) = (call.scope, call.arg(1));
    let bytes = scope.as_bytes(data).map(Bytes::from);
    bytes.ok_or_else(|| scope.must_be_some("put(data)", "a Uint8Array", data))
}

fn put_options(call: &Call<'_>) -> Result<PutOptions> {
    let (scope, value) = (call.scope, call.arg(2));
    if scope.is_nullish(value)? {
        return Ok(PutOptions::default());
    }
    let [content_type, metadata] = scope.pick(value, ["contentType", "metadata"])?;
    Ok(PutOptions {
        content_type: scope.as_string(content_type),
        metadata: read_metadata(scope, metadata)?,
    })
}

fn read_metadata(scope: Scope<'_>, value: Value<'_>) -> Result<Option<BTreeMap<String, String>>> {
    if scope.kind(value)? != Kind::Object {
        return Ok(None);
    }
    let mut metadata = BTreeMap::new();
    for name in scope.elements(scope.own_names(value)?)? {
        let text = scope.property(value, name)?;
        let Some(text) = scope.as_string(text) else {
            let got = scope.describe(text, true)?;
            let what = format!("must be an object of strings, got {got} in it");
            return Err(invalid("put(options.metadata)", &what));
        };
        metadata.extend(scope.as_string(name).map(|name| (name, text)));
    }
    Ok(Some(metadata))
}

/// The limit and the cursor of a list.
fn list_options(call: &Call<'_>) -> Result<(Option<usize>, Option<String>)> {
    let (scope, options) = (call.scope, call.arg(1));
    if scope.is_nullish(options)? {
        return Ok((None, None));
    }
    let limit = limit_in(call, options, "list(limit)")?;
    Ok((limit, scope.as_string(scope.get(options, "cursor")?)))
}

impl IntoJs for Object {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let object = scope.object()?;
        scope.set(object, "data", scope.bytes(&self.data)?)?;
        if let Some(content_type) = &self.content_type {
            scope.set(object, "contentType", scope.text(content_type)?)?;
        }
        if let Some(metadata) = &self.metadata {
            let entries = scope.object()?;
            for (name, value) in metadata {
                scope.set(entries, name, scope.text(value)?)?;
            }
            scope.set(object, "metadata", entries)?;
        }
        scope.set(object, "size", scope.count(self.size)?)?;
        Ok(object)
    }
}

impl IntoJs for Listing {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        write_page(
            scope,
            ("keys", &self.keys),
            |scope, key| scope.text(key),
            (self.next_cursor, self.has_more),
        )
    }
}
