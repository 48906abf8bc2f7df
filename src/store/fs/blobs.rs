//! The folder as a port of the engine. An object is copied in pieces, whatever its size.

use super::stream::StoredObject;
use super::{FsObjects, PutOptions};
use crate::engine::object::{Incoming, key_text};
use crate::engine::ports::Blobs;
use crate::error::Result;
use crate::protocol::item::{Blob, Digest};
use crate::protocol::text::Text;

impl Blobs for FsObjects {
    type Data = Incoming;

    async fn has(&self, key: &Text) -> Result<bool> {
        FsObjects::has(self, &key_text(key)?).await
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

    async fn checked(&self, blob: &Blob, digest: Digest, data: Incoming) -> Result<Incoming> {
        Ok(data.checked(blob, digest))
    }
}

impl From<StoredObject> for Incoming {
    fn from(object: StoredObject) -> Self {
        Self {
            content_type: object.about.content_type.clone(),
            size: Some(object.size),
            chunks: object.into_chunks(0..u64::MAX),
        }
    }
}
