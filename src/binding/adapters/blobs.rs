//! Object storages.

use std::rc::Rc;

use super::direct::Direct;
use crate::binding::error::invalid;
use crate::binding::executor::{await_js, on_threads};
use crate::binding::js::{Handle, Kept, Key, Kind, Realm};
use crate::binding::stores::{NativeBlobs, utf8};
use crate::engine::ports::Blobs;
use crate::error::Result;
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::store::fs::PutOptions;

/// An `ObjectStorageAdapter` object, and the option it came in.
struct JsBlobs {
    storage: Handle,
    option: &'static str,
}

impl JsBlobs {
    fn operation(&self, key: Key) -> String {
        format!("{}.{}", self.option, key.name())
    }

    async fn has(&self, key: &Text) -> Result<bool> {
        let realm = self.storage.realm();
        await_js(
            realm,
            &self.operation(Key::Has),
            |scope, invoke| {
                let storage = self.storage.value(scope)?;
                invoke.method(
                    scope,
                    (storage, self.option),
                    Key::Has,
                    &[scope.string(key)?],
                )
            },
            |scope, answer| Ok(scope.as_boolean(answer).unwrap_or(false)),
        )
        .await
    }

    async fn get(&self, key: &Text) -> Result<Option<Kept>> {
        let realm = self.storage.realm();
        await_js(
            realm,
            &self.operation(Key::Get),
            |scope, invoke| {
                let storage = self.storage.value(scope)?;
                invoke.method(
                    scope,
                    (storage, self.option),
                    Key::Get,
                    &[scope.string(key)?],
                )
            },
            |scope, answer| {
                if scope.is_nullish(answer)? {
                    return Ok(None);
                }
                if scope.kind(answer)? != Kind::Object {
                    return Err(invalid(
                        &self.operation(Key::Get),
                        "answered neither an object nor null",
                    ));
                }
                realm
                    .keep(scope, scope.get(realm, answer, Key::Data)?)
                    .map(Some)
            },
        )
        .await
    }

    async fn put(&self, blob: &Blob, data: &Kept) -> Result<()> {
        let realm = self.storage.realm();
        await_js(
            realm,
            &self.operation(Key::Put),
            |scope, invoke| {
                let storage = self.storage.value(scope)?;
                let options = scope.object()?;
                let content_type = match &blob.mime_type {
                    Some(mime_type) => scope.string(mime_type)?,
                    None => scope.undefined()?,
                };
                scope.set(realm, options, Key::ContentType, content_type)?;
                let args = [scope.string(&blob.key)?, data.value(scope)?, options];
                invoke.method(scope, (storage, self.option), Key::Put, &args)
            },
            |_, _| Ok(()),
        )
        .await
    }
}

/// An object storage, of the app's or of this package.
pub struct AnyBlobs {
    js: JsBlobs,
    direct: Direct<NativeBlobs>,
}

/// An object's bytes, where they are.
pub enum Data {
    /// A `Uint8Array`.
    Js(Kept),
    /// On the native side.
    Bytes(Vec<u8>),
}

impl AnyBlobs {
    /// The storage that came in as `option`.
    pub fn new(storage: Handle, option: &'static str) -> Self {
        Self {
            js: JsBlobs { storage, option },
            direct: Direct::new(),
        }
    }

    /// Finds out whose storage it is. Once a round.
    pub fn look(&self) -> Result<()> {
        self.direct.look(&self.js.storage)
    }

    fn realm(&self) -> &Rc<Realm> {
        self.js.storage.realm()
    }
}

impl Blobs for AnyBlobs {
    type Data = Data;

    async fn has(&self, key: &Text) -> Result<bool> {
        let Some(native) = self.direct.get() else {
            return self.js.has(key).await;
        };
        let (store, key) = (native.0.clone(), utf8(key, "object key")?);
        on_threads(self.realm(), async move { store.has(&key).await }).await
    }

    async fn get(&self, key: &Text) -> Result<Option<Data>> {
        let Some(native) = self.direct.get() else {
            return Ok(self.js.get(key).await?.map(Data::Js));
        };
        let (store, key) = (native.0.clone(), utf8(key, "object key")?);
        let found = on_threads(self.realm(), async move { store.get(&key).await }).await?;
        Ok(found.map(|object| Data::Bytes(object.data)))
    }

    async fn put(&self, blob: &Blob, data: Data) -> Result<()> {
        let realm = self.realm();
        let Some(native) = self.direct.get() else {
            let data = match data {
                Data::Js(data) => data,
                Data::Bytes(bytes) => {
                    realm.scope(|scope| realm.keep(scope, scope.bytes(&bytes)?))?
                }
            };
            return self.js.put(blob, &data).await;
        };
        let bytes = match data {
            Data::Bytes(bytes) => bytes,
            Data::Js(data) => realm
                .scope(|scope| Ok(scope.as_bytes(data.value(scope)?)))?
                .ok_or_else(|| invalid("an object's data", "is a Uint8Array"))?,
        };
        let (store, key) = (native.0.clone(), utf8(&blob.key, "object key")?);
        let options = PutOptions {
            content_type: blob.mime_type.as_ref().map(ToString::to_string),
            metadata: None,
        };
        on_threads(realm, async move { store.put(&key, bytes, options).await }).await
    }
}
