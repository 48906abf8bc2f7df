//! File storages behind the routes: of this package, reached where they are, or of the app's.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::engine::object::{Chunks, Incoming};
use crate::error::Result;
use crate::node::adapters::JsBlobs;
use crate::node::value::{Key, Scope, Value};
use crate::protocol::text::Text;
use crate::store::{ObjectStore, PutOptions};
use crate::transport::server::{About, File, Files, Later};

/// A storage of this package: files stream in and out, and no JavaScript is involved.
pub struct NativeFiles(pub Arc<dyn ObjectStore>);

impl Files for NativeFiles {
    fn look(&self, key: String) -> Later<'_, Option<About>> {
        Box::pin(async move { Ok(self.open(key).await?.map(|file| file.about)) })
    }

    fn open(&self, key: String) -> Later<'_, Option<File>> {
        Box::pin(async move {
            let Some(stored) = self.0.open_object(&key).await? else {
                return Ok(None);
            };
            let about = About {
                size: Some(stored.size),
                content_type: stored.content_type,
                version: Some(stored.version),
                digest: stored.digest,
            };
            Ok(Some(File {
                about,
                size: stored.size,
                read: stored.read,
            }))
        })
    }

    fn put(&self, key: String, file: Incoming) -> Later<'_, ()> {
        Box::pin(async move {
            let options = PutOptions {
                content_type: file.content_type,
                metadata: None,
            };
            self.0.put_chunks(&key, options, file.chunks).await
        })
    }

    fn delete(&self, key: String) -> Later<'_, ()> {
        Box::pin(async move { self.0.delete(&key).await })
    }
}

/// Bytes that are there, in pieces.
pub fn pieces_of(bytes: Bytes) -> Chunks {
    const PIECE: usize = 256 * 1024;
    stream::unfold(bytes, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(PIECE.min(rest.len()));
        Some((Ok(piece), rest))
    })
    .boxed()
}

/// A file of a storage of the app's, as a whole, and the content type it was put with.
pub async fn fetch(storage: &JsBlobs, key: &Text) -> Result<Option<(Bytes, Option<String>)>> {
    let read = |scope: Scope<'_>, file: Value<'_>| {
        let data = scope.as_bytes(scope.get(file, Key::Data)?);
        let content_type = scope.as_text(scope.get(file, Key::ContentType)?);
        let data = data.ok_or_else(|| {
            let what = "must answer an object whose `data` is a Uint8Array";
            storage.0.wrong(Key::Get, what)
        })?;
        let content_type = content_type.and_then(|text| text.to_utf8());
        Ok((Bytes::from(data), content_type))
    };
    storage.get(key, read).await
}
