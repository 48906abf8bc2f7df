//! Headers that a request is sent with.

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, ErrorKind, Result};

/// Headers in the order in which they were set, one of a name.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(String, String)>);

/// They belong to the connection or say what the body is packed with, which the client decides.
const LEFT_TO_HTTP: [HeaderName; 10] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

impl Headers {
    /// Sets a header in place of what stood under the name, however it was written.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.0.push((name.to_owned(), value.into()));
    }

    /// Whether a header of this name is set.
    pub fn has(&self, name: &str) -> bool {
        self.iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The headers as they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The headers as they are sent, without those that are left to HTTP.
    pub(super) fn to_map(&self) -> Result<HeaderMap> {
        let mut map = HeaderMap::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let wrong = |what: &str| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    "request headers",
                    format!("the {what} of {name:?} cannot stand in a header"),
                )
            };
            let known =
                HeaderName::from_bytes(name.as_bytes()).map_err(|e| wrong("name").caused_by(e))?;
            let value = HeaderValue::from_str(value).map_err(|e| wrong("value").caused_by(e))?;
            if !LEFT_TO_HTTP.contains(&known) {
                map.insert(known, value);
            }
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_later_header_of_a_name_counts_however_it_is_written() {
        let mut headers = Headers::default();
        headers.set("Authorization", "a");
        headers.set("X-Other", "o");
        headers.set("authorization", "b");
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("X-Other", "o"), ("authorization", "b")]);
        assert_eq!(headers.to_map().unwrap()["authorization"], "b");
    }

    #[test]
    fn a_value_that_would_become_two_headers_is_refused() {
        for (name, value) in [("X", "a\r\nY: b"), ("X Y", "a"), ("", "a"), ("X", "\u{0}")] {
            let mut headers = Headers::default();
            headers.set(name, value);
            let error = headers.to_map().unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::InvalidArgument,
                "{name:?} {value:?}"
            );
        }
    }

    #[test]
    fn what_belongs_to_the_connection_is_left_to_it() {
        let mut headers = Headers::default();
        for name in ["content-length", "Host", "Transfer-Encoding", "Connection"] {
            headers.set(name, "7");
        }
        assert!(headers.to_map().unwrap().is_empty());
    }
}
