//! What a caller adds to its requests, and the threads that it has for them.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::Headers;
use crate::error::Result;
use crate::protocol::message::Request;
use crate::protocol::wire::{Json, write_request};
use crate::transport::{EXCHANGE_PATH, RECONCILE_PATH};

/// A request, as callbacks that add headers to it see it.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: &'static str,
    /// The path below the base URL.
    pub path: String,
    /// The content type that goes with it.
    pub content_type: Option<String>,
    /// The text of the body, empty where there is none; `None` where it is no text.
    pub body: Option<Bytes>,
}

impl Head {
    /// A request without a body.
    pub fn bare(method: &'static str, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            content_type: None,
            body: Some(Bytes::new()),
        }
    }

    /// The putting of a file.
    pub fn put(path: &str) -> Self {
        Self {
            body: None,
            ..Self::bare("PUT", path)
        }
    }

    /// The path as it is signed: a server that hands out urls, which `presigns`, looks at it decoded.
    pub fn signed_path(&self, presigns: bool) -> Cow<'_, str> {
        if presigns {
            return percent_decode_str(&self.path).decode_utf8_lossy();
        }
        Cow::Borrowed(&self.path)
    }

    /// The headers of a request about which the app is not asked.
    pub fn headers(&self) -> Headers {
        let mut headers = Headers::default();
        if let Some(content_type) = &self.content_type {
            headers.set("Content-Type", content_type.as_str());
        }
        headers
    }

    /// The posting of this JSON.
    pub fn json(path: &str, text: &Bytes) -> Self {
        Self {
            content_type: Some("application/json".to_owned()),
            body: Some(text.clone()),
            ..Self::bare("POST", path)
        }
    }

    /// The posting of a message; `compares` says whether it only compares what both sides hold.
    pub fn post(text: &Bytes, compares: bool) -> Self {
        let path = if compares {
            RECONCILE_PATH
        } else {
            EXCHANGE_PATH
        };
        Self::json(path, text)
    }
}

/// The caller of a peer: what it adds to requests, and the threads that it has for them.
#[allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]
pub trait Caller {
    /// The headers of a request. Asked before every try.
    async fn headers(&self, head: &Head) -> Result<Headers>;

    /// Whether anybody is asked for them.
    fn is_asked(&self) -> bool;

    /// Whether requests have to arrive as [`Caller::headers`] saw them.
    fn signs(&self) -> bool;

    /// Does `work` where a connection can be waited for.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T>;
}

/// Waits before a further try.
///
/// # Errors
/// Where `caller` has no threads.
pub async fn pause(caller: &impl Caller, how_long: Duration) -> Result<()> {
    let sleep = async move {
        tokio::time::sleep(how_long).await;
        Ok(())
    };
    caller.run(sleep).await
}

/// The text of a request, written where that holds nothing up.
///
/// # Errors
/// Where `caller` has no threads.
pub async fn text_of(caller: &impl Caller, request: Request<Json>) -> Result<Bytes> {
    let text = async move { Ok(Bytes::from(write_request(&request))) };
    caller.run(text).await
}
