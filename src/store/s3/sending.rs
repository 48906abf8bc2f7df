//! Requests are sent, and sent again while that may help.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Response};
use rusty_s3::Method;
use tokio::time::{sleep, timeout};

use super::S3Bucket;
use super::credentials::Credentials;
use super::fault::{S3Fault, S3Refusal};
use super::request::{S3Request, SECONDS_OF_REQUEST};
use crate::engine::object::pieces_of;
use crate::error::{Error, ErrorKind, Result};
use crate::moving::Progress;

/// How many further tries a request has while the server has no time for it.
const TRIES: usize = 4;

/// The pauses between them grow from this, doubled each time and half of each left to chance.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The most bytes of an answer that is read as a whole: a thousand keys, each byte of which is written as three.
const MOST_TEXT: usize = 8 * 1024 * 1024;

/// The most bytes of a refusal that are read.
const MOST_REFUSAL: usize = 64 * 1024;

pub(super) fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_factor(2.0)
        .with_jitter()
        .with_max_times(TRIES)
        .build()
}

impl S3Bucket {
    /// Sends the request. Its answer is one that says that it succeeded.
    pub(super) async fn send(&self, request: &S3Request) -> Result<Response, S3Fault> {
        self.repeat(request, |response| async move { Ok(response) })
            .await
    }

    /// The same, of which the whole answer is read. It may say that it succeeded before it does not.
    pub(super) async fn ask(&self, request: &S3Request) -> Result<(HeaderMap, String), S3Fault> {
        self.repeat(request, |response| async move {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = self.text(request, response, MOST_TEXT).await?;
            let text = text.trim_start().to_owned();
            if text.contains("<Error>") {
                let said = S3Refusal::new(status, &headers, &text);
                return Err(S3Fault::refused(said, request, &self.bucket));
            }
            Ok((headers, text))
        })
        .await
    }

    async fn repeat<T, R>(
        &self,
        request: &S3Request,
        read: impl Fn(Response) -> R,
    ) -> Result<T, S3Fault>
    where
        R: Future<Output = Result<T, S3Fault>>,
    {
        let (mut pauses, mut renewed, mut fresh) = (pauses(), false, false);
        loop {
            let credentials = self.credentials.get().await?;
            let answer = self.attempt(request, &credentials, fresh).await;
            let fault = match answer {
                Ok(response) => match read(response).await {
                    Ok(read) => return Ok(read),
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            if fault.has_ended() && !renewed && self.credentials.forget(&credentials) {
                renewed = true;
                continue;
            }
            // What got no answer may have arrived.
            let is_safe = request.repeats || fault.is_answer();
            match pauses.next() {
                Some(pause) if fault.may_pass && is_safe => sleep(pause).await,
                _ => return Err(fault),
            }
            fresh = !fault.is_answer();
        }
    }

    async fn attempt(
        &self,
        request: &S3Request,
        credentials: &Arc<Credentials>,
        fresh: bool,
    ) -> Result<Response, S3Fault> {
        let url = request.url(&self.bucket, credentials, SECONDS_OF_REQUEST);
        let sent = self
            .clients
            .client(fresh)?
            .request(method_of(request.method), url)
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .headers(headers_of(request)?);
        let progress = Progress::default();
        let sent = match request.method {
            Method::Put | Method::Post => {
                let seen = progress.clone();
                let pieces = pieces_of(request.body.clone()).inspect(move |_| seen.made());
                let sent = sent.header(CONTENT_LENGTH, request.body.len());
                if request.body.is_empty() {
                    sent
                } else {
                    sent.body(Body::wrap_stream(pieces))
                }
            }
            _ => sent,
        };
        let response = self.in_time(request, &progress, sent.send()).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = if request.method == Method::Head {
            String::new()
        } else {
            // A refusal whose body breaks off is one all the same.
            let text = self.text(request, response, MOST_REFUSAL).await;
            text.unwrap_or_default()
        };
        let said = S3Refusal::new(status, &headers, &text);
        Err(S3Fault::refused(said, request, &self.bucket))
    }

    /// The outcome of `work`, unless nothing moves for too long.
    async fn in_time<T>(
        &self,
        request: &S3Request,
        progress: &Progress,
        work: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, S3Fault> {
        let done = match self.timeout {
            Some(patience) => progress
                .wait(patience, pin!(work))
                .await
                .ok_or_else(|| S3Fault::late(patience, request, &self.bucket))?,
            None => work.await,
        };
        done.map_err(|error| self.unanswered(request, error))
    }

    fn unanswered(&self, request: &S3Request, error: reqwest::Error) -> S3Fault {
        let error = self.clients.explain(error, self.bucket.base_url().as_str());
        S3Fault::unanswered(error, request, &self.bucket)
    }

    /// The next bytes of an answer.
    pub(super) async fn next_bytes(
        &self,
        request: &S3Request,
        response: &mut Response,
    ) -> Result<Option<Bytes>, S3Fault> {
        let next = match self.timeout {
            Some(patience) => timeout(patience, response.chunk())
                .await
                .map_err(|_| S3Fault::late(patience, request, &self.bucket))?,
            None => response.chunk().await,
        };
        next.map_err(|error| self.unanswered(request, error))
    }

    async fn text(
        &self,
        request: &S3Request,
        mut response: Response,
        most: usize,
    ) -> Result<String, S3Fault> {
        let mut text = BytesMut::new();
        while let Some(bytes) = self.next_bytes(request, &mut response).await? {
            if text.len() + bytes.len() > most {
                let what = "answers more than S3 does";
                return Err(S3Fault::malformed(what, request, &self.bucket));
            }
            text.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn method_of(method: Method) -> reqwest::Method {
    match method {
        Method::Head => reqwest::Method::HEAD,
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn headers_of(request: &S3Request) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let value = HeaderValue::from_str(value).map_err(|error| {
            let what = format!("the header {name} cannot be sent");
            Error::new(ErrorKind::Internal, request.operation, what).caused_by(error)
        })?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}
