//! Objects in pieces: none is in memory as a whole.
//!
//! Each piece is a piece of work of its own on the store's threads. Between two of them nothing is held
//! but the open file, so that a hundred slow readers and writers keep no other waiting.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use super::area::{Area, OpenObject};
use super::io::during;
use super::key::Key;
use super::parts::Part;
use super::writer::Writer;
use super::{FsObjects, PutOptions};
use crate::engine::object::{Chunks, UploadId};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Digest;

/// How many bytes are read at one time.
const PIECE: u64 = 256 * 1024;

/// An object whose bytes have not been read yet. They stay what they are while it is held, whatever is
/// put under its key meanwhile.
#[derive(Debug)]
pub struct StoredObject {
    /// How many bytes there are.
    pub size: u64,
    /// A text that no other version of this object has.
    pub version: String,
    /// What is kept beside the bytes.
    pub about: PutOptions,
    /// The SHA-256 of the bytes, where it was kept.
    pub digest: Option<Digest>,
    key: Key,
    file: std::fs::File,
    store: FsObjects,
}

impl FsObjects {
    /// The object under `key`, to be read piece by piece.
    pub async fn open_object(&self, key: &str) -> Result<Option<StoredObject>> {
        const OPERATION: &str = "open an object";
        let key = Key::parse(OPERATION, key)?;
        let store = self.clone();
        self.run(OPERATION, move |area| {
            let open = area.open_object(OPERATION, &key)?;
            Ok(open.map(|open| StoredObject::new(open, key, store)))
        })
        .await
    }

    /// Puts an object piece by piece. Where its pieces end in an error, or where this is dropped, what
    /// was there before stays, and nothing else does.
    pub async fn put_chunks(&self, key: &str, options: PutOptions, chunks: Chunks) -> Result<()> {
        self.put_by(key, options, chunks, Area::begin_put).await
    }

    /// The same, of an upload that goes on at an offset. Where its pieces end in an error, or where this is dropped, what
    /// came of it is kept for a while.
    pub async fn go_on(
        &self,
        key: &str,
        options: PutOptions,
        (upload, offset): (UploadId, u64),
        chunks: Chunks,
    ) -> Result<()> {
        let begin =
            move |area: &Arc<Area>, operation, key| area.go_on(operation, key, (upload, offset));
        self.put_by(key, options, chunks, begin).await
    }

    /// How many bytes of an upload are kept.
    pub async fn uploaded(&self, key: &str, upload: UploadId) -> Result<u64> {
        const OPERATION: &str = "look for an upload";
        let key = Key::parse(OPERATION, key)?;
        self.run(OPERATION, move |area| {
            let size = area.part_size(&Part::new(&key, upload));
            size.map_err(during(OPERATION, key.as_str()))
        })
        .await
    }

    async fn put_by(
        &self,
        key: &str,
        options: PutOptions,
        mut chunks: Chunks,
        begin: impl FnOnce(&Arc<Area>, &'static str, Key) -> Result<Writer> + Send + 'static,
    ) -> Result<()> {
        const OPERATION: &str = "put an object";
        let key = Key::parse(OPERATION, key)?;
        let mut writer = self
            .run(OPERATION, move |area| begin(area, OPERATION, key))
            .await?;
        while let Some(piece) = chunks.next().await {
            let piece = piece?;
            writer = self
                .run(OPERATION, move |_| {
                    writer.write(&piece)?;
                    Ok(writer)
                })
                .await?;
        }
        self.run(OPERATION, move |_| {
            let stored = writer.commit(options);
            // Whatever feeds them may keep others waiting until then, also if this is dropped meanwhile.
            drop(chunks);
            stored
        })
        .await
    }
}

impl StoredObject {
    fn new(open: OpenObject, key: Key, store: FsObjects) -> Self {
        Self {
            size: open.version.size(),
            version: open.version.to_string(),
            about: open.about.options,
            digest: open.about.digest,
            key,
            file: open.file,
            store,
        }
    }

    /// The bytes in `range`, of which those past the end are left out.
    pub fn into_chunks(self, range: Range<u64>) -> Chunks {
        let end = range.end.min(self.size);
        let pieces = stream::try_unfold((self, range.start), move |(object, start)| async move {
            if start >= end {
                return Ok(None);
            }
            let wanted = start..end.min(start + PIECE);
            let next = wanted.end;
            let (object, piece) = object.read(wanted).await?;
            Ok(Some((piece, (object, next))))
        });
        pieces.boxed()
    }

    async fn read(mut self, range: Range<u64>) -> Result<(Self, Bytes)> {
        const OPERATION: &str = "read an object";
        let store = self.store.clone();
        store
            .run(OPERATION, move |_| {
                let fault = |error| during(OPERATION, self.key.as_str())(error);
                let length = range.end - range.start;
                let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
                self.file
                    .seek(SeekFrom::Start(range.start))
                    .map_err(fault)?;
                let mut part = (&self.file).take(length);
                part.read_to_end(&mut piece).map_err(fault)?;
                if piece.len() as u64 != length {
                    return Err(Error::new(
                        ErrorKind::Io,
                        OPERATION,
                        format!(
                            "the file of {:?} was cut short by somebody else while it was read",
                            self.key.as_str()
                        ),
                    ));
                }
                Ok((self, Bytes::from(piece)))
            })
            .await
    }
}
