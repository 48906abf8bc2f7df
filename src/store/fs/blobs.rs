//! The folder as a storage like any other. An object is copied in pieces, whatever its size.

use std::path::PathBuf;

use bytes::Bytes;

use super::FsObjects;
use super::stream::StoredObject;
use crate::engine::object::{Chunks, Incoming, UploadId};
use crate::engine::ports::Stat;
use crate::error::Result;
use crate::store::{Later, Listing, Object, ObjectStore, OpenObject, PutOptions};

impl ObjectStore for FsObjects {
    fn place(&self) -> Option<PathBuf> {
        Some(self.root())
    }

    fn init(&self) -> Result<()> {
        FsObjects::init(self)
    }

    fn health_check(&self) -> Later<'_, bool> {
        Box::pin(FsObjects::health_check(self))
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(FsObjects::close(self))
    }

    fn put<'a>(&'a self, key: &'a str, data: Bytes, options: PutOptions) -> Later<'a, ()> {
        Box::pin(FsObjects::put(self, key, data, options))
    }

    fn put_chunks<'a>(
        &'a self,
        key: &'a str,
        options: PutOptions,
        chunks: Chunks,
    ) -> Later<'a, ()> {
        Box::pin(FsObjects::put_chunks(self, key, options, chunks))
    }

    fn uploaded<'a>(&'a self, key: &'a str, upload: UploadId) -> Later<'a, u64> {
        Box::pin(FsObjects::uploaded(self, key, upload))
    }

    fn go_on<'a>(
        &'a self,
        key: &'a str,
        options: PutOptions,
        at: (UploadId, u64),
        chunks: Chunks,
    ) -> Later<'a, ()> {
        Box::pin(FsObjects::go_on(self, key, options, at, chunks))
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Option<Object>> {
        Box::pin(FsObjects::get(self, key))
    }

    fn open_object<'a>(&'a self, key: &'a str) -> Later<'a, Option<OpenObject>> {
        Box::pin(async move {
            let stored = FsObjects::open_object(self, key).await?;
            Ok(stored.map(OpenObject::from))
        })
    }

    fn fetch<'a>(&'a self, key: &'a str) -> Later<'a, Option<Incoming>> {
        Box::pin(FsObjects::fetch(self, key))
    }

    fn has<'a>(&'a self, key: &'a str) -> Later<'a, bool> {
        Box::pin(FsObjects::has(self, key))
    }

    fn stat<'a>(&'a self, key: &'a str) -> Later<'a, Option<Stat>> {
        Box::pin(FsObjects::stat(self, key))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Later<'a, ()> {
        Box::pin(FsObjects::delete(self, key))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        limit: Option<usize>,
        cursor: Option<String>,
    ) -> Later<'a, Listing> {
        Box::pin(FsObjects::list(self, prefix, limit, cursor))
    }
}

impl From<StoredObject> for OpenObject {
    fn from(stored: StoredObject) -> Self {
        Self {
            size: stored.size,
            version: stored.version.clone(),
            content_type: stored.about.content_type.clone(),
            digest: stored.digest,
            read: Box::new(|range| stored.into_chunks(range)),
        }
    }
}
