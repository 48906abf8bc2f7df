//! Object storages.

use crate::binding::error::{invalid, method};
use crate::binding::executor::await_js;
use crate::binding::js::{Handle, Kept, Key, Kind};
use crate::engine::ports::Blobs;
use crate::error::Result;
use crate::protocol::item::Blob;
use crate::protocol::text::Text;

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

    fn operation(&self, key: Key) -> String {
        format!("{}.{}", self.option, key.name())
    }

    async fn has(&self, key: &Text) -> Result<bool> {
        let realm = self.storage.realm();
        await_js(
            realm,
            &self.operation(Key::Has),
            |scope| {
                let storage = self.storage.value(scope)?;
                let has = method(scope, realm, storage, self.option, Key::Has)?;
                scope.call(storage, has, &[scope.string(key)?])
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
            |scope| {
                let storage = self.storage.value(scope)?;
                let get = method(scope, realm, storage, self.option, Key::Get)?;
                scope.call(storage, get, &[scope.string(key)?])
            },
            |scope, answer| {
                if scope.is_nullish(answer)? {
                    return Ok(None);
                }
                if scope.kind(answer)? != Kind::Object {
                    return Err(invalid(&self.operation(Key::Get), "answered neither an object nor null"));
                }
                realm.keep(scope, scope.get(realm, answer, Key::Data)?).map(Some)
            },
        )
        .await
    }

    async fn put(&self, blob: &Blob, data: &Kept) -> Result<()> {
        let realm = self.storage.realm();
        await_js(
            realm,
            &self.operation(Key::Put),
            |scope| {
                let storage = self.storage.value(scope)?;
                let put = method(scope, realm, storage, self.option, Key::Put)?;
                let options = scope.object()?;
                let content_type = match &blob.mime_type {
                    Some(mime_type) => scope.string(mime_type)?,
                    None => scope.undefined()?,
                };
                scope.set(realm, options, Key::ContentType, content_type)?;
                scope.call(storage, put, &[scope.string(&blob.key)?, data.value(scope)?, options])
            },
            |_, _| Ok(()),
        )
        .await
    }
}

/// An object storage, of the app's or of this package.
pub enum AnyBlobs {
    /// The app's.
    Js(JsBlobs),
}

/// An object's bytes, where they are.
pub enum Data {
    /// A `Uint8Array`.
    Js(Kept),
}

impl Blobs for AnyBlobs {
    type Data = Data;

    async fn has(&self, key: &Text) -> Result<bool> {
        match self {
            Self::Js(storage) => storage.has(key).await,
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Data>> {
        match self {
            Self::Js(storage) => Ok(storage.get(key).await?.map(Data::Js)),
        }
    }

    async fn put(&self, blob: &Blob, data: Data) -> Result<()> {
        match (self, data) {
            (Self::Js(storage), Data::Js(data)) => storage.put(blob, &data).await,
        }
    }
}
