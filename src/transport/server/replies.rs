//! What answers have in common.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response};

use super::Channel;
use super::body::AnswerBody;
use super::upload::Why;
use crate::error::Error;
use crate::transport::routes::Refusal;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What an error is to the caller. Faults of this side are logged.
pub(super) fn explained(
    channel: &Channel,
    operation: &'static str,
    error: &Error,
    why: Option<&Why>,
) -> Refusal {
    if let Some(refusal) = why.and_then(Why::refusal) {
        return refusal;
    }
    let refusal = Refusal::of(error);
    if refusal.is_fault() {
        channel.log.fault(operation, error);
    }
    refusal
}

/// An answer that is this JSON.
pub(super) fn json(text: Bytes) -> Response<AnswerBody> {
    let length = text.len();
    let mut response = Response::new(AnswerBody::Whole(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    response
}
