//! Downloads of large files that go on where they broke off.
//!
//! A server that names the version of a file by an entity tag is asked for the rest of just that version (RFC 9110,
//! `If-Range`). If the file was changed meanwhile, or the server sends it from its beginning, the download ends in the
//! error that broke it. The request has the headers of the first one: it is made while the bytes are being stored, where the app
//! cannot be asked for others.

use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use bytes::Bytes;
use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use http::{Method, StatusCode};
use reqwest::Response;
use tokio::time::{sleep, timeout};

use super::fault::{Failure, broken, late};
use super::look::FileHead;
use super::retry::pauses;
use super::{Client, Headers, Over, RetryPolicy};
use crate::engine::object::UploadId;

/// At most this many connections in a row that bring little. It is no matter of the app's `retries`: nothing is sent twice.
const TRIES: u32 = 4;

/// A connection that brought this much was worth its while: the pauses and tries begin anew.
const WORTH: u64 = 1024 * 1024;

/// The bytes of a file while they are on their way.
pub(super) struct Download {
    response: Response,
    seen: u64,
    /// Nothing for a file that is had as a whole or not at all.
    rest: Option<Rest>,
}

/// How the rest of a file is asked for.
struct Rest {
    client: Arc<Client>,
    path: String,
    headers: Headers,
    tag: String,
    size: u64,
    pauses: ExponentialBackoff,
    /// How many bytes had arrived when it broke last.
    broke_at: u64,
}

impl Download {
    /// The bytes of the answer to a request for `path` with these headers.
    pub(super) fn new(
        client: &Arc<Client>,
        (path, headers): (&str, &Headers),
        head: &FileHead,
        response: Response,
    ) -> Self {
        let tag = response.headers().get(ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok());
        let tag = tag.filter(|tag| tag.starts_with('"'));
        let size = head.length.filter(|size| *size >= UploadId::LEAST_SIZE);
        let rest = tag.zip(size).map(|(tag, size)| Rest {
            client: client.over(Over::Fresh),
            path: path.to_owned(),
            headers: headers.clone(),
            tag: tag.to_owned(),
            size,
            pauses: pauses(TRIES),
            broke_at: 0,
        });
        Self {
            response,
            seen: 0,
            rest,
        }
    }

    /// The next bytes. A wait of more than `patience` for them is a fault of `peer`.
    pub(super) async fn next(
        &mut self,
        peer: &str,
        patience: Option<Duration>,
    ) -> Result<Option<Bytes>, Failure> {
        loop {
            let failure = match next(&mut self.response, peer, patience).await {
                Ok(chunk) => {
                    self.seen += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                    return Ok(chunk);
                }
                Err(failure) => failure,
            };
            let rest = match &mut self.rest {
                Some(rest) => rest.after(self.seen).await,
                None => None,
            };
            self.response = rest.ok_or(failure)?;
        }
    }
}

impl Rest {
    /// The answer with the bytes from offset `seen` on; `None` if the server does not send them.
    async fn after(&mut self, seen: u64) -> Option<Response> {
        if seen - self.broke_at >= WORTH {
            self.pauses = pauses(TRIES);
        }
        self.broke_at = seen;
        loop {
            sleep(self.pauses.next()?).await;
            match self.ask(seen).await {
                Ok(response) => return self.is_after(seen, &response).then_some(response),
                Err(failure) if failure.again == RetryPolicy::Never => return None,
                Err(_) => {}
            }
        }
    }

    async fn ask(&self, seen: u64) -> Result<Response, Failure> {
        let request = self
            .client
            .file_request(Method::GET, &self.path, &self.headers)?
            .header(RANGE, format!("bytes={seen}-"))
            .header(IF_RANGE, &self.tag);
        let response = self.client.head_of(request).await?;
        let again = RetryPolicy::of_status(response.status().as_u16(), None);
        if again == RetryPolicy::Never {
            return Ok(response);
        }
        let refused = self.client.refused_file(Method::GET, &self.path, response);
        Err(refused.await)
    }

    /// Whether these are the bytes from offset `seen` on, of the same version.
    fn is_after(&self, seen: u64, response: &Response) -> bool {
        let text = |name| response.headers().get(name)?.to_str().ok();
        let wanted = format!("bytes {seen}-{}/{}", self.size - 1, self.size);
        response.status() == StatusCode::PARTIAL_CONTENT
            && text(CONTENT_RANGE) == Some(wanted.as_str())
            && text(ETAG).is_none_or(|tag| tag == self.tag)
    }
}

async fn next(
    response: &mut Response,
    peer: &str,
    patience: Option<Duration>,
) -> Result<Option<Bytes>, Failure> {
    let chunk = match patience {
        Some(patience) => timeout(patience, response.chunk()).await.map_err(|_| {
            let what = format!(
                "sent nothing more of an object for {} ms",
                patience.as_millis()
            );
            late(peer, &what)
        })?,
        None => response.chunk().await,
    };
    chunk.map_err(|error| broken(error, peer))
}
