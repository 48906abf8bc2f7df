//! One request, and its signed url.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Url;
use rusty_s3::{Bucket, Method, signing};

use super::credentials::Credentials;
use crate::protocol::item::Digest;

/// How long the url of a request of our own is good for: as far as the clocks of both sides may be apart.
pub(super) const SECONDS_OF_REQUEST: u64 = 15 * 60;

/// The header with the SHA-256 of the bytes that are sent.
pub(super) const CHECKSUM: &str = "x-amz-checksum-sha256";

/// One request.
#[derive(Debug, Clone)]
pub(super) struct S3Request {
    /// What is being done.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// The key as it stands in the bucket; `None` for the bucket itself.
    pub(super) key: Option<String>,
    pub(super) query: BTreeMap<&'static str, String>,
    /// All of them are signed.
    pub(super) headers: BTreeMap<&'static str, String>,
    pub(super) body: Bytes,
    /// Whether it may be sent again if it is not known whether it arrived.
    pub(super) repeats: bool,
}

impl S3Request {
    /// A request for an object, without a body.
    pub(super) fn of_object(operation: &'static str, method: Method, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::of_bucket(operation, method)
        }
    }

    /// A request for the bucket, without a body.
    pub(super) fn of_bucket(operation: &'static str, method: Method) -> Self {
        Self {
            operation,
            method,
            key: None,
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            body: Bytes::new(),
            repeats: true,
        }
    }

    /// The same with this in its query.
    pub(super) fn asking(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.insert(name, value.into());
        self
    }

    /// The same with this header.
    pub(super) fn saying(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// The same with a body, which the server compares with its hash.
    pub(super) fn sending(self, body: Bytes, digest: Digest) -> Self {
        Self { body, ..self }.saying(CHECKSUM, STANDARD.encode(digest.0))
    }

    /// Its url, which is good for so long.
    pub(super) fn url(&self, bucket: &Bucket, credentials: &Credentials, seconds: u64) -> Url {
        let place = match &self.key {
            Some(key) => bucket.object_url(key),
            None => bucket.base_url().clone(),
        };
        let keys = &credentials.keys;
        signing::sign(
            &Timestamp::now(),
            self.method,
            place,
            keys.key(),
            keys.secret(),
            keys.token(),
            bucket.region(),
            seconds,
            self.query
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
            self.headers
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        )
    }
}
