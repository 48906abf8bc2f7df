//! Objects are put: at once, or in parts.
//!
//! An object in parts appears when the upload is completed. What ends before that is aborted, so that no parts stay, of
//! which a bucket shows nothing and for which its owner pays.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use rusty_s3::Method;
use rusty_s3::actions::CreateMultipartUpload;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::fault::{S3Fault, element};
use super::parts::{Parts, digest_of};
use super::request::S3Request;
use super::{S3Bucket, S3Objects};
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Digest;
use crate::store::PutOptions;

const PUT: &str = "put an object";

/// How many parts are under way at one time, or are filled.
const PARTS_AT_ONCE: usize = 4;

/// The most bytes of them, unless one is larger.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// S3 takes no more parts of one object.
const MOST_PARTS: usize = 10_000;

impl S3Objects {
    /// Stores these bytes, if `only_new` is set only where there is no object. Returns whether they were.
    pub(super) async fn store(
        &self,
        key: &str,
        options: PutOptions,
        (chunks, only_new): (Chunks, bool),
    ) -> Result<bool> {
        let _inside = self.inner.gate.enter(PUT)?;
        let object = NewObject {
            key: self.inner.key(PUT, key)?,
            options,
            only_new,
        };
        object.store(&self.inner, chunks).await
    }
}

/// An object that is to be stored.
#[derive(Debug)]
struct NewObject {
    /// The key as it stands in the bucket.
    key: String,
    options: PutOptions,
    /// Only if there is none under its key.
    only_new: bool,
}

impl NewObject {
    /// Stores these bytes. Returns whether they were: not if there is one already where there must be none.
    async fn store(self, inner: &Arc<S3Bucket>, chunks: Chunks) -> Result<bool> {
        let part_size = self.part_size(inner);
        let mut parts = Parts::new(chunks, self.options.digest.is_some());
        let first = parts.next(part_size).await?.unwrap_or_default();
        let second = if first.len() == part_size {
            parts.next(part_size).await?
        } else {
            None
        };
        let stored = match second {
            None => {
                self.compare(&parts.end())?;
                self.put_whole(inner, first).await
            }
            Some(second) => self.put_parts(inner, parts, [first, second]).await,
        };
        match stored {
            Ok(()) => Ok(true),
            Err(fault) if self.only_new && fault.is_occupied() => Ok(false),
            Err(fault) => Err(fault.error),
        }
    }

    /// Of an object whose size is known there are never too many parts.
    fn part_size(&self, inner: &S3Bucket) -> usize {
        let size = self.options.size.unwrap_or_default();
        let least = usize::try_from(size.div_ceil(MOST_PARTS as u64));
        inner.part_size.max(least.unwrap_or(usize::MAX))
    }

    fn compare(&self, (_, found): &(u64, Option<Digest>)) -> Result<()> {
        match (self.options.digest, found) {
            (Some(named), Some(found)) if named != *found => Err(Error::new(
                ErrorKind::HashMismatch,
                PUT,
                format!(
                    "the bytes have the SHA-256 {found}, but {named} was named; nothing of them is kept, send them again"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn request(&self, method: Method) -> S3Request {
        S3Request::of_object(PUT, method, &self.key)
    }

    /// The same request, of which an object comes that there may be already.
    fn creating(&self, request: S3Request) -> S3Request {
        if self.only_new {
            request.saying("if-none-match", "*")
        } else {
            request
        }
    }

    async fn put_whole(&self, inner: &S3Bucket, bytes: Bytes) -> Result<(), S3Fault> {
        let digest = digest_of(&bytes);
        let request = self.request(Method::Put).about(&self.options, Some(digest));
        let request = self.creating(request.sending(bytes, digest));
        inner.ask(&request).await.map(drop)
    }

    async fn put_parts(
        &self,
        inner: &Arc<S3Bucket>,
        parts: Parts,
        first: [Bytes; 2],
    ) -> Result<(), S3Fault> {
        let upload = Arc::new(Upload::begin(inner, self).await?);
        let mut under_way = UnderWay::new(upload, (parts, self.part_size(inner)), first);
        let done = self.finish(&mut under_way).await;
        match &done {
            Ok(()) => drop(under_way.sending.take()),
            Err(_) => under_way.abort().await,
        }
        done
    }

    async fn finish(&self, under_way: &mut UnderWay) -> Result<(), S3Fault> {
        let mut said = Vec::new();
        let (size, digest) = loop {
            match under_way.next().await? {
                PartSent::Part(part) => said.push(part),
                PartSent::End(size, digest) => break (size, digest),
            }
        };
        self.compare(&(size, digest))?;
        under_way.upload.complete(self, (&said, size)).await
    }
}

/// An upload whose parts are under way. Where it is dropped before its end, it is aborted.
struct UnderWay {
    upload: Arc<Upload>,
    /// Nothing once the upload is over.
    sending: Option<Sending>,
    /// Where an abort runs that is not waited for.
    threads: Handle,
}

struct Sending {
    sent: BoxStream<'static, Result<PartSent, S3Fault>>,
    /// No further part sets out once it is dropped.
    more: oneshot::Sender<()>,
}

impl UnderWay {
    fn new(upload: Arc<Upload>, (parts, part_size): (Parts, usize), first: [Bytes; 2]) -> Self {
        let (more, no_more) = oneshot::channel::<()>();
        let sends = Arc::clone(&upload);
        let sent = stream::iter(first.map(|part| Ok(NextPart::Part(part))))
            .chain(next_parts(parts, part_size))
            .take_until(no_more)
            .enumerate()
            .map(move |(index, next)| {
                let upload = Arc::clone(&sends);
                async move {
                    match next? {
                        NextPart::Part(part) => {
                            upload.send(index + 1, part).await.map(PartSent::Part)
                        }
                        NextPart::End(size, digest) => Ok(PartSent::End(size, digest)),
                    }
                }
            })
            .buffered((MOST_BYTES / part_size).clamp(1, PARTS_AT_ONCE))
            .boxed();
        Self {
            upload,
            sending: Some(Sending { sent, more }),
            threads: Handle::current(),
        }
    }

    async fn next(&mut self) -> Result<PartSent, S3Fault> {
        let next = match &mut self.sending {
            Some(sending) => sending.sent.next().await,
            None => None,
        };
        next.unwrap_or_else(|| Err(ended_early().into()))
    }

    /// Begins to abort the upload. A part that arrives after the abort would stay: those that set out are waited for.
    fn begin_to_abort(&mut self) -> Option<JoinHandle<()>> {
        let Sending { mut sent, more } = self.sending.take()?;
        drop(more);
        let upload = Arc::clone(&self.upload);
        Some(self.threads.spawn(async move {
            while sent.next().await.is_some() {}
            drop(sent);
            upload.abort().await;
        }))
    }

    async fn abort(mut self) {
        if let Some(aborting) = self.begin_to_abort() {
            // It goes on also where this is not waited for.
            let _ = aborting.await;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        drop(self.begin_to_abort());
    }
}

fn ended_early() -> Error {
    let what =
        "the parts ended before their end; this is a fault of this package, please report it";
    Error::new(ErrorKind::Internal, PUT, what)
}

/// What comes of bytes.
enum NextPart {
    Part(Bytes),
    /// There are no more: how many there were, and their hash if it was wanted.
    End(u64, Option<Digest>),
}

/// The outcome of that.
enum PartSent {
    /// What completes the upload with the part.
    Part(String),
    End(u64, Option<Digest>),
}

fn next_parts(
    parts: Parts,
    part_size: usize,
) -> impl Stream<Item = Result<NextPart>> + Send + 'static {
    stream::try_unfold(Some(parts), move |parts| async move {
        let Some(mut parts) = parts else {
            return Ok(None);
        };
        if let Some(part) = parts.next(part_size).await? {
            return Ok(Some((NextPart::Part(part), Some(parts))));
        }
        let (seen, digest) = parts.end();
        Ok(Some((NextPart::End(seen, digest), None)))
    })
}

/// An upload in parts that has begun.
struct Upload {
    inner: Arc<S3Bucket>,
    key: String,
    id: String,
}

impl Upload {
    async fn begin(inner: &Arc<S3Bucket>, object: &NewObject) -> Result<Self, S3Fault> {
        let mut request = object.request(Method::Post).asking("uploads", "");
        // A second one, of which no id is known, would stay.
        request.repeats = false;
        let request = request
            .about(&object.options, object.options.digest)
            .saying("x-amz-checksum-algorithm", "SHA256");
        let (_, text) = inner.ask(&request).await?;
        let answer = CreateMultipartUpload::parse_response(&text).map_err(|_| {
            let what = "does not begin an upload as S3 does";
            S3Fault::malformed(what, &request, &inner.bucket)
        })?;
        Ok(Self {
            inner: Arc::clone(inner),
            key: object.key.clone(),
            id: answer.upload_id().to_owned(),
        })
    }

    /// Sends a part, and returns what completes the upload with it.
    async fn send(&self, number: usize, part: Bytes) -> Result<String, S3Fault> {
        if number > MOST_PARTS {
            let what = format!(
                "the object has more than {MOST_PARTS} parts of {} bytes; set a larger partSize",
                self.inner.part_size
            );
            return Err(Error::new(ErrorKind::InvalidArgument, PUT, what).into());
        }
        let digest = digest_of(&part);
        let request = S3Request::of_object(PUT, Method::Put, &self.key)
            .asking("partNumber", number.to_string())
            .asking("uploadId", &self.id)
            .sending(part, digest);
        let (headers, _) = self.inner.ask(&request).await?;
        let etag = headers.get("etag").and_then(|etag| etag.to_str().ok());
        let etag = etag.ok_or_else(|| {
            let what = "answers no ETag to a part";
            S3Fault::malformed(what, &request, &self.inner.bucket)
        })?;
        let etag = etag
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;");
        let sum = STANDARD.encode(digest.0);
        Ok(format!(
            "<Part><ChecksumSHA256>{sum}</ChecksumSHA256><ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>"
        ))
    }

    async fn complete(
        &self,
        object: &NewObject,
        (parts, size): (&[String], u64),
    ) -> Result<(), S3Fault> {
        const SPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
        let parts_said = parts.concat();
        let body = format!(
            "<CompleteMultipartUpload xmlns=\"{SPACE}\">{parts_said}</CompleteMultipartUpload>"
        );
        let mut request = object
            .creating(object.request(Method::Post))
            .asking("uploadId", &self.id);
        request.body = Bytes::from(body);
        match self.inner.ask(&request).await {
            // The answer comes before it is known how it ends: only what is at its end counts.
            Ok((_, text)) if element(&text, "ETag").is_some() => Ok(()),
            Ok(_) => {
                let what = "does not complete an upload as S3 does";
                Err(S3Fault::malformed(what, &request, &self.inner.bucket))
            }
            // An answer that was lost said that it is complete.
            Err(fault)
                if fault.code == "NoSuchUpload" && self.is_complete(parts.len(), size).await =>
            {
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    /// Whether the object that is there is that of these parts.
    async fn is_complete(&self, parts: usize, size: u64) -> bool {
        let told = self.inner.look(PUT, &self.key).await;
        told.ok().flatten().is_some_and(|told| {
            let etag = told.etag.unwrap_or_default();
            told.size == Some(size) && etag.trim_matches('"').ends_with(&format!("-{parts}"))
        })
    }

    /// What fails here, the rule of the bucket for uploads that have no end removes.
    async fn abort(&self) {
        let request = S3Request::of_object(PUT, Method::Delete, &self.key);
        let _ = self.inner.ask(&request.asking("uploadId", &self.id)).await;
    }
}
