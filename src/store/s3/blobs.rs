//! The bucket as a storage like any other.

use std::future::ready;
use std::path::PathBuf;

use bytes::Bytes;

use super::S3Objects;
use crate::engine::object::{Chunks, Incoming, UploadId};
use crate::engine::ports::Stat;
use crate::error::Result;
use crate::store::{Later, Listing, Object, ObjectStore, ObjectUrl, OpenObject, PutOptions};

impl ObjectStore for S3Objects {
    fn place(&self) -> Option<PathBuf> {
        Some(self.root())
    }

    fn init(&self) -> Result<()> {
        S3Objects::init(self)
    }

    fn health_check(&self) -> Later<'_, bool> {
        Box::pin(S3Objects::health_check(self))
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(S3Objects::close(self))
    }

    fn put<'a>(&'a self, key: &'a str, data: Bytes, options: PutOptions) -> Later<'a, ()> {
        Box::pin(S3Objects::put(self, key, data, options))
    }

    fn put_chunks<'a>(
        &'a self,
        key: &'a str,
        options: PutOptions,
        chunks: Chunks,
    ) -> Later<'a, ()> {
        Box::pin(S3Objects::put_chunks(self, key, options, chunks))
    }

    fn puts_new(&self) -> bool {
        true
    }

    fn put_new<'a>(&'a self, key: &'a str, options: PutOptions, chunks: Chunks) -> Later<'a, bool> {
        Box::pin(S3Objects::put_new(self, key, options, chunks))
    }

    fn uploaded<'a>(&'a self, _key: &'a str, _upload: UploadId) -> Later<'a, u64> {
        Box::pin(ready(Ok(0)))
    }

    fn go_on<'a>(
        &'a self,
        key: &'a str,
        options: PutOptions,
        at: (UploadId, u64),
        chunks: Chunks,
    ) -> Later<'a, ()> {
        Box::pin(S3Objects::go_on(self, key, options, at, chunks))
    }

    fn get<'a>(&'a self, key: &'a str) -> Later<'a, Option<Object>> {
        Box::pin(S3Objects::get(self, key))
    }

    fn open_object<'a>(&'a self, key: &'a str) -> Later<'a, Option<OpenObject>> {
        Box::pin(S3Objects::open_object(self, key))
    }

    fn fetch<'a>(&'a self, key: &'a str) -> Later<'a, Option<Incoming>> {
        Box::pin(S3Objects::fetch(self, key))
    }

    fn presign<'a>(
        &'a self,
        key: &'a str,
        put: Option<PutOptions>,
    ) -> Later<'a, Option<ObjectUrl>> {
        Box::pin(S3Objects::presign(self, key, put))
    }

    fn has<'a>(&'a self, key: &'a str) -> Later<'a, bool> {
        Box::pin(S3Objects::has(self, key))
    }

    fn stat<'a>(&'a self, key: &'a str) -> Later<'a, Option<Stat>> {
        Box::pin(S3Objects::stat(self, key))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Later<'a, ()> {
        Box::pin(S3Objects::delete(self, key))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        limit: Option<usize>,
        cursor: Option<String>,
    ) -> Later<'a, Listing> {
        Box::pin(S3Objects::list(self, prefix, limit, cursor))
    }
}
