//! Any object storage of this package as an `ObjectStorageAdapter` object.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::{key_arg, object_of, promise, string_arg};
use crate::engine::object::key_text;
use crate::error::Result;
use crate::node::error::must_be;
use crate::node::runtime::IntoJs;
use crate::node::value::{Call, Env, Key, Kind, Method, Scope, Value, brand};
use crate::protocol::message::as_count;
use crate::store::{Listing, Object, ObjectStore, PutOptions};

/// What is behind the storage object.
pub struct NativeBlobs(pub Arc<dyn ObjectStore>);

/// The object that stands for `store`.
pub fn objects<'s>(call: &Call<'s>, store: Arc<dyn ObjectStore>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let object = object_of(call, METHODS, &store)?;
    brand(scope, env, object, Rc::new(NativeBlobs(store)))?;
    Ok(object)
}

const METHODS: &[(&str, Method<Arc<dyn ObjectStore>>)] = &[
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
    ("put", put),
    ("get", |call, store| {
        let store = Arc::clone(store);
        let key = key(call, "get(key)");
        promise(
            call,
            key.map(|key| async move { store.get(&key).await.map(ObjectFound) }),
        )
    }),
    ("has", |call, store| {
        let store = Arc::clone(store);
        let key = key(call, "has(key)");
        promise(call, key.map(|key| async move { store.has(&key).await }))
    }),
    ("delete", |call, store| {
        let store = Arc::clone(store);
        let key = key(call, "delete(key)");
        promise(call, key.map(|key| async move { store.delete(&key).await }))
    }),
    ("list", list),
];

fn key(call: &Call<'_>, what: &str) -> Result<String> {
    key_text(&key_arg(call, what)?)
}

fn put<'s>(call: &Call<'s>, store: &Arc<dyn ObjectStore>) -> Result<Value<'s>> {
    let store = Arc::clone(store);
    let arguments = || -> Result<_> {
        let key = key(call, "put(key)")?;
        let data = call.scope.as_bytes(call.arg(1));
        let data = data.ok_or_else(|| {
            let got = call.scope.describe_kind(call.arg(1));
            must_be("put(data)", "a Uint8Array", &got)
        })?;
        Ok((key, Bytes::from(data), put_options(call)?))
    };
    let work =
        arguments().map(|(key, data, options)| async move { store.put(&key, data, options).await });
    promise(call, work)
}

fn put_options(call: &Call<'_>) -> Result<PutOptions> {
    let (scope, value) = (call.scope, call.arg(2));
    if scope.is_nullish(value)? {
        return Ok(PutOptions::default());
    }
    let content_type = scope.get(call.env, value, Key::ContentType)?;
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

fn list<'s>(call: &Call<'s>, store: &Arc<dyn ObjectStore>) -> Result<Value<'s>> {
    let store = Arc::clone(store);
    let arguments = || -> Result<_> {
        let prefix = string_arg(call, 0, "list(prefix)")?;
        let (scope, options) = (call.scope, call.arg(1));
        if scope.is_nullish(options)? {
            return Ok((prefix, None, None));
        }
        let limit = scope.get(call.env, options, Key::Limit)?;
        let limit = match scope.as_number(limit) {
            Some(number) => Some(as_count(number).ok_or_else(|| {
                must_be("list(limit)", "a positive integer", &scope.describe(limit))
            })?),
            None => None,
        };
        let cursor = scope.as_text(scope.get(call.env, options, Key::Cursor)?);
        Ok((prefix, limit, cursor.map(|cursor| cursor.to_string())))
    };
    let work = arguments()
        .map(|(prefix, limit, cursor)| async move { store.list(&prefix, limit, cursor).await });
    promise(call, work)
}

/// An object that was asked for.
struct ObjectFound(Option<Object>);

impl IntoJs for ObjectFound {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        let Some(found) = self.0 else {
            return scope.null();
        };
        let object = scope.object()?;
        scope.set(env, object, Key::Data, scope.bytes(&found.data)?)?;
        if let Some(content_type) = &found.content_type {
            scope.set(env, object, Key::ContentType, scope.text(content_type)?)?;
        }
        if let Some(metadata) = &found.metadata {
            let entries = scope.object()?;
            for (name, value) in metadata {
                scope.set_named(entries, name, scope.text(value)?)?;
            }
            scope.set_named(object, "metadata", entries)?;
        }
        scope.set_named(object, "size", scope.count(found.size)?)?;
        Ok(object)
    }
}

impl IntoJs for Listing {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        let object = scope.object()?;
        let keys = scope.array()?;
        for (index, key) in (0u32..).zip(&self.keys) {
            scope.set_element(keys, index, scope.text(key)?)?;
        }
        scope.set_named(object, "keys", keys)?;
        let next = match &self.next_cursor {
            Some(cursor) => scope.text(cursor)?,
            None => scope.null()?,
        };
        scope.set(env, object, Key::NextCursor, next)?;
        scope.set(env, object, Key::HasMore, scope.boolean(self.has_more)?)?;
        Ok(object)
    }
}
