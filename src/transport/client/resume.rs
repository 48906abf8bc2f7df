//! Uploads of large files that go on where they broke off.
//!
//! An upload is known by the hash and the size of all of its bytes, so that it goes on also after a restart of either
//! side. A peer that keeps nothing of it gets it whole.

use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use http::header::CONTENT_RANGE;
use http::{Method, StatusCode};

use super::{Client, Failure, Headers};
use crate::engine::object::{Chunks, UploadId};
use crate::error::Result;
use crate::protocol::item::Blob;
use crate::transport::{MARKER, UPLOAD_ID, UPLOAD_OFFSET};

/// An upload, and where it goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Resumed {
    /// Nothing for what is sent as a whole.
    pub(super) upload: Option<UploadId>,
    pub(super) offset: u64,
}

impl Resumed {
    /// The upload of an item's object of this size, if it is worth going on with, and known to be of these bytes.
    pub(super) fn of(blob: &Blob, size: Option<u64>) -> Option<UploadId> {
        let (digest, size) = blob
            .digest
            .zip(size.filter(|size| *size >= UploadId::LEAST_SIZE))?;
        Some(UploadId { digest, size })
    }

    /// The bytes that the peer does not have yet.
    pub(super) fn rest(&self, chunks: Chunks) -> Chunks {
        let mut known = self.offset;
        let rest = chunks.map(move |chunk| {
            let mut chunk = chunk?;
            let skipped =
                usize::try_from(known).map_or(chunk.len(), |known| known.min(chunk.len()));
            known -= skipped as u64;
            Ok(chunk.split_off(skipped))
        });
        rest.filter(|chunk| std::future::ready(!matches!(chunk, Ok(chunk) if chunk.is_empty())))
            .boxed()
    }

    /// Says in the headers of a `PUT` which upload it is of, and where it goes on.
    pub(super) fn describe(&self, headers: &mut Headers) {
        let Some(upload) = self.upload else { return };
        headers.set(UPLOAD_ID, upload.to_string());
        if self.offset > 0 {
            let (first, size) = (self.offset, upload.size);
            let range = format!("bytes {first}-{}/{size}", size - 1);
            headers.set(CONTENT_RANGE.as_str(), range);
        }
    }
}

impl Client {
    /// Whether the peer has refused no part.
    pub(super) fn takes_parts(&self) -> bool {
        !self.refuses_parts.load(Ordering::Relaxed)
    }

    /// From now on every upload begins at its beginning.
    pub(super) fn sends_whole_files(&self) {
        self.refuses_parts.store(true, Ordering::Relaxed);
    }

    /// How many bytes of an upload the peer keeps.
    ///
    /// # Errors
    /// `Sync` where the peer cannot be reached, or is busy.
    pub(super) async fn uploaded(
        &self,
        path: &str,
        headers: &Headers,
        upload: UploadId,
    ) -> Result<u64, Failure> {
        let mut headers = headers.clone();
        headers.set(UPLOAD_ID, upload.to_string());
        let request = self.file_request(Method::HEAD, path, &headers)?;
        let response = self.head_of(request).await?;
        // It is still busy with the request before this one. Whatever else it says is no news of an upload.
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            return Err(self.refused_file(Method::HEAD, path, response).await);
        }
        let told = response.headers();
        let kept = told
            .get(UPLOAD_OFFSET)
            .filter(|_| told.contains_key(MARKER));
        let kept = kept.and_then(|value| value.to_str().ok()?.parse().ok());
        // All of it, and not stored: it is sent anew.
        Ok(kept.filter(|kept| *kept < upload.size).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;
    use crate::error::Error;

    async fn rest_of(offset: u64) -> String {
        let chunks = ["ab", "cde", "f"].map(|chunk| Ok::<_, Error>(Bytes::from(chunk)));
        let resumed = Resumed {
            offset,
            ..Resumed::default()
        };
        let rest: Vec<_> = resumed.rest(stream::iter(chunks).boxed()).collect().await;
        let rest: Vec<_> = rest.into_iter().flat_map(Result::unwrap).collect();
        String::from_utf8(rest).unwrap()
    }

    #[tokio::test]
    async fn what_the_peer_has_is_not_sent_again() {
        for offset in 0..=6 {
            assert_eq!(
                rest_of(offset).await,
                "abcdef"[usize::try_from(offset).unwrap()..]
            );
        }
    }
}
