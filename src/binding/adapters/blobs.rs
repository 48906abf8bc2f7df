//! Object storages.

use std::rc::Rc;

use bytes::Bytes;

use super::direct::Direct;
use crate::binding::error::invalid;
use crate::binding::executor::{await_js, on_threads};
use crate::binding::http::{NativeFiles, collect};
use crate::binding::js::{Handle, Kept, Key, Kind, Realm};
use crate::binding::stores::{NativeBlobs, utf8};
use crate::engine::object::{Incoming, check};
use crate::engine::ports::Blobs;
use crate::error::Result;
use crate::protocol::item::{Blob, Digest};
use crate::protocol::text::Text;
use crate::store::fs::{FsObjects, PutOptions};

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
    folder: Direct<NativeBlobs>,
    peer: Direct<NativeFiles>,
}

/// Whose storage it is.
enum Storage {
    /// The app's.
    App,
    /// A folder.
    Folder(FsObjects),
    /// A peer's files.
    Peer(Rc<NativeFiles>),
}

/// An object's bytes, where they are.
pub enum Data {
    /// A `Uint8Array`.
    Js(Kept),
    /// On the native side, still to come.
    Native(Incoming),
}

impl AnyBlobs {
    /// The storage that came in as `option`.
    pub fn new(storage: Handle, option: &'static str) -> Self {
        Self {
            js: JsBlobs { storage, option },
            folder: Direct::new(),
            peer: Direct::new(),
        }
    }

    /// Finds out whose storage it is. Once a round.
    pub fn look(&self) -> Result<()> {
        self.folder.look(&self.js.storage)?;
        self.peer.look(&self.js.storage)
    }

    fn realm(&self) -> &Rc<Realm> {
        self.js.storage.realm()
    }

    fn storage(&self) -> Storage {
        match (self.folder.get(), self.peer.get()) {
            (Some(folder), _) => Storage::Folder(folder.0.clone()),
            (None, Some(peer)) => Storage::Peer(peer),
            (None, None) => Storage::App,
        }
    }

    fn bytes_of(&self, data: &Kept) -> Result<Bytes> {
        let bytes = self
            .realm()
            .scope(|scope| Ok(scope.as_bytes(data.value(scope)?)))?;
        bytes
            .map(Bytes::from)
            .ok_or_else(|| invalid("an object's data", "is a Uint8Array"))
    }
}

impl Blobs for AnyBlobs {
    type Data = Data;

    async fn checked(&self, blob: &Blob, digest: Digest, data: Data) -> Result<Data> {
        match data {
            Data::Native(object) => Ok(Data::Native(object.checked(blob, digest))),
            Data::Js(data) => {
                let (bytes, blob) = (self.bytes_of(&data)?, blob.clone());
                on_threads(self.realm(), async move { check(&blob, digest, &bytes) }).await?;
                Ok(Data::Js(data))
            }
        }
    }

    async fn has(&self, key: &Text) -> Result<bool> {
        match self.storage() {
            Storage::App => self.js.has(key).await,
            Storage::Peer(peer) => peer.has(key).await,
            Storage::Folder(folder) => {
                let key = utf8(key, "object key")?;
                on_threads(self.realm(), async move { folder.has(&key).await }).await
            }
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Data>> {
        match self.storage() {
            Storage::App => Ok(self.js.get(key).await?.map(Data::Js)),
            Storage::Peer(peer) => Ok(peer.get(key).await?.map(Data::Native)),
            Storage::Folder(folder) => {
                let key = utf8(key, "object key")?;
                let found = on_threads(self.realm(), async move { folder.open_object(&key).await });
                Ok(found.await?.map(Incoming::from).map(Data::Native))
            }
        }
    }

    async fn put(&self, blob: &Blob, data: Data) -> Result<()> {
        let realm = self.realm();
        let content_type = blob.mime_type.as_ref().map(ToString::to_string);
        match (self.storage(), data) {
            (Storage::App, Data::Js(data)) => self.js.put(blob, &data).await,
            (Storage::App, Data::Native(object)) => {
                let bytes = on_threads(realm, collect(object)).await?;
                let data = realm.scope(|scope| realm.keep(scope, scope.bytes(&bytes)?))?;
                self.js.put(blob, &data).await
            }
            (Storage::Peer(peer), Data::Js(data)) => {
                let bytes = self.bytes_of(&data)?;
                peer.put_bytes(&blob.key, bytes, content_type.as_deref())
                    .await
            }
            (Storage::Peer(peer), Data::Native(object)) => {
                let object = Incoming {
                    content_type,
                    ..object
                };
                peer.put(&blob.key, object).await
            }
            (Storage::Folder(folder), data) => {
                let key = utf8(&blob.key, "object key")?;
                let options = PutOptions {
                    content_type,
                    metadata: None,
                };
                match data {
                    Data::Js(data) => {
                        let bytes = self.bytes_of(&data)?;
                        let put = async move { folder.put(&key, bytes, options).await };
                        on_threads(realm, put).await
                    }
                    Data::Native(object) => {
                        let put =
                            async move { folder.put_chunks(&key, options, object.chunks).await };
                        on_threads(realm, put).await
                    }
                }
            }
        }
    }
}
