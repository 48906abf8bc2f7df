//! What is said of files whose bytes go past the server: to a url that it hands out, or from one.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::protocol::item::Digest;

/// Where a url for an upload is asked for.
pub const PRESIGN_PATH: &str = "/files/presign";

/// Where an upload by a url is reported.
pub const CONFIRM_PATH: &str = "/files/confirm";

/// What follows the path of a file where a url to get it from is asked for.
pub const PRESIGN_SUFFIX: &str = "/presign";

/// A file that is uploaded by a url, as the body of both requests says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileToUpload {
    /// Its key.
    pub key: String,
    /// Its content type, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// How many bytes it has, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The SHA-256 of its bytes, if that is known. A text that is none is passed over.
    #[serde(
        default,
        rename = "contentHash",
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_digest",
        deserialize_with = "read_digest"
    )]
    pub digest: Option<Digest>,
}

impl FileToUpload {
    /// What a storage is told of it besides its key.
    pub fn without_key(&self) -> serde_json::Value {
        let mut about = serde_json::json!(self);
        if let Some(fields) = about.as_object_mut() {
            fields.remove("key");
        }
        about
    }
}

#[allow(clippy::ref_option, reason = "serde hands out the field")]
fn write_digest<S: Serializer>(digest: &Option<Digest>, to: S) -> Result<S::Ok, S::Error> {
    match digest {
        Some(digest) => to.collect_str(digest),
        None => to.serialize_none(),
    }
}

fn read_digest<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Digest>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    Ok(text.and_then(|text| Digest::parse(&text)))
}

/// Where the bytes of a file go, or come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "UrlOrMore")]
pub struct Presigned {
    /// The url.
    pub url: String,
    /// Headers that the request must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A url alone, or with headers.
#[derive(Deserialize)]
#[serde(untagged)]
enum UrlOrMore {
    Url(String),
    Whole {
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
}

impl From<UrlOrMore> for Presigned {
    fn from(said: UrlOrMore) -> Self {
        let (url, headers) = match said {
            UrlOrMore::Url(url) => (url, BTreeMap::new()),
            UrlOrMore::Whole { url, headers } => (url, headers),
        };
        Self { url, headers }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{from_str, json};

    use super::*;

    #[test]
    fn a_file_is_said_as_far_as_it_is_known() {
        let file: FileToUpload =
            from_str(r#"{"key":"a/b","contentHash":"sha256:x","later":1}"#).unwrap();
        assert_eq!(json!(file), json!({ "key": "a/b" }));
        let file = FileToUpload {
            key: "a".to_owned(),
            content_type: Some("image/png".to_owned()),
            size: Some(7),
            digest: Some(Digest::OF_NOTHING),
        };
        let said = json!({
            "key": "a", "contentType": "image/png", "size": 7, "contentHash": Digest::OF_NOTHING.to_string(),
        });
        assert_eq!(json!(file), said);
        assert_eq!(from_str::<FileToUpload>(&said.to_string()).unwrap(), file);
        for wrong in ["{}", r#"{"key":5}"#, r#"{"key":"a","size":-1}"#, "[]", ""] {
            assert!(from_str::<FileToUpload>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_comes_alone_or_with_headers() {
        let alone: Presigned = from_str(r#""https://h/x""#).unwrap();
        assert_eq!(json!(alone), json!({ "url": "https://h/x" }));
        let whole = json!({ "url": "https://h/x", "headers": { "x-kind": "block" } });
        assert_eq!(
            json!(from_str::<Presigned>(&whole.to_string()).unwrap()),
            whole
        );
        for wrong in [
            "{}",
            r#"{"url":5}"#,
            r#"{"url":"x","headers":{"a":1}}"#,
            "7",
        ] {
            assert!(from_str::<Presigned>(wrong).is_err(), "{wrong}");
        }
    }
}
