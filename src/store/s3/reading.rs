//! Objects are looked at and read.
//!
//! A `HEAD` that is refused does not say why. What is refused is asked for by the first byte, so that a wrong secret or a
//! wrong clock does not pass for an object that is not there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use reqwest::Response;
use rusty_s3::Method;
use tokio::time::sleep;

use super::fault::S3Fault;
use super::metadata::Told;
use super::request::S3Request;
use super::sending::pauses;
use super::{S3Bucket, S3Objects};
use crate::engine::object::{Chunks, Incoming};
use crate::engine::ports::Stat;
use crate::error::Result;
use crate::store::{Object, OpenObject};

const OPEN: &str = "get an object";
const LOOK: &str = "look for an object";

impl S3Objects {
    /// What is known of the object under `key`.
    pub async fn stat(&self, key: &str) -> Result<Option<Stat>> {
        let _inside = self.inner.gate.enter(LOOK)?;
        let key = self.inner.key(LOOK, key)?;
        let told = self.inner.look(LOOK, &key).await?;
        Ok(told.map(Told::stat))
    }

    /// Whether there is an object under `key`.
    pub async fn has(&self, key: &str) -> Result<bool> {
        Ok(self.stat(key).await?.is_some())
    }

    /// Removes the object under `key`, if there is one.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let operation = "delete an object";
        let _inside = self.inner.gate.enter(operation)?;
        let key = self.inner.key(operation, key)?;
        let request = S3Request::of_object(operation, Method::Delete, &key);
        match self.inner.ask(&request).await {
            Err(fault) if fault.status != 404 || !fault.is_absence() => Err(fault.error),
            _ => Ok(()),
        }
    }

    /// The object under `key`, to be read piece by piece, with what is known of it.
    async fn begin(&self, key: &str) -> Result<Option<(Told, Chunks)>> {
        let _inside = self.inner.gate.enter(OPEN)?;
        let key = self.inner.key(OPEN, key)?;
        let request = S3Request::of_object(OPEN, Method::Get, &key);
        let response = match self.inner.send(&request).await {
            Ok(response) => response,
            Err(fault) if fault.is_absence() => return Ok(None),
            Err(fault) => return Err(fault.error),
        };
        let told = Told::new(response.headers());
        let reading = Reading::new(&self.inner, key, &told, 0..u64::MAX);
        let chunks = Reading {
            response: Some(response),
            ..reading
        }
        .chunks();
        Ok(Some((told, chunks)))
    }

    /// The object under `key`.
    pub async fn get(&self, key: &str) -> Result<Option<Object>> {
        let Some((told, chunks)) = self.begin(key).await? else {
            return Ok(None);
        };
        let incoming = Incoming {
            content_type: told.content_type,
            size: told.size,
            is_page: false,
            chunks,
        };
        let content_type = incoming.content_type.clone();
        let data = Vec::from(incoming.whole().await?);
        Ok(Some(Object {
            size: data.len() as u64,
            data,
            content_type,
            metadata: told.metadata,
        }))
    }

    /// The object under `key`, of which all bytes are wanted.
    pub async fn fetch(&self, key: &str) -> Result<Option<Incoming>> {
        let begun = self.begin(key).await?;
        Ok(begun.map(|(told, chunks)| Incoming {
            content_type: told.content_type,
            size: told.size,
            is_page: false,
            chunks,
        }))
    }

    /// The object under `key`, whose bytes are asked for later.
    pub async fn open_object(&self, key: &str) -> Result<Option<OpenObject>> {
        let _inside = self.inner.gate.enter(OPEN)?;
        let key = self.inner.key(OPEN, key)?;
        let Some(told) = self.inner.look(OPEN, &key).await? else {
            return Ok(None);
        };
        let size = told.size.ok_or_else(|| {
            let request = S3Request::of_object(OPEN, Method::Head, &key);
            let what = "does not say how many bytes an object has";
            S3Fault::malformed(what, &request, &self.inner.bucket).error
        })?;
        let inner = Arc::clone(&self.inner);
        Ok(Some(OpenObject {
            size,
            version: told.version(),
            content_type: told.content_type.clone(),
            digest: told.digest,
            read: Box::new(move |range| Reading::new(&inner, key, &told, range).chunks()),
        }))
    }
}

impl S3Bucket {
    /// What a `HEAD` says of the object, if it is there.
    pub(super) async fn look(&self, operation: &'static str, key: &str) -> Result<Option<Told>> {
        let head = S3Request::of_object(operation, Method::Head, key)
            .saying("x-amz-checksum-mode", "ENABLED");
        let refusal = match self.send(&head).await {
            Ok(response) => return Ok(Some(Told::new(response.headers()))),
            Err(fault) if fault.is_absence() => return Ok(None),
            Err(fault) => fault,
        };
        if !matches!(refusal.status, 400 | 401 | 403) {
            return Err(refusal.error);
        }
        let first = S3Request::of_object(operation, Method::Get, key).saying("range", "bytes=0-0");
        match self.send(&first).await {
            Err(fault) if fault.is_absence() => Ok(None),
            Err(fault) => Err(fault.error),
            // It is there, and a session that had ended has been renewed.
            Ok(_) => match self.send(&head).await {
                Ok(response) => Ok(Some(Told::new(response.headers()))),
                Err(fault) => Err(fault.error),
            },
        }
    }
}

/// An object that is being read. Where its bytes break off, they go on from there, of the same version.
struct Reading {
    inner: Arc<S3Bucket>,
    key: String,
    /// Of the version that is read.
    etag: Option<String>,
    size: u64,
    /// What is still to be read.
    rest: Range<u64>,
    response: Option<Response>,
    pauses: Box<dyn Iterator<Item = Duration> + Send>,
}

impl Reading {
    fn new(inner: &Arc<S3Bucket>, key: String, told: &Told, range: Range<u64>) -> Self {
        // What does not say its size ends where it ends.
        let size = told.size.unwrap_or(u64::MAX);
        Self {
            inner: Arc::clone(inner),
            key,
            etag: told.etag.clone(),
            size,
            rest: range.start..range.end.min(size),
            response: None,
            pauses: Box::new(pauses()),
        }
    }

    fn chunks(self) -> Chunks {
        let pieces = stream::try_unfold(self, |mut reading| async move {
            let piece = reading.next().await?;
            Ok(piece.map(|piece| (piece, reading)))
        });
        pieces.boxed()
    }

    fn request(&self) -> S3Request {
        let mut request = S3Request::of_object("read an object", Method::Get, &self.key);
        if let Some(etag) = &self.etag {
            request = request.saying("if-match", etag);
        }
        if self.rest == (0..self.size) {
            return request;
        }
        request.saying(
            "range",
            format!("bytes={}-{}", self.rest.start, self.rest.end - 1),
        )
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.rest.start < self.rest.end {
            drop(self.inner.gate.enter("read an object")?);
            match self.piece().await {
                Ok(Some(piece)) => {
                    let left =
                        usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX);
                    let piece = piece.slice(..piece.len().min(left));
                    self.rest.start += piece.len() as u64;
                    if !piece.is_empty() {
                        return Ok(Some(piece));
                    }
                }
                Ok(None) if self.size == u64::MAX => return Ok(None),
                Ok(None) => {
                    let what = "ended an object before all its bytes had come";
                    self.begin_again(S3Fault::malformed(
                        what,
                        &self.request(),
                        &self.inner.bucket,
                    ))
                    .await?;
                }
                Err(fault) if fault.may_pass => self.begin_again(fault).await?,
                Err(fault) => return Err(fault.error),
            }
        }
        Ok(None)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, S3Fault> {
        let request = self.request();
        if self.response.is_none() {
            let response = self.inner.send(&request).await.map_err(replaced)?;
            if request.headers.contains_key("range") && response.status().as_u16() != 206 {
                let what = "does not answer a part of an object";
                return Err(S3Fault::malformed(what, &request, &self.inner.bucket));
            }
            self.response = Some(response);
        }
        match &mut self.response {
            Some(response) => self.inner.next_bytes(&request, response).await,
            None => Ok(None),
        }
    }

    /// Goes on over another connection after a while. What has no mark of its version cannot.
    async fn begin_again(&mut self, fault: S3Fault) -> Result<()> {
        self.response = None;
        match self.pauses.next() {
            Some(pause) if self.etag.is_some() => sleep(pause).await,
            _ => return Err(fault.error),
        }
        Ok(())
    }
}

/// What a version that is gone means to its reader.
fn replaced(fault: S3Fault) -> S3Fault {
    if !fault.is_occupied() && !fault.is_absence() {
        return fault;
    }
    let what = "it was replaced or removed while it was read; get it again";
    S3Fault {
        error: fault.error.about("read an object", what),
        ..fault
    }
}
