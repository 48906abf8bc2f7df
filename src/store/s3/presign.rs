//! Urls by which the bytes of an object go past this process.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusty_s3::Method;

use super::S3Objects;
use super::request::{CHECKSUM, S3Request};
use crate::error::Result;
use crate::store::{ObjectUrl, PutOptions};

/// How long a url is good for.
const SECONDS: u64 = 15 * 60;

/// S3 takes no larger object at once.
const MOST_BYTES: u64 = 5 * 1024 * 1024 * 1024;

const OPERATION: &str = "presign an object";

impl S3Objects {
    /// A url to get the object from, or to put one like this to: no other type, size or hash, as far as they are named.
    /// `None` if it is too large for one request.
    pub async fn presign(&self, key: &str, put: Option<PutOptions>) -> Result<Option<ObjectUrl>> {
        let inner = &self.inner;
        let _inside = inner.gate.enter(OPERATION)?;
        let key = inner.key(OPERATION, key)?;
        let mut request = match &put {
            None => S3Request::of_object(OPERATION, Method::Get, &key),
            Some(options) if options.size.is_some_and(|size| size > MOST_BYTES) => return Ok(None),
            Some(options) => {
                S3Request::of_object(OPERATION, Method::Put, &key).about(options, options.digest)
            }
        };
        let options = put.unwrap_or_default();
        if let Some(digest) = options.digest {
            request = request.saying(CHECKSUM, STANDARD.encode(digest.0));
        }
        let headers = request.headers.clone();
        // Whatever sends a body says its length.
        if let Some(size) = options.size {
            request = request.saying("content-length", size.to_string());
        }
        let credentials = inner.credentials.get().await?;
        let url = request.url(&inner.bucket, &credentials, SECONDS).into();
        let headers = headers.into_iter();
        Ok(Some(ObjectUrl {
            url,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }))
    }
}
