//! Requests that a server of the app's has met, and hands on.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::transport::routes::{Found, Route, find};

/// What such a request asks for, and its head without headers. `None` for what is not of 0.1, which stays the app's: its
/// own health route, and its answer to other methods.
pub fn handed(method: &str, url: &str) -> Option<(Found, Parts)> {
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let found = find(&method, url);
    match found {
        Found::Route(Route::Exchange | Route::Reconcile | Route::File(..)) | Found::BadKey(_) => {}
        _ => return None,
    }
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = method;
    Some((found, head))
}

/// The headers of a request, which are JSON by their names.
pub fn headers_of(json: &str) -> HeaderMap {
    let given: BTreeMap<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    let header = |(name, value): (String, serde_json::Value)| {
        let value = HeaderValue::from_str(value.as_str()?).ok()?;
        Some((HeaderName::try_from(name).ok()?, value))
    };
    given.into_iter().filter_map(header).collect()
}
