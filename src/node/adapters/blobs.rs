//! Object storages.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::direct::{Direct, OffThread};
use crate::engine::object::{Incoming, compare, measure};
use crate::engine::ports::{Blobs, Stat};
use crate::error::Result;
use crate::node::convert::read_size;
use crate::node::error::must_be;
use crate::node::http::{FetchPeer, NativeFiles, collect};
use crate::node::runtime::{JsObject, on_threads};
use crate::node::value::{Env, Key, Kind, Persistent, Scope, Value};
use crate::protocol::item::{Blob, Digest};
use crate::protocol::text::Text;
use crate::store::ObjectStore;
use crate::store::ports::ObjectPort;

/// An `ObjectStorageAdapter` object.
pub struct JsBlobs(pub JsObject);

impl JsBlobs {
    /// Whether there is an object.
    pub async fn has(&self, key: &Text) -> Result<bool> {
        self.0
            .call(
                Key::Has,
                |scope| Ok(vec![scope.string(key)?]),
                |scope, answer| Ok(scope.is_truthy(answer)),
            )
            .await
    }

    /// What the method answers for the key: an object that `read` reads, or nothing.
    async fn find<T>(
        &self,
        method: Key,
        key: &Text,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.0
            .call(
                method,
                |scope| Ok(vec![scope.string(key)?]),
                |scope, answer| match (scope.kind(answer)?, method) {
                    (Kind::Undefined | Kind::Null, _) => Ok(None),
                    (Kind::Object, _) => read(scope, answer).map(Some),
                    (_, Key::Stat) => {
                        Err(self.0.wrong(method, "answered neither an object nor null"))
                    }
                    _ => Err(self
                        .0
                        .wrong(method, "must answer an object or null, got something else")),
                },
            )
            .await
    }

    /// What is known of an object, if there is one. An app's storage need not be able to say it without handing
    /// the object out.
    pub async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        if !self.0.has(Key::Stat)? {
            return Ok(self.has(key).await?.then(Stat::default));
        }
        self.find(Key::Stat, key, |scope, answer| {
            let hash = scope.get(answer, Key::ContentHash)?;
            let hash = scope.as_text(hash).and_then(|hash| hash.to_utf8());
            Ok(Stat {
                size: read_size(scope, scope.get(answer, Key::Size)?),
                digest: hash.and_then(|hash| Digest::parse(&hash)),
                is_page: false,
            })
        })
        .await
    }

    /// The object, if there is one, as `read` makes it of the answer.
    pub async fn get<T>(
        &self,
        key: &Text,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.find(Key::Get, key, read).await
    }

    /// Stores an object of the bytes that `data` makes.
    pub async fn put(
        &self,
        key: &Text,
        content_type: Option<&Text>,
        data: impl for<'s> FnOnce(Scope<'s>) -> Result<Value<'s>>,
    ) -> Result<()> {
        let storage = &self.0;
        storage
            .tell(Key::Put, |scope| {
                let options = scope.object()?;
                let content_type = match content_type {
                    Some(content_type) => scope.string(content_type)?,
                    None => scope.undefined()?,
                };
                scope.set(options, Key::ContentType, content_type)?;
                Ok(vec![scope.string(key)?, data(scope)?, options])
            })
            .await
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &Text) -> Result<()> {
        self.0
            .tell(Key::Delete, |scope| Ok(vec![scope.string(key)?]))
            .await
    }
}

/// An object storage, of the app's or of this package.
pub struct AnyBlobs {
    js: JsBlobs,
    store: Direct<dyn ObjectStore>,
    peer: RefCell<Option<Rc<NativeFiles>>>,
    fetch: RefCell<Option<Rc<FetchPeer>>>,
}

/// A storage of this package.
pub enum NativeStorage {
    /// A store.
    Store(Arc<dyn ObjectStore>),
    /// A peer's files.
    Peer(Rc<NativeFiles>),
}

enum Found {
    Store(ObjectPort<OffThread>),
    Peer(Rc<NativeFiles>),
    App,
}

/// An object's bytes, where they are.
pub enum Data {
    /// A `Uint8Array`.
    Js(Persistent),
    /// On the native side, still to come.
    Native(Incoming),
}

impl AnyBlobs {
    /// The storage.
    pub fn new(storage: JsObject) -> Self {
        Self {
            js: JsBlobs(storage),
            store: Direct::new(),
            peer: RefCell::default(),
            fetch: RefCell::default(),
        }
    }

    /// Finds out whose storage it is. Once a round.
    pub fn look(&self) -> Result<()> {
        self.store.look(&self.js.0)?;
        self.peer.replace(self.js.0.native()?);
        self.fetch.replace(self.js.0.native()?);
        Ok(())
    }

    fn env(&self) -> &Rc<Env> {
        self.js.0.env()
    }

    fn over_fetch(&self) -> Option<Rc<FetchPeer>> {
        self.fetch.borrow().clone()
    }

    /// What is behind it, if it is this package's own.
    pub fn native(&self) -> Option<NativeStorage> {
        match self.store.get() {
            Some(store) => Some(NativeStorage::Store(store)),
            None => self.peer.borrow().clone().map(NativeStorage::Peer),
        }
    }

    /// What is behind it, a store as a port, whose work is done off this thread.
    fn found(&self) -> Found {
        let peer = || self.peer.borrow().clone().map(Found::Peer);
        let store = self.store.port(self.env()).map(Found::Store);
        store.or_else(peer).unwrap_or(Found::App)
    }

    /// The bytes as a value of JavaScript.
    async fn js_data(&self, data: Data) -> Result<Persistent> {
        let env = self.env();
        match data {
            Data::Js(data) => Ok(data),
            Data::Native(object) => {
                let bytes = on_threads(env, collect(object)).await?;
                env.scope(|scope| scope.keep(scope.bytes(&bytes)?))
            }
        }
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
        if let Some(fetch) = self.over_fetch() {
            return fetch.stat(key).await;
        }
        match self.found() {
            Found::App => self.js.stat(key).await,
            Found::Peer(peer) => peer.0.stat(key).await,
            Found::Store(store) => store.stat(key).await,
        }
    }

    async fn fetch(&self, blob: &Blob) -> Result<Option<Data>> {
        match self.over_fetch() {
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
        match self.found() {
            Found::App => self.js.has(key).await,
            Found::Peer(peer) => peer.0.has(key).await,
            Found::Store(store) => store.has(key).await,
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Data>> {
        match self.found() {
            Found::App => {
                let found = self.js.get(key, |scope, object| {
                    scope.keep(scope.get(object, Key::Data)?)
                });
                Ok(found.await?.map(Data::Js))
            }
            Found::Peer(peer) => Ok(peer.0.get(key).await?.map(Data::Native)),
            Found::Store(store) => Ok(store.get(key).await?.map(Data::Native)),
        }
    }

    async fn put(&self, blob: &Blob, data: Data) -> Result<()> {
        let fetch = self.over_fetch();
        match (self.found(), data) {
            (Found::Peer(peer), Data::Js(data)) => {
                let bytes = self.bytes_of(&data)?;
                peer.0.store_bytes(blob, bytes).await
            }
            (Found::Peer(peer), Data::Native(object)) => peer.0.put(blob, object).await,
            (Found::Store(store), Data::Js(data)) => {
                let bytes = self.bytes_of(&data)?;
                store.put_bytes(blob, bytes).await
            }
            (Found::Store(store), Data::Native(object)) => store.put(blob, object).await,
            (Found::App, data) => {
                let data = self.js_data(data).await?;
                if let Some(fetch) = fetch {
                    return fetch.store(blob, &data).await;
                }
                let put = self.js.put(&blob.key, blob.mime_type.as_ref(), |scope| {
                    data.value(scope)
                });
                put.await
            }
        }
    }
}
