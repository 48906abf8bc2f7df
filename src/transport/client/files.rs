//! `/files/<key>` and `/health`

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use http::{HeaderValue, Method, StatusCode};
use reqwest::{Body, RequestBuilder, Response};

use super::download::Download;
use super::fault::{Failure, answered, located};
use super::look::{FileHead, Look, Looking};
use super::timeout::Progress;
use super::{Client, Headers};
use crate::engine::object::{Chunks, Incoming};
use crate::error::{Error, Network, Reason, Result};
use crate::transport::gzip::unpacked;

const OPERATION: &str = "fetch an object";

/// The path that says whether a server is there.
pub const HEALTH_PATH: &str = "/health";

/// The range that is asked for where only the head of the answer matters.
pub const FIRST_BYTE: &str = "bytes=0-0";

/// Bytes that are there already are handed on in pieces of this size, so that progress is seen.
const PIECE: usize = 64 * 1024;

impl Client {
    /// Whether a server is there and says that it is well.
    pub async fn is_healthy(&self, headers: &Headers) -> Result<bool, Failure> {
        let request = self.request(Method::GET, HEALTH_PATH, headers)?;
        Ok(self.head_of(request).await?.status().is_success())
    }

    /// What a `HEAD` says of the file. `path` is a [`file_path`](super::file_path).
    ///
    /// # Errors
    /// `Sync` where the peer cannot be reached or refuses.
    pub async fn look(
        &self,
        path: &str,
        headers: &Headers,
        wants_size: bool,
    ) -> Result<Look, Failure> {
        let request = self.file_request(Method::HEAD, path, headers)?;
        let response = self.head_of(request).await?;
        match head_of(&response).look(self.looking(wants_size)) {
            Look::Refused => Err(self.refused_file(Method::HEAD, path, response).await),
            look => Ok(look),
        }
    }

    /// What a `GET` of its first byte says of the file, where a `HEAD` did not say it.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn look_at_part(
        &self,
        path: &str,
        headers: &Headers,
        wants_size: bool,
    ) -> Result<Look, Failure> {
        let request = self.file_request(Method::GET, path, headers)?;
        let response = self.head_of(request.header(RANGE, FIRST_BYTE)).await?;
        match head_of(&response).look_at_part(self.looking(wants_size)) {
            Look::Refused => Err(self.refused_file(Method::GET, path, response).await),
            look => Ok(look),
        }
    }

    /// The file, if it is there. Its bytes end in an error where they are not all that were announced. Of a large one they
    /// are asked for again from where a connection broke.
    ///
    /// # Errors
    /// As [`Self::look`]; the bytes likewise.
    pub async fn get(
        self: &Arc<Self>,
        path: &str,
        headers: &Headers,
    ) -> Result<Option<Incoming>, Failure> {
        let request = self.file_request(Method::GET, path, headers)?;
        let response = self.head_of(request).await?;
        let head = head_of(&response);
        if head.is_absence(self.looking(false)) {
            return Ok(None);
        }
        match response.status() {
            StatusCode::OK => {
                let size = response.content_length();
                let download = Download::new(self, (path, headers), &head, response);
                self.incoming(head, path, (download, size)).map(Some)
            }
            _ => Err(self.refused_file(Method::GET, path, response).await),
        }
    }

    /// Deletes the file. Where there is none, it is done.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn delete(&self, path: &str, headers: &Headers) -> Result<(), Failure> {
        let request = self.request(Method::DELETE, path, headers)?;
        let response = self.head_of(request).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(self.refused_file(Method::DELETE, path, response).await),
        }
    }

    /// Puts a file of these bytes. Says whether the peer speaks this protocol: of any other one it is not
    /// known yet that it has the file.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn put_bytes(
        &self,
        path: &str,
        headers: &Headers,
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<bool, Failure> {
        let object = Incoming {
            content_type: content_type.map(ToOwned::to_owned),
            size: Some(bytes.len() as u64),
            is_page: false,
            chunks: pieces(bytes).boxed(),
        };
        self.put(path, headers, object).await
    }

    /// Puts a file whose bytes are still to come. They are used up by it.
    ///
    /// # Errors
    /// As [`Self::look`]; and the error that the bytes end in.
    pub async fn put(
        &self,
        path: &str,
        headers: &Headers,
        object: Incoming,
    ) -> Result<bool, Failure> {
        let mut request = self.request(Method::PUT, path, headers)?;
        // A type that cannot stand in a header is the record's to keep; the bytes go all the same.
        if !headers.has("Content-Type")
            && let Some(Ok(content_type)) =
                object.content_type.map(|text| HeaderValue::from_str(&text))
        {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(size) = object.size {
            request = request.header(CONTENT_LENGTH, size);
        }
        let progress = Progress::default();
        let spoiled: Arc<Mutex<Option<Error>>> = Arc::default();
        let body = watched(
            exactly(object.chunks, object.size),
            progress.clone(),
            Arc::clone(&spoiled),
        );
        let sent = self
            .while_moving(&progress, async {
                let response = self.send(request.body(Body::wrap_stream(body))).await?;
                if response.status().is_success() {
                    let vouched = head_of(&response).vouched;
                    self.vouched.store(vouched, Ordering::Relaxed);
                    return Ok(vouched);
                }
                Err(self.refused_file(Method::PUT, path, response).await)
            })
            .await;
        let source = spoiled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match source {
            Some(error) => Err(error.into()),
            None => sent.map_err(|failure| self.located(failure, path)),
        }
    }

    /// A request for a file as it is: what is packed on the way has no size that is known.
    pub(super) fn file_request(
        &self,
        method: Method,
        path: &str,
        headers: &Headers,
    ) -> Result<RequestBuilder> {
        let request = self.request(method, path, headers)?;
        Ok(request.header(ACCEPT_ENCODING, "identity"))
    }

    fn looking(&self, wants_size: bool) -> Looking {
        Looking {
            wants_size,
            forbidden_is_absent: self.options.forbidden_is_absent,
        }
    }

    /// The head of an answer to a request without a body.
    pub(super) async fn head_of(&self, request: RequestBuilder) -> Result<Response, Failure> {
        self.in_time(self.send(request)).await
    }

    pub(super) async fn refused_file(
        &self,
        method: Method,
        path: &str,
        response: Response,
    ) -> Failure {
        // A query of a url that was handed out is a secret.
        let path = path.split('?').next().unwrap_or_default();
        let what = format!("{method} {path}");
        let refusal = async { Ok(self.refusal(&what, response).await) };
        self.in_time(refusal).await.unwrap_or_else(|late| late)
    }

    fn incoming(
        &self,
        head: FileHead,
        path: &str,
        (download, size): (Download, Option<u64>),
    ) -> Result<Incoming, Failure> {
        let status = head.status;
        let is_gzip = match &head.packed {
            None => false,
            Some(coding) if is_gzip(coding) => true,
            Some(coding) => {
                let what = format!(
                    "it is packed as {coding:?}, which was not asked for; files must come as they are, or packed \
                     with gzip"
                );
                return Err(Failure::from(Error::sync(OPERATION, what)).answered(status));
            }
        };
        let is_page = head.is_page();
        let (peer, patience) = (self.options.base_url.clone(), self.options.timeout);
        let chunks = stream::unfold(Some(download), move |download| {
            let peer = peer.clone();
            async move {
                let mut download = download?;
                match download.next(&peer, patience).await {
                    Ok(chunk) => Some((Ok(chunk?), Some(download))),
                    Err(failure) => Some((Err(failure.error), None)),
                }
            }
        });
        let (base_url, path) = (self.options.base_url.clone(), path.to_owned());
        let came = exactly(chunks.boxed(), size);
        let came = if is_gzip { unpacked(came) } else { came };
        let chunks = came.map(move |chunk| {
            chunk.map_err(|error| {
                let error = match error.network() {
                    Some(_) => error,
                    None => error.of_request(Network::new(Reason::Closed)),
                };
                answered(located(error, &base_url, &path), status)
            })
        });
        Ok(Incoming {
            content_type: head.content_type,
            size: head.length,
            is_page,
            chunks: chunks.boxed(),
        })
    }
}

fn is_gzip(coding: &str) -> bool {
    coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
}

fn head_of(response: &Response) -> FileHead {
    FileHead::new(response.status().as_u16(), |name| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(ToOwned::to_owned)
    })
}

/// The same bytes, ending in an error where they are more or fewer than `size`.
fn exactly(chunks: Chunks, size: Option<u64>) -> Chunks {
    let Some(size) = size else { return chunks };
    let counted = stream::unfold((chunks, Some(0)), move |(mut chunks, seen)| async move {
        let seen: u64 = seen?;
        let (item, seen) = match chunks.next().await {
            Some(Ok(chunk)) => match seen + chunk.len() as u64 {
                seen if seen <= size => (Ok(chunk), Some(seen)),
                _ => (Err(not_as_announced(size, "more came")), None),
            },
            Some(Err(error)) => (Err(error), None),
            None if seen == size => return None,
            None => (Err(not_as_announced(size, &format!("{seen} came"))), None),
        };
        Some((item, (chunks, seen)))
    });
    counted.boxed()
}

fn not_as_announced(size: u64, what: &str) -> Error {
    let what = format!("{size} bytes were announced and {what}; nothing of it is kept, try again");
    Error::sync(OPERATION, what)
}

/// The same bytes, seen to move; the error that they end in is put where the caller finds it.
fn watched(
    chunks: Chunks,
    progress: Progress,
    spoiled: Arc<Mutex<Option<Error>>>,
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    chunks.inspect(move |chunk| {
        progress.made();
        if let Err(error) = chunk {
            *spoiled.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
    })
}

fn pieces(bytes: Bytes) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    stream::unfold(bytes, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        Some((Ok(piece), rest))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chunks(parts: &[&'static str]) -> Chunks {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from(*part))).collect();
        stream::iter(parts).boxed()
    }

    async fn told(parts: &[&'static str], size: Option<u64>) -> (String, bool) {
        let mut text = String::new();
        let mut chunks = exactly(chunks(parts), size);
        while let Some(chunk) = chunks.next().await {
            let Ok(chunk) = chunk else {
                assert!(chunks.next().await.is_none(), "an error ends the bytes");
                return (text, false);
            };
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        (text, true)
    }

    #[tokio::test]
    async fn bytes_are_whole_only_where_they_are_as_many_as_announced() {
        let whole = |text: &str| (text.to_owned(), true);
        assert_eq!(told(&["ab", "", "c"], Some(3)).await, whole("abc"));
        assert_eq!(told(&["ab", "c"], None).await, whole("abc"));
        assert_eq!(told(&[], Some(0)).await, whole(""));
        assert!(!told(&["ab"], Some(3)).await.1);
        assert!(!told(&[], Some(1)).await.1);
        assert!(!told(&["x"], Some(0)).await.1);
    }

    #[tokio::test]
    async fn no_byte_more_than_announced_is_handed_on() {
        assert_eq!(told(&["ab", "cd"], Some(3)).await, ("ab".to_owned(), false));
    }

    #[tokio::test]
    async fn the_pieces_of_bytes_are_the_bytes() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let bytes: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let parts: Vec<_> = pieces(Bytes::from(bytes.clone())).collect().await;
            let joined: Vec<u8> = parts.into_iter().flat_map(Result::unwrap).collect();
            assert_eq!(joined, bytes);
        }
    }
}
