//! Files whose bytes go past the peer: to a url that it hands out, or from one.
//!
//! Only the questions for urls, and the word that a file is there, have the headers of the app. What goes to a url has
//! those that came with it, and no others.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::ACCEPT_ENCODING;
use reqwest::Url;

use super::{Caller, Client, Failure, Head, Headers, file_path};
use crate::engine::object::key_text;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::transport::presign::{
    CONFIRM_PATH, FileToUpload, PRESIGN_PATH, PRESIGN_SUFFIX, Presigned,
};

const OPERATION: &str = "presign an object";

/// The most bytes of an answer that has a url.
const MOST_SAID: usize = 256 * 1024;

/// Where a file goes or comes from, and the request that it takes.
pub(super) struct WayOfFile {
    pub(super) client: Arc<Client>,
    pub(super) head: Head,
    /// Those of a url. The app is asked for others.
    own: Option<Headers>,
}

impl WayOfFile {
    /// By the url that the peer behind `client` has answered.
    pub(super) fn by(answer: &[u8], client: &Client, head: Head) -> Result<Self> {
        let detour = Detour::read(answer, client.base_url())?;
        Ok(Self {
            client: client.elsewhere(detour.base_url),
            head: Head {
                path: detour.path,
                ..head
            },
            own: Some(detour.headers),
        })
    }

    /// Through the peer itself.
    pub(super) fn through(client: &Arc<Client>, head: Head) -> Self {
        Self {
            client: Arc::clone(client),
            head,
            own: None,
        }
    }

    /// The headers of a try.
    pub(super) async fn headers(&self, caller: &impl Caller) -> Result<Headers> {
        match &self.own {
            Some(own) => Ok(own.clone()),
            None => caller.headers(&self.head).await,
        }
    }
}

/// A url, as a server and a path below it, with the headers that go there.
pub(super) struct Detour {
    pub(super) base_url: String,
    pub(super) path: String,
    pub(super) headers: Headers,
}

impl Detour {
    /// What the peer at `base_url` has answered.
    ///
    /// # Errors
    /// `Sync` if it is no answer with an absolute `http:` or `https:` url, if the url has a user, and if it gives up the
    /// TLS that the peer is spoken to with.
    pub(super) fn read(answer: &[u8], base_url: &str) -> Result<Self> {
        let presigned: Presigned = serde_json::from_slice(answer).map_err(|error| {
            let what = "the answer must be JSON like { \"url\": \"https://…\" }; check baseUrl";
            Error::sync(OPERATION, what).caused_by(error)
        })?;
        let wrong = |what: &str| Error::sync(OPERATION, format!("the url that came {what}"));
        let url = Url::parse(&presigned.url)
            .map_err(|error| wrong("must be an absolute URL").caused_by(error))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("must begin with https:// or http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("must have no user and no password in it"));
        }
        let is_secure = Url::parse(base_url).is_ok_and(|base| base.scheme() == "https");
        if is_secure && url.scheme() != "https" {
            return Err(wrong("must begin with https://, as baseUrl does"));
        }
        let query = url.query().map(|query| format!("?{query}"));
        let mut headers = Headers::default();
        for (name, value) in presigned.headers {
            headers.set(&name, value);
        }
        Ok(Self {
            base_url: url.origin().ascii_serialization(),
            path: format!("{}{}", url.path(), query.unwrap_or_default()),
            headers,
        })
    }
}

/// The path where a url to get a file from is asked for.
pub(super) fn presign_path(key: &Text) -> Result<String> {
    Ok(format!("{}{PRESIGN_SUFFIX}", file_path(key)?))
}

/// The requests of an upload: the one for a url, and the one that says that the bytes are there.
pub(super) fn upload_heads(blob: &Blob, size: Option<u64>) -> Result<[Head; 2]> {
    // The key must be one that the plain routes take as well.
    file_path(&blob.key)?;
    let file = FileToUpload {
        key: key_text(&blob.key)?,
        content_type: blob.mime_type.as_ref().map(ToString::to_string),
        size: size.or(blob.size),
        digest: blob.digest,
    };
    let text = serde_json::to_vec(&file)
        .map_err(|error| Error::new(ErrorKind::Internal, OPERATION, error.to_string()))?;
    let text = Bytes::from(text);
    Ok([PRESIGN_PATH, CONFIRM_PATH].map(|path| Head::json(path, &text)))
}

/// The same error, or, where it says that the peer hands out no urls, what to do about that.
pub(super) fn or_no_urls(error: Error) -> Error {
    const UNKNOWN: [u16; 3] = [404, 405, 501];
    let status = error.network().and_then(|network| network.status);
    if status.is_some_and(|status| UNKNOWN.contains(&status)) {
        return no_urls(error);
    }
    error
}

/// That the peer hands out no urls, as `error` shows.
pub(super) fn no_urls(error: Error) -> Error {
    let what = format!(
        "the server hands out no urls for objects ({error}); leave out `presign`, so that the bytes go through it, or \
         give its storage a `presign` function"
    );
    let network = error.network().cloned();
    let told = Error::new(ErrorKind::CannotPresign, OPERATION, what).caused_by(error);
    match network {
        Some(network) => told.of_request(network),
        None => told,
    }
}

impl Client {
    /// Asks for a url, or says that a file is there: the answer, as it is.
    ///
    /// # Errors
    /// `Sync` where the peer cannot be reached or refuses.
    pub(super) async fn tell(&self, head: &Head, headers: &Headers) -> Result<Vec<u8>, Failure> {
        let body = head.body.clone().filter(|body| !body.is_empty());
        let method = body.as_ref().map_or(Method::GET, |_| Method::POST);
        let mut request = self.request(method, &head.path, headers)?;
        request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(body) = body {
            request = request.body(body);
        }
        self.in_time(async {
            let response = self.send(request).await?;
            if response.status().is_success() {
                return self.body(response, MOST_SAID).await;
            }
            let what = format!("{} {}", head.method, head.path);
            Err(self.refusal(&what, response).await)
        })
        .await
    }
}

/// Whether the peer says that there is no such thing.
pub(super) fn is_not_found(error: &Error) -> bool {
    const NOT_FOUND: u16 = 404;
    let network = error.network();
    let code = network.and_then(|network| network.peer_code.as_deref());
    network.and_then(|network| network.status) == Some(NOT_FOUND)
        && code != Some(ErrorKind::CannotPresign.code())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_comes_together_again() {
        let answer = br#"{"url":"https://bucket.example:8443/a%2Fb/c?X-Sig=a%2Bb&x","headers":{"X-Kind":"y"}}"#;
        let detour = Detour::read(answer, "https://h").unwrap();
        assert_eq!(detour.base_url, "https://bucket.example:8443");
        assert_eq!(detour.path, "/a%2Fb/c?X-Sig=a%2Bb&x");
        assert_eq!(detour.headers.iter().collect::<Vec<_>>(), [("X-Kind", "y")]);
    }

    #[test]
    fn a_url_that_nothing_should_be_sent_to_is_refused() {
        for url in [
            "/a",
            "file:///a",
            "https://me@h/a",
            "http://h/a",
            "",
            "data:x",
        ] {
            let answer = format!(r#"{{"url":{url:?}}}"#);
            assert!(
                Detour::read(answer.as_bytes(), "HTTPS://h").is_err(),
                "{url}"
            );
        }
        assert!(Detour::read(br#"{"url":"http://h/a"}"#, "http://h").is_ok());
        for answer in ["", "<html>", "{}", "[]"] {
            assert!(
                Detour::read(answer.as_bytes(), "http://h").is_err(),
                "{answer}"
            );
        }
    }
}
