//! Object storages.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;

use super::off_thread::{OffThread, store_of};
use crate::engine::copying::copy;
use crate::engine::object::{Incoming, compare, measure};
use crate::engine::ports::{Blobs, Stat};
use crate::engine::watch::ByteCounter;
use crate::error::Result;
use crate::joint::across::UrlFor;
use crate::joint::round::Storage;
use crate::node::convert::read_size;
use crate::node::http::{FetchPeer, NativePeer, PeerOptions};
use crate::node::runtime::{JsObject, Made, on_threads, spawn, stringify, write_data};
use crate::node::value::{Call, Env, Kind, Persistent, Scope, Value};
use crate::protocol::item::{Blob, Digest};
use crate::protocol::text::Text;
use crate::store::ports::Port;
use crate::transport::client::Peer;
use crate::transport::presign::{FileToUpload, Presigned};

/// An `ObjectStorageAdapter` object.
pub struct JsBlobs(pub JsObject);

impl JsBlobs {
    /// Whether there is an object.
    pub async fn has(&self, key: &Text) -> Result<bool> {
        let read = |scope: Scope<'_>, answer: Value<'_>| Ok(scope.is_truthy(answer));
        self.0.call("has", &[key], read).await
    }

    /// What the method answers for the key: an object that `read` reads, or nothing.
    async fn find<T>(
        &self,
        (method, wrong): (&'static str, &str),
        key: &Text,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.0
            .call(method, &[key], |scope, answer| {
                match scope.kind(answer)? {
                    Kind::Undefined | Kind::Null => Ok(None),
                    Kind::Object => read(scope, answer).map(Some),
                    _ => Err(self.0.wrong(method, wrong)),
                }
            })
            .await
    }

    /// What is known of an object, if there is one. An app's storage need not be able to say it without handing
    /// the object out.
    pub async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        if !self.0.has("stat")? {
            return Ok(self.has(key).await?.then(Stat::default));
        }
        let method = ("stat", "answered neither an object nor null");
        let stat = self.find(method, key, |scope, answer| {
            let [hash, size] = scope.pick(answer, ["contentHash", "size"])?;
            let hash = scope.as_text(hash).and_then(|hash| hash.to_utf8());
            Ok(Stat {
                size: read_size(scope, size),
                digest: hash.and_then(|hash| Digest::parse(&hash)),
                ..Stat::default()
            })
        });
        stat.await
    }

    /// The object, if there is one, as `read` makes it of the answer.
    pub async fn get<T>(
        &self,
        key: &Text,
        read: impl for<'s> FnOnce(Scope<'s>, Value<'s>) -> Result<T>,
    ) -> Result<Option<T>> {
        let wrong = "must answer an object or null, got something else";
        self.find(("get", wrong), key, read).await
    }

    /// Stores an object of the bytes that `data` makes.
    pub async fn put(
        &self,
        key: &Text,
        content_type: Option<&Text>,
        data: impl for<'s> Fn(Scope<'s>) -> Result<Value<'s>>,
    ) -> Result<()> {
        let options = Made(|scope| {
            let content_type = match content_type {
                Some(content_type) => scope.string(content_type)?,
                None => scope.undefined()?,
            };
            scope.object_of(&[("contentType", content_type)])
        });
        self.0.tell("put", &[key, &Made(data), &options]).await
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &Text) -> Result<()> {
        self.0.tell("delete", &[key]).await
    }

    /// The url that the storage answers, or nothing where it has none for this.
    pub async fn presign(&self, way: UrlFor, file: &FileToUpload) -> Result<Option<Presigned>> {
        let key = Text::from(file.key.as_str());
        let method = Text::from(way.method());
        let options = Made(|scope| write_data(scope, &file.without_key()));
        let read = |scope: Scope<'_>, answer: Value<'_>| {
            if scope.is_nullish(answer)? {
                return Ok(None);
            }
            let wrong = || {
                let what = "must answer a url, { url, headers? } with strings, or null, got something else";
                self.0.wrong("presign", what)
            };
            let read = serde_json::from_str(&stringify(scope, answer)?);
            let presigned: Presigned = read.map_err(|_| wrong())?;
            Ok(Some(presigned))
        };
        self.0
            .call("presign", &[&key, &method, &options], read)
            .await
    }
}

/// An object storage, of the app's or of this package.
pub struct AnyBlobs {
    js: JsBlobs,
    found: RefCell<FoundObject>,
}

/// A storage of this package, whose work is done off this thread.
pub type NativeStorage = Storage<Rc<PeerOptions>, OffThread>;

#[derive(Clone)]
enum FoundObject {
    Native(Rc<NativeStorage>),
    Fetch(Rc<FetchPeer>),
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
            found: RefCell::new(FoundObject::App),
        }
    }

    /// Finds out whose storage it is. Once a round: an app may have replaced a function since.
    pub fn find_store(&self) -> Result<()> {
        let storage = &self.js.0;
        let found = if let Some(store) = store_of(storage)? {
            let place = OffThread(Rc::clone(self.env()));
            FoundObject::Native(Rc::new(Storage::Store(Port { store, place })))
        } else if let Some(peer) = storage.native::<NativePeer>()? {
            FoundObject::Native(Rc::new(Storage::Peer(Peer::clone(&peer))))
        } else {
            storage
                .native()?
                .map_or(FoundObject::App, FoundObject::Fetch)
        };
        self.found.replace(found);
        Ok(())
    }

    fn found(&self) -> FoundObject {
        self.found.borrow().clone()
    }

    fn env(&self) -> &Rc<Env> {
        self.js.0.env()
    }

    /// The storage itself, if it is this package's own.
    pub fn native(&self) -> Option<Rc<NativeStorage>> {
        match self.found() {
            FoundObject::Native(storage) => Some(storage),
            FoundObject::Fetch(_) | FoundObject::App => None,
        }
    }

    /// The bytes as a value of JavaScript.
    async fn js_data(&self, data: Data) -> Result<Persistent> {
        let env = self.env();
        match data {
            Data::Js(data) => Ok(data),
            Data::Native(object) => {
                let bytes = on_threads(env, object.whole()).await?;
                env.scope(|scope| scope.keep(scope.bytes(&bytes)?))
            }
        }
    }

    /// What its bytes are, found out on another thread.
    async fn measured(&self, data: &Persistent) -> Result<Stat> {
        let bytes = self.bytes_of(data)?;
        on_threads(self.env(), async move { Ok(measure(&bytes)) }).await
    }

    fn bytes_of(&self, data: &Persistent) -> Result<Bytes> {
        self.env().scope(|scope| {
            let data = data.value(scope)?;
            let bytes = scope.as_bytes(data).map(Bytes::from);
            let what = "an object's data";
            bytes.ok_or_else(|| scope.must_be_some(what, "a Uint8Array", data))
        })
    }
}

/// A storage that is an argument.
fn storage(call: &Call<'_>, index: usize, option: &'static str) -> Result<AnyBlobs> {
    let storage = call.scope.keep(call.arg(index))?;
    let storage = AnyBlobs::new(JsObject::new(storage, option));
    storage.find_store()?;
    Ok(storage)
}

/// `copyObject(key, mimeType, source, destination)`: whether there was something to copy.
pub fn copy_object<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let key = scope.as_text(call.arg(0));
    let blob = Blob {
        mime_type: scope.as_text(call.arg(1)),
        ..Blob::under(key.unwrap_or_else(|| Text::from("")))
    };
    let source = storage(call, 2, "source")?;
    let destination = storage(call, 3, "destination")?;
    spawn(
        scope,
        async move { copy(&source, &destination, &blob).await },
    )
}

impl Blobs for AnyBlobs {
    type Data = Data;

    async fn checked(&self, blob: &Blob, hashed: bool, data: Data) -> Result<Data> {
        let data = match data {
            Data::Native(object) => return object.checked(blob, hashed).map(Data::Native),
            Data::Js(data) => data,
        };
        let stat = if hashed && blob.digest.is_some() {
            self.measured(&data).await?
        } else {
            Stat {
                size: data.byte_length()?,
                ..Stat::default()
            }
        };
        compare(blob, &stat).map(|()| Data::Js(data))
    }

    fn counted(&self, data: Data, counter: &ByteCounter) -> Data {
        match data {
            Data::Native(object) => Data::Native(object.counted(counter)),
            Data::Js(data) => {
                let size = data.byte_length().ok().flatten();
                counter.add(size.and_then(|size| size.try_into().ok()).unwrap_or(0));
                Data::Js(data)
            }
        }
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        match self.found() {
            FoundObject::App => self.js.stat(key).await,
            FoundObject::Fetch(fetch) => fetch.stat(key).await,
            FoundObject::Native(storage) => storage.stat(key).await,
        }
    }

    async fn fetch(&self, blob: &Blob) -> Result<Option<Data>> {
        match self.found() {
            FoundObject::Fetch(fetch) => {
                Ok(fetch.get(blob).await?.map(|whole| Data::Js(whole.data)))
            }
            _ => self.get(&blob.key).await,
        }
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        match self.get(key).await? {
            None => Ok(None),
            Some(Data::Native(object)) => on_threads(self.env(), object.measured()).await.map(Some),
            Some(Data::Js(data)) => self.measured(&data).await.map(Some),
        }
    }

    async fn has(&self, key: &Text) -> Result<bool> {
        match self.found() {
            FoundObject::App | FoundObject::Fetch(_) => self.js.has(key).await,
            FoundObject::Native(storage) => storage.has(key).await,
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Data>> {
        match self.found() {
            FoundObject::App | FoundObject::Fetch(_) => {
                let data =
                    |scope: Scope<'_>, object: Value<'_>| scope.keep(scope.get(object, "data")?);
                Ok(self.js.get(key, data).await?.map(Data::Js))
            }
            FoundObject::Native(storage) => Ok(storage.get(key).await?.map(Data::Native)),
        }
    }

    async fn put(&self, blob: &Blob, data: Data) -> Result<()> {
        match (self.found(), data) {
            (FoundObject::Native(storage), Data::Js(data)) => {
                storage.put_bytes(blob, self.bytes_of(&data)?).await
            }
            (FoundObject::Native(storage), Data::Native(object)) => storage.put(blob, object).await,
            (FoundObject::Fetch(fetch), data) => {
                fetch.store(blob, &self.js_data(data).await?).await
            }
            (FoundObject::App, data) => {
                let data = self.js_data(data).await?;
                let put = self.js.put(&blob.key, blob.mime_type.as_ref(), |scope| {
                    data.value(scope)
                });
                put.await
            }
        }
    }
}
