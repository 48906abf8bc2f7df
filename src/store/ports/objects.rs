//! A storage of objects, as a port.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;

use super::port::{Here, Port, Threading};
use crate::engine::object::{Incoming, UploadId, key_text};
use crate::engine::ports::{Blobs, Stat};
use crate::error::Result;
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::store::{Later, ObjectStore, PutOptions};

/// An object storage, as a port.
pub type ObjectPort<P = Here> = Port<dyn ObjectStore, P>;

impl<P: Threading> ObjectPort<P> {
    /// Boxed, so that a round has no room for all that may be asked.
    fn ask_object<T: Send + 'static>(
        &self,
        key: &Text,
        question: impl for<'a> FnOnce(&'a dyn ObjectStore, &'a str) -> Later<'a, T> + Send + 'static,
    ) -> LocalBoxFuture<'_, Result<T>> {
        let store = Arc::clone(&self.store);
        let work = key_text(key).map(|key| -> Later<'static, T> {
            Box::pin(async move { question(&*store, &key).await })
        });
        Box::pin(async move { self.place.wait(work?).await })
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
        ..PutOptions::default()
    }
}

/// The same, with what is known of the bytes. The hash of a small object may be one that its item alone names.
fn expecting(blob: &Blob, data: &Incoming) -> PutOptions {
    let size = data.size.or(blob.size);
    let is_large = size.is_some_and(|size| size >= UploadId::LEAST_SIZE);
    PutOptions {
        size,
        digest: blob.digest.filter(|_| is_large),
        ..options_of(blob)
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
        self.ask_object(key, |store, key| store.fetch(key)).await
    }

    async fn put(&self, blob: &Blob, data: Incoming) -> Result<()> {
        let options = expecting(blob, &data);
        self.ask_object(&blob.key, |store, key| {
            store.put_chunks(key, options, data.chunks)
        })
        .await
    }

    fn puts_new(&self) -> bool {
        self.store.puts_new()
    }

    async fn put_new(&self, blob: &Blob, data: Incoming) -> Result<bool> {
        let options = expecting(blob, &data);
        self.ask_object(&blob.key, |store, key| {
            store.put_new(key, options, data.chunks)
        })
        .await
    }

    async fn checked(&self, blob: &Blob, hashed: bool, data: Incoming) -> Result<Incoming> {
        data.checked(blob, hashed)
    }
}
