//! Object storages.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::direct::Direct;
use super::off_thread::OffThread;
use crate::engine::object::{Incoming, compare, measure};
use crate::engine::ports::{Blobs, Stat};
use crate::error::{Error, Result};
use crate::node::convert::read_size;
use crate::node::error::{invalid, must_be};
use crate::node::http::{FetchFiles, NativeFiles, collect};
use crate::node::runtime::{await_js, on_threads};
use crate::node::stores::NativeBlobs;
use crate::node::value::{Env, Handle, Key, Kind, Persistent, Scope, Value};
use crate::protocol::item::{Blob, Digest};
use crate::protocol::text::Text;
use crate::store::ObjectStore;
use crate::store::ports::{ObjectPort, Port};

/// An `ObjectStorageAdapter` object, and the option it came in.
pub struct JsBlobs {
    storage: Handle,
    option: &'static str,
}

impl JsBlobs {
    /// The storage that came in as `option`.
    pub fn new(storage: Handle, option: &'static str) -> Self {
        Self { storage, option }
    }

    /// The env of the storage.
    pub fn env(&self) -> &Rc<Env> {
        self.storage.env()
    }

    /// What of this package is behind the storage, if anything of that kind is.
    pub fn native<T: 'static>(&self) -> Result<Option<Rc<T>>> {
        self.storage.native::<T>()
    }

    /// The storage itself.
    pub fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        self.storage.value(scope)
    }

    /// How an answer of the function `key` is wrong.
    pub fn wrong(&self, key: Key, what: &str) -> Error {
        invalid(&self.operation(key), what)
    }

    fn operation(&self, key: Key) -> String {
        format!("{}.{}", self.option, key.name())
    }

    /// Calls the function `method` and reads what it answers.
    async fn call<T>(
        &self,
        method: Key,
        args: impl for<'s> FnOnce(Scope<'s>) -> Result<Vec<Value<'s>>>,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<T>,
    ) -> Result<T> {
        await_js(
            self.env(),
            &self.operation(method),
            |scope, invoke| {
                let storage = (self.value(scope)?, self.option);
                invoke.method(scope, storage, method, &args(scope)?)
            },
            read,
        )
        .await
    }

    /// Whether there is an object.
    pub async fn has(&self, key: &Text) -> Result<bool> {
        self.call(
            Key::Has,
            |scope| Ok(vec![scope.string(key)?]),
            |scope, answer| Ok(scope.is_truthy(answer)),
        )
        .await
    }

    /// Whether the app's storage can say what an object is without handing it out.
    pub fn has_stat(&self) -> Result<bool> {
        let env = self.env();
        env.scope(|scope| {
            let storage = self.value(scope)?;
            if !matches!(scope.kind(storage)?, Kind::Object | Kind::Function) {
                return Ok(false);
            }
            Ok(scope.kind(scope.get(env, storage, Key::Stat)?)? == Kind::Function)
        })
    }

    /// What is known of an object, if there is one.
    pub async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        if !self.has_stat()? {
            return Ok(self.has(key).await?.then(Stat::default));
        }
        let env = self.env();
        self.call(
            Key::Stat,
            |scope| Ok(vec![scope.string(key)?]),
            |scope, answer| match scope.kind(answer)? {
                Kind::Undefined | Kind::Null => Ok(None),
                Kind::Object => {
                    let hash = scope.get_named(answer, "contentHash")?;
                    let hash = scope.as_text(hash).and_then(|hash| hash.to_utf8());
                    Ok(Some(Stat {
                        size: read_size(scope, scope.get(env, answer, Key::Size)?),
                        digest: hash.and_then(|hash| Digest::parse(&hash)),
                        is_page: false,
                    }))
                }
                _ => Err(self.wrong(Key::Stat, "answered neither an object nor null")),
            },
        )
        .await
    }

    /// The object, if there is one, as `read` makes it of the answer.
    pub async fn get<T>(
        &self,
        key: &Text,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.call(
            Key::Get,
            |scope| Ok(vec![scope.string(key)?]),
            |scope, answer| match scope.kind(answer)? {
                Kind::Undefined | Kind::Null => Ok(None),
                Kind::Object => read(scope, answer).map(Some),
                _ => Err(self.wrong(
                    Key::Get,
                    "must answer an object or null, got something else",
                )),
            },
        )
        .await
    }

    /// Stores an object of the bytes that `data` makes.
    pub async fn put(
        &self,
        key: &Text,
        content_type: Option<&Text>,
        data: impl for<'s> FnOnce(Scope<'s>) -> Result<Value<'s>>,
    ) -> Result<()> {
        self.call(
            Key::Put,
            |scope| {
                let options = scope.object()?;
                let content_type = match content_type {
                    Some(content_type) => scope.string(content_type)?,
                    None => scope.undefined()?,
                };
                scope.set(self.env(), options, Key::ContentType, content_type)?;
                Ok(vec![scope.string(key)?, data(scope)?, options])
            },
            |_, _| Ok(()),
        )
        .await
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &Text) -> Result<()> {
        self.call(
            Key::Delete,
            |scope| Ok(vec![scope.string(key)?]),
            |_, _| Ok(()),
        )
        .await
    }
}

/// An object storage, of the app's or of this package.
pub struct AnyBlobs {
    js: JsBlobs,
    store: Direct<NativeBlobs>,
    peer: Direct<NativeFiles>,
    fetch: Direct<FetchFiles>,
}

/// A storage of this package.
pub enum NativeStorage {
    /// A store.
    Store(Arc<dyn ObjectStore>),
    /// A peer's files.
    Peer(Rc<NativeFiles>),
}

/// An object's bytes, where they are.
pub enum Data {
    /// A `Uint8Array`.
    Js(Persistent),
    /// On the native side, still to come.
    Native(Incoming),
}

impl AnyBlobs {
    /// The storage that came in as `option`.
    pub fn new(storage: Handle, option: &'static str) -> Self {
        Self {
            js: JsBlobs::new(storage, option),
            store: Direct::new(),
            peer: Direct::new(),
            fetch: Direct::new(),
        }
    }

    /// Finds out whose storage it is. Once a round.
    pub fn look(&self) -> Result<()> {
        self.store.look(&self.js.storage)?;
        self.fetch.look(&self.js.storage)?;
        self.peer.look(&self.js.storage)
    }

    fn env(&self) -> &Rc<Env> {
        self.js.env()
    }

    /// What is behind it, if it is this package's own.
    pub fn native(&self) -> Option<NativeStorage> {
        match self.store.get() {
            Some(store) => Some(NativeStorage::Store(Arc::clone(&store.0))),
            None => self.peer.get().map(NativeStorage::Peer),
        }
    }

    /// A store as a port, whose work is done off this thread.
    fn port(&self, store: Arc<dyn ObjectStore>) -> ObjectPort<OffThread> {
        let place = OffThread(Rc::clone(self.env()));
        Port { store, place }
    }

    fn bytes_of(&self, data: &Persistent) -> Result<Bytes> {
        self.env().scope(|scope| {
            let data = data.value(scope)?;
            scope.as_bytes(data).map(Bytes::from).ok_or_else(|| {
                must_be(
                    "an object's data",
                    "a Uint8Array",
                    &scope.describe_kind(data),
                )
            })
        })
    }
}

impl Blobs for AnyBlobs {
    type Data = Data;

    async fn checked(&self, blob: &Blob, hashed: bool, data: Data) -> Result<Data> {
        let hashed = hashed && blob.digest.is_some();
        match data {
            Data::Native(object) => Ok(Data::Native(object.checked(blob, hashed)?)),
            Data::Js(data) if hashed => {
                let (bytes, blob) = (self.bytes_of(&data)?, blob.clone());
                let check = async move { compare(&blob, &measure(&bytes)) };
                on_threads(self.env(), check).await?;
                Ok(Data::Js(data))
            }
            Data::Js(data) => {
                let size = self
                    .env()
                    .scope(|scope| Ok(scope.byte_length(data.value(scope)?)))?;
                let stat = Stat {
                    size,
                    ..Stat::default()
                };
                compare(blob, &stat)?;
                Ok(Data::Js(data))
            }
        }
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        if let Some(fetch) = self.fetch.get() {
            return fetch.stat(key).await;
        }
        match self.native() {
            None => self.js.stat(key).await,
            Some(NativeStorage::Peer(peer)) => peer.0.stat(key).await,
            Some(NativeStorage::Store(store)) => self.port(store).stat(key).await,
        }
    }

    async fn fetch(&self, blob: &Blob) -> Result<Option<Data>> {
        match self.fetch.get() {
            Some(fetch) => Ok(fetch.get(blob).await?.map(|whole| Data::Js(whole.data))),
            None => self.get(&blob.key).await,
        }
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        match self.get(key).await? {
            None => Ok(None),
            Some(Data::Native(object)) => on_threads(self.env(), object.measured()).await.map(Some),
            Some(Data::Js(data)) => {
                let bytes = self.bytes_of(&data)?;
                let measuring = async move { Ok(Some(measure(&bytes))) };
                on_threads(self.env(), measuring).await
            }
        }
    }

    async fn has(&self, key: &Text) -> Result<bool> {
        match self.native() {
            None => self.js.has(key).await,
            Some(NativeStorage::Peer(peer)) => peer.0.has(key).await,
            Some(NativeStorage::Store(store)) => self.port(store).has(key).await,
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Data>> {
        match self.native() {
            None => {
                let env = self.env();
                let keep = |scope: Scope<'_>, object: Value<'_>| {
                    env.keep(scope, scope.get(env, object, Key::Data)?)
                };
                Ok(self.js.get(key, keep).await?.map(Data::Js))
            }
            Some(NativeStorage::Peer(peer)) => Ok(peer.0.get(key).await?.map(Data::Native)),
            Some(NativeStorage::Store(store)) => {
                Ok(self.port(store).get(key).await?.map(Data::Native))
            }
        }
    }

    async fn put(&self, blob: &Blob, data: Data) -> Result<()> {
        let env = self.env();
        if let Some(fetch) = self.fetch.get() {
            let data = match data {
                Data::Js(data) => data,
                Data::Native(object) => {
                    let bytes = on_threads(env, collect(object)).await?;
                    env.scope(|scope| env.keep(scope, scope.bytes(&bytes)?))?
                }
            };
            return fetch.store(blob, &data).await;
        }
        match (self.native(), data) {
            (None, Data::Js(data)) => {
                let put = self.js.put(&blob.key, blob.mime_type.as_ref(), |scope| {
                    data.value(scope)
                });
                put.await
            }
            (None, Data::Native(object)) => {
                let bytes = on_threads(env, collect(object)).await?;
                let put = self
                    .js
                    .put(&blob.key, blob.mime_type.as_ref(), move |scope| {
                        scope.bytes(&bytes)
                    });
                put.await
            }
            (Some(NativeStorage::Peer(peer)), Data::Js(data)) => {
                let bytes = self.bytes_of(&data)?;
                peer.0.store_bytes(blob, bytes).await
            }
            (Some(NativeStorage::Peer(peer)), Data::Native(object)) => {
                peer.0.put(blob, object).await
            }
            (Some(NativeStorage::Store(store)), Data::Js(data)) => {
                let bytes = self.bytes_of(&data)?;
                self.port(store).put_bytes(blob, bytes).await
            }
            (Some(NativeStorage::Store(store)), Data::Native(object)) => {
                self.port(store).put(blob, object).await
            }
        }
    }
}
