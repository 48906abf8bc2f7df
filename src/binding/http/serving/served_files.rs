//! File storages behind the routes: of this package, reached where they are, or of the app's.

use std::rc::Rc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::binding::error::invalid;
use crate::binding::executor::await_js;
use crate::binding::js::{Handle, Key, Kind, Realm};
use crate::engine::object::{Chunks, Incoming};
use crate::error::Result;
use crate::store::fs::{FsObjects, PutOptions};
use crate::transport::server::{About, File, Files, Later};

/// A storage of this package: files stream in and out, and no JavaScript is involved.
pub struct NativeFiles(pub FsObjects);

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
                content_type: stored.about.content_type.clone(),
                version: Some(stored.version.clone()),
            };
            Ok(Some(File {
                about,
                size: stored.size,
                read: Box::new(|range| stored.into_chunks(range)),
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

/// A file of the app's storage.
pub struct Fetched {
    /// Its bytes.
    pub bytes: Bytes,
    /// The content type it was put with.
    pub content_type: Option<String>,
}

/// A storage of the app's. On the JS thread.
pub struct JsFiles(pub Handle);

const OPTION: &str = "objectStorageAdapter";

fn operation(key: Key) -> String {
    format!("{OPTION}.{}", key.name())
}

impl JsFiles {
    fn realm(&self) -> &Rc<Realm> {
        self.0.realm()
    }

    /// Whether there is a file.
    pub async fn has(&self, key: &str) -> Result<bool> {
        await_js(
            self.realm(),
            &operation(Key::Has),
            |scope, invoke| {
                let storage = (self.0.value(scope)?, OPTION);
                invoke.method(scope, storage, Key::Has, &[scope.text(key)?])
            },
            |scope, answer| Ok(scope.as_boolean(answer).unwrap_or(false)),
        )
        .await
    }

    /// The file, as a whole.
    pub async fn get(&self, key: &str) -> Result<Option<Fetched>> {
        let realm = self.realm();
        await_js(
            realm,
            &operation(Key::Get),
            |scope, invoke| {
                let storage = (self.0.value(scope)?, OPTION);
                invoke.method(scope, storage, Key::Get, &[scope.text(key)?])
            },
            |scope, answer| {
                let wrong = |what| invalid(&operation(Key::Get), what);
                match scope.kind(answer)? {
                    Kind::Undefined | Kind::Null => return Ok(None),
                    Kind::Object => {}
                    _ => return Err(wrong("answered neither an object nor null")),
                }
                let data = scope.as_bytes(scope.get(realm, answer, Key::Data)?);
                let content_type = scope.as_text(scope.get(realm, answer, Key::ContentType)?);
                Ok(Some(Fetched {
                    bytes: data
                        .map(Bytes::from)
                        .ok_or_else(|| wrong("answered `data` that is no Uint8Array"))?,
                    content_type: content_type.and_then(|text| text.to_utf8()),
                }))
            },
        )
        .await
    }

    /// Stores a file, as a whole.
    pub async fn put(&self, key: &str, bytes: Vec<u8>, content_type: Option<&str>) -> Result<()> {
        let realm = self.realm();
        await_js(
            realm,
            &operation(Key::Put),
            |scope, invoke| {
                let storage = (self.0.value(scope)?, OPTION);
                let options = scope.object()?;
                let content_type = match content_type {
                    Some(content_type) => scope.text(content_type)?,
                    None => scope.undefined()?,
                };
                scope.set(realm, options, Key::ContentType, content_type)?;
                let args = [scope.text(key)?, scope.buffer(&bytes)?, options];
                drop(bytes);
                invoke.method(scope, storage, Key::Put, &args)
            },
            |_, _| Ok(()),
        )
        .await
    }

    /// Deletes a file.
    pub async fn delete(&self, key: &str) -> Result<()> {
        await_js(
            self.realm(),
            &operation(Key::Delete),
            |scope, invoke| {
                let storage = (self.0.value(scope)?, OPTION);
                invoke.method(scope, storage, Key::Delete, &[scope.text(key)?])
            },
            |_, _| Ok(()),
        )
        .await
    }
}
