//! Refusals: a status, a `code`, and a sentence that says what to do. Nothing of the inside.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName,
    HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response, StatusCode};

use crate::error::{Error, ErrorKind};
use crate::transport::{MARKER, MARKER_VALUE};

/// The code of an answer for which a store would have to be asked that cannot be reached.
const STORE_AWAY: &str = "STORE_AWAY";

/// Says that this protocol is spoken here.
pub fn add_marker(headers: &mut HeaderMap) {
    let name = HeaderName::from_static(MARKER);
    headers.insert(name, HeaderValue::from_static(MARKER_VALUE));
}

/// Why a request is not answered with what it asked for.
#[derive(Debug, Clone)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    header: Option<(HeaderName, &'static str)>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            header: None,
        }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The request is not what the protocol allows.
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorKind::Sync.code(), message)
    }

    /// The key is none.
    pub fn bad_key(what: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorKind::InvalidKey.code(),
            format!("the key {what}; use a relative path like \"photos/x.jpg\" as key"),
        )
    }

    /// The app did not let the caller in.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "this server does not know who asks; send the credentials that it wants",
        )
        .with(WWW_AUTHENTICATE, "Bearer")
    }

    /// The app let the caller in, but not for this.
    pub fn forbidden(message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorKind::Forbidden.code(), message)
    }

    /// The request can be read in more than one way.
    pub fn misframed(message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message).with(CONNECTION, "close")
    }

    /// Plain HTTP came where TLS is spoken.
    pub fn lacks_tls() -> Self {
        Self::misframed("this port speaks TLS: use https://")
    }

    /// What is posted is JSON, which a page of elsewhere cannot send without asking first.
    pub fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_TYPE",
            "what is posted here has the Content-Type application/json",
        )
    }

    /// The storage hands out no urls, or none for this key.
    pub fn no_urls() -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            ErrorKind::CannotPresign.code(),
            "the storage of this server hands out no urls; send the bytes to /files/<key> instead",
        )
    }

    /// What lies under the key is not what was to be uploaded.
    pub fn not_as_said(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, kind.code(), message)
    }

    /// An upload goes on elsewhere than is kept of it.
    pub fn no_such_upload() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            ErrorKind::Sync.code(),
            "the upload does not go on there; ask by HEAD with Upload-Id where it does",
        )
    }

    /// There is nothing here.
    pub fn not_found(message: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// The path is known, the method is not.
    pub fn other_methods(allowed: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            format!("this path knows {allowed}"),
        )
        .with(ALLOW, allowed)
    }

    /// The file is not what the request wants it to be.
    pub fn precondition_failed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PRECONDITION_FAILED",
            "what is under this key is not what If-Match or If-None-Match wants; look at it again",
        )
    }

    /// The body is longer than `most` bytes.
    pub fn too_large(most: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "TOO_LARGE",
            format!("the body is longer than {most} bytes when unpacked; send less at a time"),
        )
    }

    /// The body is encoded in a way that is not understood.
    pub fn encoding() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_ENCODING",
            "send the body as it is, or with Content-Encoding: gzip",
        )
    }

    /// The body comes too slowly.
    pub fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "TOO_SLOW",
            "the body came too slowly; send it again",
        )
    }

    /// Too many requests are in work.
    pub fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "BUSY",
            "too many requests are in work; try again in a second",
        )
        .with(RETRY_AFTER, "1")
    }

    /// What the request needs in memory is not there now.
    pub fn out_of_memory() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "BUSY",
            "the requests in work take all memory that they may; try again in a second, or send less at a time",
        )
        .with(RETRY_AFTER, "1")
    }

    /// The caller has brought more within an hour than it may.
    pub fn too_much() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "RATE_LIMITED",
            "that is more within an hour than this server takes of one caller; come again later",
        )
        .with(RETRY_AFTER, "60")
    }

    /// An exchange has more than `most` records or rows.
    pub fn too_many_items(most: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "TOO_LARGE",
            format!("the exchange has more than {most} records or rows; send fewer at a time"),
        )
    }

    /// Something failed inside. What, only the server's own log says.
    pub fn fault() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorKind::Internal.code(),
            "the server could not answer; its log says why",
        )
    }

    /// A database or a bucket does not answer now.
    fn away() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            STORE_AWAY,
            "the server cannot reach what it keeps its data in; try again in a second",
        )
        .with(RETRY_AFTER, "1")
    }

    /// What an error of a store or of the answering side means to the caller.
    pub fn of(error: &Error) -> Self {
        let status = match error.kind() {
            ErrorKind::InvalidKey => StatusCode::BAD_REQUEST,
            // About what the caller sent, and nothing that another attempt would change.
            ErrorKind::ClockAhead | ErrorKind::UnknownApp => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::HashMismatch => StatusCode::CONFLICT,
            ErrorKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            _ if error.network().is_some_and(|network| network.retryable) => return Self::away(),
            _ => return Self::fault(),
        };
        let refusal = Self::new(status, error.kind().code(), error.told());
        match status {
            StatusCode::SERVICE_UNAVAILABLE => refusal.with(RETRY_AFTER, "1"),
            _ => refusal,
        }
    }

    /// Whether a person has to look into it.
    pub fn is_fault(&self) -> bool {
        let is_busy = self.status == StatusCode::SERVICE_UNAVAILABLE && self.code != STORE_AWAY;
        self.status.is_server_error() && !is_busy
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, as the `code` of an error.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The answer that says it: `{ "error": "…", "code": "…" }`.
    pub fn into_response(self) -> Response<Bytes> {
        let body = serde_json::json!({ "error": self.message, "code": self.code }).to_string();
        let length = body.len();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, length.into());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        add_marker(headers);
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Network, Reason};

    #[test]
    fn a_store_that_cannot_be_reached_is_a_reason_to_come_again_and_is_logged() {
        let away = Error::new(ErrorKind::Database, "read", "no connection");
        let away = Refusal::of(&away.of_request(Network::new(Reason::Unreachable)));
        assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(away.is_fault());
        let answer = away.into_response();
        assert_eq!(
            answer.headers().get(RETRY_AFTER).map(HeaderValue::as_bytes),
            Some(&b"1"[..])
        );

        let broken = Refusal::of(&Error::new(ErrorKind::Database, "read", "no such table"));
        assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
