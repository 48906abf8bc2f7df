//! `createFileSyncEngine()` and `residencyOf()`

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use super::adapters::AnyBlobs;
use super::error::must_be;
use super::known_options::FILE_SYNC_ENGINE;
use super::runtime::{IntoJs, await_js, spawn};
use super::value::{Call, Env, Handle, Key, Kind, Persistent, Scope, Value, function};
use crate::engine::blobs::copy;
use crate::engine::ports::Blobs;
use crate::error::Result;
use crate::protocol::item::{Blob, Residency};
use crate::protocol::text::Text;

/// The keys that are on their way.
#[derive(Default)]
struct InFlight(RefCell<HashSet<Text>>);

struct Flight {
    keys: Rc<InFlight>,
    key: Text,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.keys.0.borrow_mut().remove(&self.key);
    }
}

/// `createFileSyncEngine()`
pub fn create_file_sync_engine<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    FILE_SYNC_ENGINE.check(scope, env, call.arg(0))?;
    let keys: Rc<InFlight> = Rc::default();
    let object = scope.object()?;
    let asked = Rc::clone(&keys);
    let is_in_flight = function(scope, env, "isTransferInFlight", move |call| {
        let key = call.scope.as_text(call.arg(0));
        let running = key.is_some_and(|key| asked.0.borrow().contains(&key));
        call.scope.boolean(running)
    })?;
    scope.set_named(object, "isTransferInFlight", is_in_flight)?;
    let push = function(scope, env, "getFilesToPush", |call| {
        list_missing(call, 0, 1)
    })?;
    scope.set_named(object, "getFilesToPush", push)?;
    let pull = function(scope, env, "getFilesToPull", |call| {
        list_missing(call, 1, 0)
    })?;
    scope.set_named(object, "getFilesToPull", pull)?;
    let transfer = function(scope, env, "transferFile", move |call| {
        transfer_file(call, &keys)
    })?;
    scope.set_named(object, "transferFile", transfer)?;
    Ok(object)
}

fn storage(call: &Call<'_>, index: usize, option: &'static str) -> Result<AnyBlobs> {
    let storage = call.env.keep(call.scope, call.arg(index))?;
    let storage = AnyBlobs::new(Handle::Persistent(storage), option);
    storage.look()?;
    Ok(storage)
}

fn transfer_file<'s>(call: &Call<'s>, keys: &Rc<InFlight>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let manifest = call.arg(0);
    let got = match scope.kind(manifest)? {
        Kind::Object => "an object without one".to_owned(),
        _ => scope.describe_kind(manifest),
    };
    let blob = if scope.kind(manifest)? == Kind::Object {
        let key = scope.as_text(scope.get(env, manifest, Key::ObjectStorageKey)?);
        let mime_type = scope.as_text(scope.get(env, manifest, Key::MimeType)?);
        key.map(|key| Blob {
            mime_type,
            ..Blob::under(key)
        })
    } else {
        None
    };
    let (source, destination) = (
        storage(call, 1, "source")?,
        storage(call, 2, "destination")?,
    );
    let flight = blob
        .as_ref()
        .filter(|blob| keys.0.borrow_mut().insert(blob.key.clone()))
        .map(|blob| Flight {
            keys: Rc::clone(keys),
            key: blob.key.clone(),
        });
    spawn(scope, env, async move {
        let blob = blob.ok_or_else(|| {
            must_be(
                "transferFile(manifest)",
                "an object with a string `objectStorageKey`",
                &got,
            )
        })?;
        match flight {
            Some(_flight) => copy(&source, &destination, &blob).await,
            None => Ok(false),
        }
    })
}

/// The entries that one storage has and the other lacks, as manifests.
struct Manifests(Vec<Persistent>);

impl IntoJs for Manifests {
    fn into_js<'s>(self, scope: Scope<'s>, _: &Rc<Env>) -> Result<Value<'s>> {
        let list = scope.array()?;
        for (index, manifest) in (0u32..).zip(&self.0) {
            scope.set_element(list, index, manifest.value(scope)?)?;
        }
        Ok(list)
    }
}

fn list_missing<'s>(call: &Call<'s>, has: usize, lacks: usize) -> Result<Value<'s>> {
    let names = ["localStorage", "remoteStorage"];
    let having = call.env.keep(call.scope, call.arg(has))?;
    let lacking = storage(call, lacks, names[lacks])?;
    let entries = call.env.keep(call.scope, call.arg(2))?;
    let env = Rc::clone(call.env);
    spawn(call.scope, call.env, async move {
        let entries = read_entries(&env, &entries)?;
        let mut manifests = Vec::new();
        for (key, entry) in entries {
            if !lacking.has(&key).await? {
                manifests.extend(manifest(&env, &having, names[has], &key, &entry).await?);
            }
        }
        Ok(Manifests(manifests))
    })
}

fn read_entries(env: &Rc<Env>, entries: &Persistent) -> Result<Vec<(Text, Persistent)>> {
    env.scope(|scope| {
        let list = entries.value(scope)?;
        if !scope.is_array(list)? {
            let got = scope.describe_kind(list);
            return Err(must_be("entries", "an array of { key, mimeType? }", &got));
        }
        let mut read = Vec::new();
        for index in 0..scope.length(list)? {
            let entry = scope.element(list, index)?;
            let key = match scope.kind(entry)? {
                Kind::Object => scope.as_text(scope.get_named(entry, "key")?),
                _ => None,
            };
            let key = key.ok_or_else(|| {
                let got = scope.describe_kind(entry);
                must_be(
                    &format!("entries[{index}]"),
                    "an object with a string `key`",
                    &got,
                )
            })?;
            read.push((key, env.keep(scope, entry)?));
        }
        Ok(read)
    })
}

/// The manifest of an object that the storage has.
async fn manifest(
    env: &Rc<Env>,
    storage: &Persistent,
    option: &str,
    key: &Text,
    entry: &Persistent,
) -> Result<Option<Persistent>> {
    await_js(
        env,
        &format!("{option}.get"),
        |scope, invoke| {
            let storage = storage.value(scope)?;
            invoke.method(scope, (storage, option), Key::Get, &[scope.string(key)?])
        },
        |scope, object| {
            if scope.is_nullish(object)? {
                return Ok(None);
            }
            let manifest = scope.object()?;
            scope.set_named(manifest, "fileHash", scope.string(key)?)?;
            scope.set(env, manifest, Key::ObjectStorageKey, scope.string(key)?)?;
            scope.set_named(manifest, "sizeBytes", scope.get_named(object, "size")?)?;
            let mime_type = scope.get(env, entry.value(scope)?, Key::MimeType)?;
            scope.set(env, manifest, Key::MimeType, mime_type)?;
            env.keep(scope, manifest).map(Some)
        },
    )
    .await
}

/// The name of a residency.
struct ResidencyName(Residency);

impl IntoJs for ResidencyName {
    fn into_js<'s>(self, scope: Scope<'s>, _: &Rc<Env>) -> Result<Value<'s>> {
        scope.text(self.0.name())
    }
}

/// `residencyOf(recordRow, localStorage)`
pub fn residency_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let row = call.arg(0);
    if scope.is_nullish(row)? {
        return spawn(scope, env, async { Ok(ResidencyName(Residency::Absent)) });
    }
    if !scope.is_nullish(scope.get(env, row, Key::DeletedAtColumn)?)? {
        return spawn(scope, env, async {
            Ok(ResidencyName(Residency::Tombstoned))
        });
    }
    let key = scope.get(env, row, Key::ObjectStorageKeyColumn)?;
    let got = scope.describe_kind(key);
    let key = scope.as_text(key);
    let storage = storage(call, 1, "localStorage")?;
    spawn(scope, env, async move {
        let key = key.ok_or_else(|| {
            must_be(
                "residencyOf(recordRow.object_storage_key)",
                "a string",
                &got,
            )
        })?;
        Ok(ResidencyName(Residency::of_live_row(
            storage.has(&key).await?,
        )))
    })
}
