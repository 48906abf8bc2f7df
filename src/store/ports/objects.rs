//! A storage of objects, as a port.

use std::sync::Arc;

use bytes::Bytes;

use super::port::{Here, Port, Threading};
use crate::engine::object::{Incoming, key_text};
use crate::engine::ports::{Blobs, Stat};
use crate::error::Result;
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::store::{Later, ObjectStore, PutOptions};

/// An object storage, as a port.
pub type ObjectPort<P = Here> = Port<dyn ObjectStore, P>;

impl<P: Threading> ObjectPort<P> {
    async fn ask_object<T: Send + 'static>(
        &self,
        key: &Text,
        question: impl for<'a> FnOnce(&'a dyn ObjectStore, &'a str) -> Later<'a, T> + Send + 'static,
    ) -> Result<T> {
        let (store, key) = (Arc::clone(&self.store), key_text(key)?);
        let work = async move { question(&*store, &key).await };
        self.place.wait(Box::pin(work)).await
    }

    /// Stores an object whose bytes are there.
    pub async fn put_bytes(&self, blob: &Blob, bytes: Bytes) -> Result<()> {
        let options = options_of(blob);
        self.ask_object(&blob.key, |store, key| store.put(key, bytes, options))
            .await
    }
}

fn options_of(blob: &Blob) -> PutOptions {
    PutOptions {
        content_type: blob.mime_type.as_ref().map(ToString::to_string),
        metadata: None,
    }
}

impl<P: Threading> Blobs for ObjectPort<P> {
    type Data = Incoming;

    async fn has(&self, key: &Text) -> Result<bool> {
        self.ask_object(key, |store, key| store.has(key)).await
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        self.ask_object(key, |store, key| store.stat(key)).await
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        match self.get(key).await? {
            Some(object) => {
                let measured = self.place.wait(Box::pin(object.measured()));
                measured.await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Incoming>> {
        let open = self.ask_object(key, |store, key| store.open_object(key));
        Ok(open.await?.map(Incoming::from))
    }

    async fn put(&self, blob: &Blob, data: Incoming) -> Result<()> {
        let options = options_of(blob);
        self.ask_object(&blob.key, |store, key| {
            store.put_chunks(key, options, data.chunks)
        })
        .await
    }

    async fn checked(&self, blob: &Blob, hashed: bool, data: Incoming) -> Result<Incoming> {
        data.checked(blob, hashed)
    }
}
