//! What a caller asks for, in the one form in which it is decided about.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

use crate::protocol::grant::Grant;
use crate::transport::routes::Found;

/// What a caller asks for, whatever the protocol and the spelling.
#[derive(Debug, Clone)]
pub struct AccessRequest {
    method: String,
    url: String,
    channel: String,
    route: &'static str,
    key: Option<String>,
    app_id: Option<String>,
    headers: HeaderMap,
    remote_address: Option<IpAddr>,
}

impl AccessRequest {
    /// What this request of the channel with a prefix wants; `most` is what its callers may do at most.
    pub(super) fn new(
        (prefix, most): (&str, &Grant),
        found: &Found,
        head: &Parts,
        caller: Option<IpAddr>,
    ) -> Self {
        let apps = most.apps.iter().flatten();
        let mut apps = apps.map(ToString::to_string);
        Self {
            method: head.method.to_string(),
            url: head.uri.to_string(),
            channel: if prefix.is_empty() { "/" } else { prefix }.to_owned(),
            route: found.name(),
            key: found.key().map(str::to_owned),
            app_id: apps.next().filter(|_| apps.next().is_none()),
            headers: head.headers.clone(),
            remote_address: caller,
        }
    }

    /// As an app reads it.
    pub fn to_json(&self) -> Value {
        json!({
            "method": self.method,
            "url": self.url,
            "channel": self.channel,
            "route": self.route,
            "key": self.key,
            "appId": self.app_id,
            "headers": headers_in_json(&self.headers),
            "remoteAddress": self.remote_address.map(|address| address.to_canonical().to_string()),
        })
    }
}

/// Headers by their names, each a text: the values of several of one name are joined.
pub fn headers_in_json(headers: &HeaderMap) -> Value {
    let header = |name: &HeaderName| {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (name.to_string(), Value::from(values.join(", ")))
    };
    headers.keys().map(header).collect::<Map<_, _>>().into()
}
