//! What is kept about an object beside its bytes, as headers, and what headers tell of one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;

use super::request::{CHECKSUM, S3Request};
use crate::engine::ports::Stat;
use crate::protocol::item::Digest;
use crate::store::PutOptions;

/// The SHA-256 of the whole object: servers do not tell that of one that came in parts.
const SHA256: &str = "x-amz-meta-sha256";

/// What the app keeps with an object, as JSON without a space: names of headers are letters in one case.
const METADATA: &str = "x-amz-meta-starkeep";

/// What S3 calls bytes of which no type was said.
const NO_TYPE: &str = "binary/octet-stream";

/// What is known of an object that is there.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) size: Option<u64>,
    /// With its quotes.
    pub(super) etag: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    pub(super) digest: Option<Digest>,
    pub(super) modified_ms: Option<u64>,
}

impl Told {
    pub(super) fn new(headers: &HeaderMap) -> Self {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let base64 = |text: &str| {
            let bytes = STANDARD.decode(text).ok()?;
            bytes.try_into().ok().map(Digest)
        };
        // What the server tells of one that came in parts is no hash of the whole.
        let in_parts = header("etag").is_some_and(|etag| etag.contains('-'));
        Self {
            size: header("content-length").and_then(|size| size.parse().ok()),
            etag: header("etag").map(ToOwned::to_owned),
            content_type: header("content-type")
                .filter(|content_type| *content_type != NO_TYPE)
                .map(ToOwned::to_owned),
            metadata: header(METADATA).and_then(|json| serde_json::from_str(json).ok()),
            digest: header(SHA256)
                .and_then(Digest::parse)
                .or_else(|| header(CHECKSUM).filter(|_| !in_parts).and_then(base64)),
            modified_ms: header("last-modified").and_then(|date| {
                let modified = httpdate::parse_http_date(date).ok()?;
                let since = modified.duration_since(UNIX_EPOCH).ok()?;
                u64::try_from(since.as_millis()).ok()
            }),
        }
    }

    pub(super) fn stat(self) -> Stat {
        Stat {
            size: self.size,
            digest: self.digest,
            modified_ms: self.modified_ms,
            ..Stat::default()
        }
    }

    /// A text that no other version of the object has.
    pub(super) fn version(&self) -> String {
        let etag = self.etag.as_deref().unwrap_or_default();
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let version: String = etag.chars().filter(plain).collect();
        format!("{version}-{}", self.modified_ms.unwrap_or_default())
    }
}

impl S3Request {
    /// The same of an object about which this is to be kept.
    pub(super) fn about(self, options: &PutOptions, digest: Option<Digest>) -> Self {
        let content_type = options
            .content_type
            .as_deref()
            .filter(|text| fits_header(text));
        let mut about = self.saying("content-type", content_type.unwrap_or(NO_TYPE));
        if let Some(digest) = digest {
            about = about.saying(SHA256, digest.to_string());
        }
        match &options.metadata {
            Some(metadata) => {
                about.saying(METADATA, ascii(&serde_json::json!(metadata).to_string()))
            }
            None => about,
        }
    }
}

/// Whether a text is the same after what proxies and signing do to headers. A content type that is not is the record's to
/// keep; the bytes go all the same.
fn fits_header(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    is_plain && !text.is_empty() && text.trim() == text && !text.contains("  ")
}

/// JSON in which every character that is none of a header is escaped.
fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_graphic() => escaped.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(escaped, "\\u{unit:04x}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rusty_s3::Method;

    use super::*;

    fn headers_of(options: &PutOptions, digest: Option<Digest>) -> HeaderMap {
        let request = S3Request::of_object("test", Method::Put, "k").about(options, digest);
        let headers = request.headers.into_iter();
        headers
            .map(|(name, value)| {
                (
                    name.parse::<reqwest::header::HeaderName>().unwrap(),
                    value.parse().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn what_is_kept_is_told_as_it_was() {
        let metadata = BTreeMap::from([
            ("ünï  x".to_owned(), "ç 🪐\n\"\\".to_owned()),
            ("A".to_owned(), String::new()),
        ]);
        let options = PutOptions {
            content_type: Some("text/plain; charset=utf-8".to_owned()),
            metadata: Some(metadata.clone()),
            ..PutOptions::default()
        };
        let told = Told::new(&headers_of(&options, Some(Digest::OF_NOTHING)));
        assert_eq!(told.content_type, options.content_type);
        assert_eq!(told.metadata, Some(metadata));
        assert_eq!(told.digest, Some(Digest::OF_NOTHING));
    }

    #[test]
    fn a_type_that_was_not_said_or_cannot_be_sent_is_none() {
        for content_type in [
            None,
            Some(""),
            Some("a  b"),
            Some(" a"),
            Some("ä/b"),
            Some("a\nb"),
        ] {
            let options = PutOptions {
                content_type: content_type.map(ToOwned::to_owned),
                ..PutOptions::default()
            };
            assert_eq!(
                Told::new(&headers_of(&options, None)).content_type,
                None,
                "{content_type:?}"
            );
        }
    }
}
