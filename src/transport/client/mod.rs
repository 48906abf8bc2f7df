//! The caller's side of HTTP.
//!
//! A [`Client`] speaks with one peer. Each of its calls is one request and says, where it fails, whether
//! it is worth another try ([`Failure`]); [`repeat`] tries again. Between two tries the caller may ask
//! the app for new headers, which is why the calls do not try again themselves.
//!
//! - Redirects are not followed: they would carry the app's credentials, and a message that changes
//!   something, to where they were not meant to go. The error names the place.
//! - What a peer sends is read up to a bound, counted after unpacking.
//! - An exchange has to be over in time; a file may take as long as it likes while bytes move.
//! - A proxy from the environment is used where Node.js would use it: with `NODE_USE_ENV_PROXY=1`.

mod again;
mod caller;
mod connections;
mod download;
mod either;
mod exchange;
mod fault;
mod fetching;
mod files;
mod headers;
mod key;
mod look;
mod over_fetch;
mod peer;
mod presign;
mod presign_over_fetch;
mod resume;
mod retry;
mod rewind;
mod said;
mod stale;
mod timeout;
mod trust;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use http::Method;
use reqwest::{RequestBuilder, Response};
use serde::{Deserialize, Deserializer};

pub use again::RetryPolicy;
pub use caller::{Caller, Head, pause, text_of};
pub use connections::Connections;
pub use either::Either;
pub use exchange::{read, too_long};
pub(crate) use fault::unanswered;
pub use fault::{Failure, late, refused};
pub use fetching::{Answered, Asked, Content, Fetched, Sender, Sent, Wanted, fetch, text_in};
pub use files::{FIRST_BYTE, HEALTH_PATH};
pub use headers::Headers;
pub use key::file_path;
pub use look::{FileHead, LOOKED_AT, Look, Looking};
pub use over_fetch::{OverFetch, Whole};
pub use peer::{Peer, confirmed};
pub use retry::{Over, repeat};
pub use said::said_of;

use crate::error::{Error, Result};
use fault::{broken, unusable, without_secrets};

/// How long an exchange may take by default.
pub const DEFAULT_EXCHANGE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a file's bytes may stand still by default.
pub const DEFAULT_FILE_TIMEOUT: Duration = Duration::from_secs(60);

/// The most bytes of an answer, unpacked, by default.
pub const DEFAULT_MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Which peer it is, and what it is like.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerTerms {
    /// What the paths are appended to, without a slash at its end.
    #[serde(deserialize_with = "without_slash")]
    pub base_url: String,
    /// How many further tries a request has.
    pub retries: u32,
    /// Whether the peer answers 403 for a file that it does not have.
    #[serde(rename = "forbiddenMeansAbsent")]
    pub forbidden_is_absent: bool,
    /// Whether the bytes of files go to urls that the peer hands out, and come from such.
    #[serde(rename = "presign")]
    pub presigns: bool,
}

fn without_slash<'de, D: Deserializer<'de>>(given: D) -> std::result::Result<String, D::Error> {
    let url = String::deserialize(given)?;
    Ok(url.trim_end_matches('/').to_owned())
}

/// How to speak with a peer.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// What the paths are appended to, without a slash at its end.
    pub base_url: String,
    /// See [`DEFAULT_EXCHANGE_TIMEOUT`] and [`DEFAULT_FILE_TIMEOUT`]; `None` to wait for ever.
    pub timeout: Option<Duration>,
    /// See [`DEFAULT_MAX_ANSWER_BYTES`].
    pub max_answer_bytes: usize,
    /// Whether a server answers 403 for a file that it does not have.
    pub forbidden_is_absent: bool,
}

/// One peer.
#[derive(Debug)]
pub struct Client {
    connections: Connections,
    options: ClientOptions,
    packing: Arc<AtomicU8>,
    vouched: Arc<AtomicBool>,
    /// Whether a part was refused: what stands on the way may lose what says that it is one.
    refuses_parts: Arc<AtomicBool>,
    over: Over,
}

impl Client {
    /// A client that speaks through `connections`. Nothing is sent, and the URL is not looked at, before
    /// the first request.
    pub fn new(connections: Connections, options: ClientOptions) -> Self {
        Self {
            connections,
            options,
            packing: Arc::default(),
            vouched: Arc::default(),
            refuses_parts: Arc::default(),
            over: Over::Any,
        }
    }

    /// See [`DEFAULT_MAX_ANSWER_BYTES`].
    pub fn max_answer_bytes(&self) -> usize {
        self.options.max_answer_bytes
    }

    /// What the paths are appended to.
    pub(crate) fn base_url(&self) -> &str {
        &self.options.base_url
    }

    /// The same client, for requests over such connections.
    pub fn over(self: &Arc<Self>, over: Over) -> Arc<Self> {
        if self.over == over {
            return Arc::clone(self);
        }
        Arc::new(Self {
            connections: self.connections.clone(),
            options: self.options.clone(),
            packing: Arc::clone(&self.packing),
            vouched: Arc::clone(&self.vouched),
            refuses_parts: Arc::clone(&self.refuses_parts),
            over,
        })
    }

    /// Whether the server said, when a file was put, that it speaks this protocol.
    pub fn is_vouched_for(&self) -> bool {
        self.vouched.load(Ordering::Relaxed)
    }

    /// A client for the server at another place, which is spoken to in the same way.
    pub(crate) fn elsewhere(&self, base_url: String) -> Arc<Self> {
        let options = ClientOptions {
            base_url,
            ..self.options.clone()
        };
        Arc::new(Self::new(self.connections.clone(), options))
    }

    /// What failed, of a request for `path`.
    pub(crate) fn located(&self, failure: Failure, path: &str) -> Failure {
        failure.at(&self.options.base_url, path)
    }

    fn request(&self, method: Method, path: &str, headers: &Headers) -> Result<RequestBuilder> {
        let url = format!("{}{path}", self.options.base_url);
        let url = reqwest::Url::parse(&url).map_err(|error| {
            let url = without_secrets(&url);
            unusable(format!("{url:?} is no URL, give one like https://…")).caused_by(error)
        })?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(unusable("an http: or https: URL is needed"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unusable(
                "leave user and password out of the URL and answer them from getAuthHeader",
            ));
        }
        let request = self.connections.client(self.over)?.request(method, url);
        Ok(request.headers(headers.to_map()?))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        match request.send().await {
            Ok(answer) => {
                self.connections.note(&answer);
                Ok(answer)
            }
            Err(error) => {
                let stale = self.connections.is_stale(&error);
                let failure = broken(error, &self.options.base_url);
                Err(Failure { stale, ..failure })
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            again: RetryPolicy::Never,
            stale: false,
        }
    }
}
