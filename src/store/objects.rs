//! A storage of objects, as apps and engines see it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::ready;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use super::Later;
use crate::engine::object::{Chunks, Incoming, UploadId};
use crate::engine::ports::Stat;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Digest;

/// See the [module page](self).
pub trait ObjectStore: Debug + Send + Sync + 'static {
    /// Where the objects lie. Two storages of one place are one storage.
    fn place(&self) -> Option<PathBuf>;

    /// Fails once the store is closed: what is opened is ready, and what is closed stays so.
    fn init(&self) -> Result<()>;

    /// Whether the storage is the one that was opened, and objects can be written there now.
    fn health_check(&self) -> Later<'_, bool>;

    /// Waits for what is running, then closes the store for good. Closing again does nothing.
    fn close(&self) -> Later<'_, ()>;

    /// Puts `data` under `key`. It replaces what is stored there.
    fn put<'a>(&'a self, key: &'a str, data: Bytes, options: PutOptions) -> Later<'a, ()>;

    /// Puts an object piece by piece. Where its pieces end in an error, or where this is dropped, what
    /// was there before stays, and nothing else does.
    fn put_chunks<'a>(&'a self, key: &'a str, options: PutOptions, chunks: Chunks)
    -> Later<'a, ()>;

    /// Whether [`Self::put_new`] finds out by itself what is there.
    fn puts_new(&self) -> bool {
        false
    }

    /// Puts an object piece by piece if there is none under `key`. Returns whether there was none. Asked only of a store
    /// that [`puts_new`](Self::puts_new).
    fn put_new<'a>(&'a self, key: &'a str, options: PutOptions, chunks: Chunks) -> Later<'a, bool> {
        Box::pin(async move {
            self.put_chunks(key, options, chunks).await?;
            Ok(true)
        })
    }

    /// How many bytes are kept of an upload that broke off.
    fn uploaded<'a>(&'a self, key: &'a str, upload: UploadId) -> Later<'a, u64>;

    /// Goes on with an upload at an offset: that of [`Self::uploaded`], or 0. Where its pieces end in an error, or where
    /// this is dropped, a store may keep the bytes that arrived for a while. An object of another hash is not stored.
    fn go_on<'a>(
        &'a self,
        key: &'a str,
        options: PutOptions,
        at: (UploadId, u64),
        chunks: Chunks,
    ) -> Later<'a, ()>;

    /// The object under `key`.
    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Option<Object>>;

    /// The object under `key`, to be read piece by piece.
    fn open_object<'a>(&'a self, key: &'a str) -> Later<'a, Option<OpenObject>>;

    /// The object under `key`, of which all bytes are wanted.
    fn fetch<'a>(&'a self, key: &'a str) -> Later<'a, Option<Incoming>> {
        Box::pin(async move { Ok(self.open_object(key).await?.map(Incoming::from)) })
    }

    /// A url to get the object from, or to put one like this to. `None` if the store hands out none for it.
    fn presign<'a>(
        &'a self,
        _key: &'a str,
        _put: Option<PutOptions>,
    ) -> Later<'a, Option<ObjectUrl>> {
        Box::pin(ready(Ok(None)))
    }

    /// Whether there is an object under `key`.
    fn has<'a>(&'a self, key: &'a str) -> Later<'a, bool>;

    /// What is known of the object under `key`.
    fn stat<'a>(&'a self, key: &'a str) -> Later<'a, Option<Stat>>;

    /// Removes the object under `key`, if there is one.
    fn delete<'a>(&'a self, key: &'a str) -> Later<'a, ()>;

    /// The keys that begin with `prefix` and come after `cursor`: at most `limit`, or all.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        limit: Option<usize>,
        cursor: Option<String>,
    ) -> Later<'a, Listing>;
}

fn digest<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Digest>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.as_deref().and_then(Digest::parse))
}

/// What is kept about an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutOptions {
    /// The content type.
    pub content_type: Option<String>,
    /// Whatever else the app wants to keep with it.
    pub metadata: Option<BTreeMap<String, String>>,
    /// How many bytes there will be, if that is known. It is not kept.
    pub size: Option<u64>,
    /// The SHA-256 of the bytes, if that is known. A store need not look at it.
    #[serde(default, rename = "contentHash", deserialize_with = "digest")]
    pub digest: Option<Digest>,
}

/// Where the bytes of an object are put, or got from, past this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUrl {
    /// The url.
    pub url: String,
    /// Headers that the request must have.
    pub headers: BTreeMap<String, String>,
}

/// An object with its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// The bytes.
    #[serde(skip)]
    pub data: Vec<u8>,
    /// The content type it was put with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The metadata it was put with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// How many bytes there are.
    pub size: u64,
}

/// What is known of an object, as a storage of an app says it: what is not known is left out.
pub fn told(stat: &Stat) -> serde_json::Value {
    let mut told = serde_json::Map::new();
    for (name, value) in [
        ("size", stat.size.map(Into::into)),
        (
            "contentHash",
            stat.digest.map(|digest| digest.to_string().into()),
        ),
        ("modifiedMs", stat.modified_ms.map(Into::into)),
    ] {
        told.extend(value.map(|value| (name.to_owned(), value)));
    }
    told.into()
}

/// One page of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Keys in ascending order.
    pub keys: Vec<String>,
    /// The cursor of the next page, if there is one: the last of these keys.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

impl Listing {
    /// What every store calls the work.
    pub const OPERATION: &str = "list objects";

    /// Whether a page of at most `limit` keys can be asked for.
    ///
    /// # Errors
    /// `InvalidArgument` for a limit of 0.
    pub fn check_limit(limit: Option<usize>) -> Result<()> {
        if limit != Some(0) {
            return Ok(());
        }
        let what = "limit must be at least 1; leave it out to get all keys";
        Err(Error::new(
            ErrorKind::InvalidArgument,
            Self::OPERATION,
            what,
        ))
    }
}

/// An object whose bytes have not been read yet. They stay what they are while it is held, whatever is put
/// under its key meanwhile.
pub struct OpenObject {
    /// How many bytes there are.
    pub size: u64,
    /// A text that no other version of this object has.
    pub version: String,
    /// The content type it was put with.
    pub content_type: Option<String>,
    /// The SHA-256 of the bytes, where it was kept.
    pub digest: Option<Digest>,
    /// The bytes in a range, of which those past the end are left out.
    pub read: Box<dyn FnOnce(Range<u64>) -> Chunks + Send>,
}

impl From<OpenObject> for Incoming {
    fn from(object: OpenObject) -> Self {
        Self {
            content_type: object.content_type,
            size: Some(object.size),
            is_page: false,
            chunks: (object.read)(0..u64::MAX),
        }
    }
}
