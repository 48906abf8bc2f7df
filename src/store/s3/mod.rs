//! Objects in a bucket of S3, or of a server that speaks its protocol.
//!
//! What holds:
//!
//! - **A put is there as a whole or not at all.** Up to the size of a part it is one `PUT`; what is larger is an upload
//!   in parts, whose object appears when it is completed. An upload that fails, or that is dropped, is aborted.
//! - **Bytes are what was sent.** Each request carries the SHA-256 of its bytes, which the server compares. Where the hash
//!   of a whole object was named, it is compared before the object appears.
//! - **Memory is bounded.** Of an upload at most four parts are held, of a download what the socket holds.
//! - **What is not there is not there**: a server that lets a caller not list answers 403 for that, and so 403
//!   `AccessDenied` is an absence where an object is asked for. Any other reason is an error ([`reading`]).
//! - Requests are signed in their url ([`request`]), tried again while that may help ([`sending`]), and an error says
//!   what to do ([`fault`]).

mod blobs;
mod credentials;
mod fault;
mod key;
mod listing;
mod metadata;
mod parts;
mod place;
mod presign;
mod reading;
mod request;
mod sending;
mod uploading;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use rusty_s3::Bucket;

use self::credentials::CredentialCache;
use self::parts::digest_of;
use super::gate::Gate;
pub use super::{Listing, Object, PutOptions};
use crate::engine::object::{Chunks, UploadId};
use crate::error::{Error, Result};

pub use self::credentials::{CredentialSource, Credentials};
pub use self::place::S3Options;

/// How requests are sent.
pub trait HttpClients: fmt::Debug + Send + Sync + 'static {
    /// What sends them; if `fresh`, over connections of their own.
    fn client(&self, fresh: bool) -> Result<reqwest::Client>;

    /// Why a request to `endpoint` got no answer, or half of one.
    fn explain(&self, error: reqwest::Error, endpoint: &str) -> Error;
}

/// An object storage in a bucket. See the [module page](self).
#[derive(Debug, Clone)]
pub struct S3Objects {
    inner: Arc<S3Bucket>,
}

#[derive(Debug)]
struct S3Bucket {
    bucket: Bucket,
    key_prefix: String,
    part_size: usize,
    /// How long nothing may move.
    timeout: Option<Duration>,
    credentials: CredentialCache,
    clients: Arc<dyn HttpClients>,
    gate: Gate,
}

impl S3Objects {
    /// Opens the bucket of the options. Nothing is sent before the first call.
    pub fn open(
        options: S3Options,
        credentials: CredentialSource,
        clients: Arc<dyn HttpClients>,
    ) -> Result<Self> {
        let inner = S3Bucket {
            bucket: options.to_bucket()?,
            key_prefix: options.key_prefix,
            part_size: options.part_size.max(S3Options::LEAST_PART_SIZE),
            timeout: options.timeout,
            credentials: CredentialCache::new(credentials),
            clients,
            gate: Gate::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Where the objects lie.
    pub fn root(&self) -> PathBuf {
        let (base, prefix) = (self.inner.bucket.base_url(), &self.inner.key_prefix);
        PathBuf::from(format!("{base}{prefix}"))
    }

    /// Puts `data` under `key`. It replaces what is stored there.
    pub async fn put(&self, key: &str, data: Bytes, options: PutOptions) -> Result<()> {
        // That of a smaller object is found when it is sent.
        let is_large = data.len() > self.inner.part_size;
        let options = PutOptions {
            size: Some(data.len() as u64),
            digest: is_large.then(|| digest_of(&data)),
            ..options
        };
        let chunks = stream::iter([Ok(data)]).boxed();
        self.put_chunks(key, options, chunks).await
    }

    /// Puts an object piece by piece. Where its pieces end in an error, or where this is dropped, what
    /// was there before stays, and nothing else does.
    pub async fn put_chunks(&self, key: &str, options: PutOptions, chunks: Chunks) -> Result<()> {
        self.store(key, options, (chunks, false)).await.map(drop)
    }

    /// The same if there is none under `key`. Returns whether there was none.
    pub async fn put_new(&self, key: &str, options: PutOptions, chunks: Chunks) -> Result<bool> {
        self.store(key, options, (chunks, true)).await
    }

    /// An upload from its first byte on: nothing is kept of one that broke off.
    pub async fn go_on(
        &self,
        key: &str,
        options: PutOptions,
        (upload, offset): (UploadId, u64),
        chunks: Chunks,
    ) -> Result<()> {
        if offset != 0 {
            return Err(fault::begins_elsewhere(offset));
        }
        let options = PutOptions {
            size: Some(upload.size),
            digest: Some(upload.digest),
            ..options
        };
        self.put_chunks(key, options, chunks).await
    }

    /// Fails once the store is closed: what is opened is ready, and what is closed stays so.
    pub fn init(&self) -> Result<()> {
        let operation = "make the object storage ready";
        self.inner.gate.enter(operation).map(drop)
    }

    /// Whether the bucket is there, and its keys can be listed now.
    pub async fn health_check(&self) -> Result<bool> {
        let operation = "check the object storage";
        let _inside = self.inner.gate.enter(operation)?;
        match self.inner.list_page(operation, "", "", 1).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_answer() => Ok(false),
            Err(fault) => Err(fault.error),
        }
    }

    /// Waits for requests that run, then closes the store for good. Closing again does nothing.
    pub async fn close(&self) -> Result<()> {
        self.inner.gate.close().await;
        Ok(())
    }
}
