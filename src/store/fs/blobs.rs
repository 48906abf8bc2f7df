//! The folder as a port of the engine. An object is copied in pieces, whatever its size.

use super::stream::StoredObject;
use super::{FsObjects, PutOptions};
use crate::engine::object::{Incoming, key_text};
use crate::engine::ports::{Blobs, Stat};
use crate::error::Result;
use crate::protocol::item::Blob;
use crate::protocol::text::Text;

impl Blobs for FsObjects {
    type Data = Incoming;

    async fn has(&self, key: &Text) -> Result<bool> {
        FsObjects::has(self, &key_text(key)?).await
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        FsObjects::stat(self, &key_text(key)?).await
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        match Blobs::get(self, key).await? {
            Some(object) => object.measured().await.map(Some),
            None => Ok(None),
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Incoming>> {
        let object = self.open_object(&key_text(key)?).await?;
        Ok(object.map(Incoming::from))
    }

    async fn put(&self, blob: &Blob, data: Incoming) -> Result<()> {
        let options = PutOptions {
            content_type: blob.mime_type.as_ref().map(ToString::to_string),
            metadata: None,
        };
        self.put_chunks(&key_text(&blob.key)?, options, data.chunks)
            .await
    }

    async fn checked(&self, blob: &Blob, hashed: bool, data: Incoming) -> Result<Incoming> {
        data.checked(blob, hashed)
    }
}

impl From<StoredObject> for Incoming {
    fn from(object: StoredObject) -> Self {
        Self {
            content_type: object.about.content_type.clone(),
            size: Some(object.size),
            is_page: false,
            chunks: object.into_chunks(0..u64::MAX),
        }
    }
}
