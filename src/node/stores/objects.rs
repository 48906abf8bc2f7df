//! Any object storage of this package as an `ObjectStorageAdapter` object.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::{Native, add_methods, key_arg, limit_in, methods, promise, text, write_page};
use crate::engine::object::key_text;
use crate::error::Result;
use crate::node::error::must_be;
use crate::node::runtime::IntoJs;
use crate::node::value::{Call, Key, Kind, Method, Scope, Value, brand};
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
    bytes.ok_or_else(|| must_be("put(data)", "a Uint8Array", &scope.describe_kind(data)))
}

fn put_options(call: &Call<'_>) -> Result<PutOptions> {
    let (scope, value) = (call.scope, call.arg(2));
    if scope.is_nullish(value)? {
        return Ok(PutOptions::default());
    }
    let content_type = scope.get(value, Key::ContentType)?;
    let metadata = scope.get_named(value, "metadata")?;
    Ok(PutOptions {
        content_type: scope.as_text(content_type).map(|text| text.to_string()),
        metadata: read_metadata(scope, metadata)?,
    })
}

fn read_metadata(scope: Scope<'_>, value: Value<'_>) -> Result<Option<BTreeMap<String, String>>> {
    if scope.kind(value)? != Kind::Object {
        return Ok(None);
    }
    let names = scope.own_names(value)?;
    let mut metadata = BTreeMap::new();
    for index in 0..scope.length(names)? {
        let name = scope.element(names, index)?;
        let text = scope.property(value, name)?;
        let text = scope.as_text(text).ok_or_else(|| {
            let got = scope.describe_kind(text);
            must_be(
                "put(options.metadata)",
                "an object of strings",
                &format!("{got} in it"),
            )
        })?;
        metadata.extend(
            scope
                .as_text(name)
                .map(|name| (name.to_string(), text.to_string())),
        );
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
    let cursor = scope.as_text(scope.get(options, Key::Cursor)?);
    Ok((limit, cursor.map(|cursor| cursor.to_string())))
}

impl IntoJs for Object {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let object = scope.object()?;
        scope.set(object, Key::Data, scope.bytes(&self.data)?)?;
        if let Some(content_type) = &self.content_type {
            scope.set(object, Key::ContentType, scope.text(content_type)?)?;
        }
        if let Some(metadata) = &self.metadata {
            let entries = scope.object()?;
            for (name, value) in metadata {
                scope.set_named(entries, name, scope.text(value)?)?;
            }
            scope.set_named(object, "metadata", entries)?;
        }
        scope.set_named(object, "size", scope.count(self.size)?)?;
        Ok(object)
    }
}

impl IntoJs for Listing {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        write_page(
            scope,
            (Key::Keys, &self.keys),
            |scope, key| scope.text(key),
            (self.next_cursor, self.has_more),
        )
    }
}
