//! `POST /sync/exchange`, and `POST /sync/reconcile`, which asks in the same way.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use reqwest::Response;

use super::again::RetryPolicy;
use super::fault::{Failure, SHOWN, broken, refused, status_line, without_secrets};
use super::{Client, Headers};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::message::Answer;
use crate::protocol::wire::{Json, Unread};
use crate::transport::gzip;

const GZIP: &str = "gzip";

/// Whether the peer takes packed requests, as far as is known.
const UNKNOWN: u8 = 0;
const TAKES_PACKED: u8 = 1;
const REFUSES_PACKED: u8 = 2;
/// It is on this machine, where packing takes longer than what it saves.
const NEAR: u8 = 3;

/// A loopback address that answers within this time is no tunnel to another machine.
const NEAR_WITHIN: Duration = Duration::from_millis(5);

impl Client {
    /// Posts the text of a request to `path`. It is packed where that is worth it, `may_pack`, and the peer has
    /// said in an earlier answer that it takes packed requests. The answer has at most so many `items`.
    ///
    /// # Errors
    /// `Sync` for a status outside 200–299, an answer that is malformed, too long, late or cut off, and
    /// where there is no connection; `InvalidArgument` for headers and URLs that cannot be used.
    pub async fn exchange(
        &self,
        path: &str,
        text: Bytes,
        headers: &Headers,
        (may_pack, items): (bool, usize),
    ) -> Result<Answer<Json>, Failure> {
        self.in_time(async {
            let packed = if may_pack { self.packed(&text)? } else { None };
            let mut response = None;
            let mut sent = text.len();
            if let Some(packed) = packed {
                sent = packed.len();
                let first = self.post(path, packed, headers, true).await?;
                if first.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                    self.packing.store(REFUSES_PACKED, Ordering::Relaxed);
                    sent += text.len();
                } else {
                    response = Some(first);
                }
            }
            let response = match response {
                Some(response) => response,
                None => self.post(path, text.clone(), headers, false).await?,
            };
            let mut answer = self.answer(path, response, items).await?;
            answer.traffic.sent = sent;
            Ok(answer)
        })
        .await
    }

    fn packed(&self, text: &Bytes) -> Result<Option<Bytes>> {
        if text.len() <= gzip::WORTH_PACKING || self.packing.load(Ordering::Relaxed) != TAKES_PACKED
        {
            return Ok(None);
        }
        let packed = gzip::pack(text)
            .map_err(|error| Error::sync("pack a request", error.to_string()).caused_by(error))?;
        Ok(Some(packed.into()))
    }

    async fn post(
        &self,
        path: &str,
        body: Bytes,
        headers: &Headers,
        packed: bool,
    ) -> Result<Response, Failure> {
        let mut request = self.request(Method::POST, path, headers)?;
        if self.packing.load(Ordering::Relaxed) != NEAR {
            request = request.header(ACCEPT_ENCODING, GZIP);
        }
        if packed {
            request = request.header(CONTENT_ENCODING, GZIP);
        }
        let begun = Instant::now();
        let response = self.send(request.body(body)).await?;
        let peer = response.remote_addr();
        if peer.is_some_and(|peer| peer.ip().is_loopback()) && begun.elapsed() < NEAR_WITHIN {
            self.packing.store(NEAR, Ordering::Relaxed);
        }
        Ok(response)
    }

    async fn answer(
        &self,
        path: &str,
        response: Response,
        items: usize,
    ) -> Result<Answer<Json>, Failure> {
        if !response.status().is_success() {
            return Err(self.refusal(path, response).await);
        }
        if names_gzip(response.headers(), &ACCEPT_ENCODING) {
            // A refusal that was met before stands.
            let _ = self.packing.compare_exchange(
                UNKNOWN,
                TAKES_PACKED,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        let status = response.status().as_u16();
        let message = self.message(response, items).await;
        message.map_err(|failure| failure.answered(status))
    }

    async fn message(&self, response: Response, items: usize) -> Result<Answer<Json>, Failure> {
        let content_type = text_of(response.headers(), &CONTENT_TYPE).unwrap_or_default();
        let content_type = content_type.to_owned();
        let packed = text_of(response.headers(), &CONTENT_ENCODING).map(ToOwned::to_owned);
        let most = self.options.max_answer_bytes;
        let bytes = self.body(response, most).await?;
        let received = bytes.len();
        let bytes = match packed.as_deref() {
            None | Some("identity") => bytes,
            Some("gzip" | "x-gzip") => read_packed(&bytes, most)?,
            Some(other) => {
                let what = format!("it is packed as {other:?}, which was not asked for");
                return Err(Error::sync("malformed exchange answer", what).into());
            }
        };
        let mut answer = read(&bytes, &content_type, items)?;
        answer.traffic.received = received;
        Ok(answer)
    }

    /// The bytes of an answer.
    pub(super) async fn body(
        &self,
        mut response: Response,
        most: usize,
    ) -> Result<Vec<u8>, Failure> {
        let expected = response.content_length().unwrap_or(0);
        if usize::try_from(expected).is_ok_and(|expected| expected > most) {
            return Err(too_long(most).into());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            if bytes.len() + chunk.len() > most {
                return Err(too_long(most).into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        let chunk = response.chunk().await;
        chunk.map_err(|error| broken(error, &self.options.base_url))
    }

    /// The error that a status is.
    pub(super) async fn refusal(&self, what: &str, mut response: Response) -> Failure {
        let (status, line) = (response.status(), status_line(&response));
        let again =
            RetryPolicy::of_status(status.as_u16(), text_of(response.headers(), &RETRY_AFTER));
        if status.is_redirection()
            && let Some(place) = text_of(response.headers(), &LOCATION)
        {
            let place = without_secrets(place);
            let advice = format!(
                "it redirects to {place}, and redirects are not followed: set baseUrl to where the \
                 peer is"
            );
            return refused(what, status.as_u16(), &line, &advice, again);
        }
        let packed = names_gzip(response.headers(), &CONTENT_ENCODING);
        let mut bytes = Vec::new();
        // What can be had of it explains the status; that there is no more of it is no other error.
        while bytes.len() < SHOWN
            && let Ok(Some(chunk)) = self.chunk(&mut response).await
        {
            bytes.extend_from_slice(&chunk);
        }
        if packed && let Ok(Some(unpacked)) = gzip::unpack(&bytes, SHOWN) {
            bytes = unpacked;
        }
        bytes.truncate(SHOWN);
        let body = String::from_utf8_lossy(&bytes);
        refused(what, status.as_u16(), &line, &body, again)
    }
}

/// What a packed answer unpacks to.
fn read_packed(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let unpacked = gzip::unpack(bytes, most).map_err(|error| {
        let what = "it says that it is packed, and does not unpack";
        Error::sync("malformed exchange answer", what).caused_by(error)
    })?;
    unpacked.ok_or_else(|| too_long(most))
}

/// An answer that has more bytes than are allowed.
pub fn too_long(most: usize) -> Error {
    Error::new(
        ErrorKind::AnswerTooLarge,
        "malformed exchange answer",
        format!(
            "it has more than {most} bytes; if the peer is to be trusted, allow more with \
             maxAnswerBytes, or ask for less with pageLimit"
        ),
    )
}

/// Reads an answer of this content type, which may have so many items.
///
/// # Errors
/// `Sync` if it is malformed or has more items; what it is instead is said where that can be known.
pub fn read(bytes: &[u8], content_type: &str, items: usize) -> Result<Answer<Json>> {
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let answer = Unread::answer(text, items).and_then(Unread::into_answer);
    answer.map_err(|error| {
        let hint = if text.is_empty() {
            "it is empty"
        } else if content_type.trim_start().starts_with("text/html") {
            "it is a web page"
        } else {
            return error;
        };
        let what = format!("{hint}; check that baseUrl is where a sync server answers");
        Error::sync("malformed exchange answer", what).caused_by(error)
    })
}

fn text_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a list of codings holds gzip, and not only to refuse it.
fn names_gzip(headers: &HeaderMap, name: &HeaderName) -> bool {
    let values = headers.get_all(name).into_iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','));
    codings.any(|coding| {
        let (coding, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f64>);
        matches!(coding.trim(), "gzip" | "x-gzip") && !matches!(weight, Some(Ok(0.0)))
    })
}
