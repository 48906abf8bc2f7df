//! Which bucket, and where it is.

use std::time::Duration;

use reqwest::Url;
use rusty_s3::{Bucket, UrlStyle};
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::given;

const NO_REGION: &str = "must be the name of a region, like \"eu-central-1\"";

/// How a bucket is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct S3Options {
    /// The name of the bucket.
    pub bucket: String,
    /// Where the server is; `None` for that of AWS in the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// What stands before every key in the bucket.
    pub key_prefix: String,
    /// Whether the bucket is named in the path. Where a host cannot have it before its name, it always is.
    pub force_path_style: bool,
    /// The bytes of a part, and the most bytes of an object that is sent at once.
    #[serde(deserialize_with = "given::count")]
    pub part_size: usize,
    /// How long nothing may move; `None` for as long as it likes.
    #[serde(rename = "timeoutMs", deserialize_with = "given::limit")]
    pub timeout: Option<Duration>,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            endpoint: None,
            region: String::new(),
            key_prefix: String::new(),
            force_path_style: false,
            part_size: Self::PART_SIZE,
            timeout: Some(Self::TIMEOUT),
        }
    }
}

impl S3Options {
    /// The bytes of a part by default.
    pub const PART_SIZE: usize = 8 * 1024 * 1024;
    /// S3 takes no smaller part but the last.
    pub const LEAST_PART_SIZE: usize = 5 * 1024 * 1024;
    /// How long nothing may move by default.
    pub const TIMEOUT: Duration = Duration::from_secs(60);

    /// The bucket.
    ///
    /// # Errors
    /// `InvalidArgument` if the endpoint is no URL of a server, or the region no name of one.
    pub(super) fn to_bucket(&self) -> Result<Bucket> {
        if matches!(self.bucket.as_str(), "." | "..") {
            return Err(wrong("bucket", "must be the name of a bucket"));
        }
        let endpoint = self.endpoint()?;
        let style = if self.force_path_style || !self.fits_host(&endpoint) {
            UrlStyle::Path
        } else {
            UrlStyle::VirtualHost
        };
        let bucket = Bucket::new(endpoint, style, self.bucket.clone(), self.region.clone());
        bucket.map_err(|error| {
            wrong("endpoint", "must be the URL of an S3 server").caused_by(Unusable(error))
        })
    }

    fn endpoint(&self) -> Result<Url> {
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !self.region.bytes().all(is_label) {
            return Err(wrong("region", NO_REGION));
        }
        let Some(given) = &self.endpoint else {
            let suffix = if self.region.starts_with("cn-") {
                ".cn"
            } else {
                ""
            };
            let url = format!("https://s3.{}.amazonaws.com{suffix}", self.region);
            return Url::parse(&url).map_err(|error| wrong("region", NO_REGION).caused_by(error));
        };
        let is_not = "must be an http: or https: URL, like \"https://s3.example.com\"";
        let url = Url::parse(given).map_err(|error| wrong("endpoint", is_not).caused_by(error))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("endpoint", is_not));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "endpoint",
                "must have no user and no password in it; give `credentials`",
            ));
        }
        Ok(url)
    }

    /// Whether the bucket can stand before the name of the host: not before an address, nor before a name that is of this
    /// machine alone, nor with a dot or a capital letter in it.
    fn fits_host(&self, endpoint: &Url) -> bool {
        let is_label =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = endpoint.domain().is_some_and(|name| name != "localhost");
        is_name && self.bucket.bytes().all(is_label)
    }
}

fn wrong(option: &str, what: &str) -> Error {
    let operation = format!("createS3ObjectStorage({option})");
    Error::new(ErrorKind::InvalidArgument, operation, what)
}

/// Why no bucket can be made of the options.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct Unusable(rusty_s3::BucketError);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn base(bucket: &str, endpoint: Option<&str>, force_path_style: bool) -> Result<String> {
        let options = S3Options {
            bucket: bucket.to_owned(),
            endpoint: endpoint.map(ToOwned::to_owned),
            region: "eu-central-1".to_owned(),
            force_path_style,
            ..S3Options::default()
        };
        Ok(options.to_bucket()?.base_url().to_string())
    }

    #[test]
    fn the_bucket_stands_before_the_host_where_it_can() {
        for (bucket, endpoint, path, expected) in [
            (
                "photos",
                None,
                false,
                "https://photos.s3.eu-central-1.amazonaws.com/",
            ),
            (
                "photos",
                None,
                true,
                "https://s3.eu-central-1.amazonaws.com/photos/",
            ),
            (
                "my.photos",
                None,
                false,
                "https://s3.eu-central-1.amazonaws.com/my.photos/",
            ),
            (
                "photos",
                Some("http://127.0.0.1:9000"),
                false,
                "http://127.0.0.1:9000/photos/",
            ),
            (
                "photos",
                Some("http://[::1]:9000"),
                false,
                "http://[::1]:9000/photos/",
            ),
            (
                "photos",
                Some("http://localhost:9000/"),
                false,
                "http://localhost:9000/photos/",
            ),
            (
                "photos",
                Some("https://h.example/s3"),
                true,
                "https://h.example/s3/photos/",
            ),
            (
                "photos",
                Some("https://h.example"),
                false,
                "https://photos.h.example/",
            ),
        ] {
            assert_eq!(base(bucket, endpoint, path).unwrap(), expected);
        }
    }

    #[test]
    fn an_endpoint_that_is_none_is_refused() {
        for endpoint in ["", "nonsense", "file:///a", "ftp://h", "https://me:pw@h"] {
            let error = base("photos", Some(endpoint), false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{endpoint}");
        }
    }
}
