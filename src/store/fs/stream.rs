//! Objects in pieces: none is in memory as a whole.
//!
//! Each piece is a piece of work of its own on the store's threads. Between two of them nothing is held
//! but the open file, so that a hundred slow readers and writers keep no other waiting. While a piece is written, the next
//! one comes; a small object is one piece of work from its first byte to its place.

use std::io::{Read, Seek, SeekFrom};
use std::mem;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, select, try_join};
use futures_util::stream::{self, StreamExt};
use sha2::Digest as _;

use super::area::{self, Area};
use super::io::during;
use super::key::Key;
use super::parts::Part;
use super::writer::Writer;
use super::{FsObjects, PutOptions};
use crate::engine::object::{Chunks, Incoming, UploadId, pieces_of};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Digest;
use crate::store::OpenObject;

/// How many bytes are read at one time.
const PIECE: u64 = 256 * 1024;

/// An object of at most this many bytes is not begun before all have come, and read as it is opened.
const SMALL: usize = 128 * 1024;

/// The most that is gathered while a piece is written.
const MOST_GATHERED: usize = 1024 * 1024;

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

    /// The object under `key`, of which all bytes are wanted. A small one is read at once.
    pub async fn fetch(&self, key: &str) -> Result<Option<Incoming>> {
        const OPERATION: &str = "open an object";
        let key = Key::parse(OPERATION, key)?;
        let store = self.clone();
        self.run(OPERATION, move |area| {
            let Some(open) = area.open_object(OPERATION, &key)? else {
                return Ok(None);
            };
            let object = StoredObject::new(open, key, store);
            if object.size > SMALL as u64 {
                return Ok(Some(OpenObject::from(object).into()));
            }
            let bytes = object.read_now(0..object.size)?;
            Ok(Some(Incoming {
                chunks: pieces_of(bytes),
                ..OpenObject::from(object).into()
            }))
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
        let mut pen = Pen::Unused(move |area: &Arc<Area>| begin(area, OPERATION, key));
        let mut came = Came::default();
        let is_small = options.size.is_some_and(|size| size <= SMALL as u64);
        let enough = if is_small { SMALL + 1 } else { 1 };
        loop {
            came.gather(&mut chunks, enough).await;
            if came.ended.is_some() {
                break;
            }
            let pieces = mem::take(&mut came.pieces);
            came.size = 0;
            let writing = pin!(self.write_on(OPERATION, pen, pieces));
            let gathering = pin!(came.gather(&mut chunks, MOST_GATHERED));
            let written = match select(writing, gathering).await {
                Either::Left((written, _)) => written,
                Either::Right(((), writing)) => writing.await,
            };
            pen = Pen::Used(Box::new(written?));
        }
        self.run(OPERATION, move |area| {
            let written = pen.write(area, &came.pieces);
            let stored = match came.ended {
                Some(Err(broke_off)) => {
                    drop(written);
                    Err(broke_off)
                }
                _ => written.and_then(|writer| writer.commit(options)),
            };
            // Whatever feeds them may keep others waiting until then, also if this is dropped meanwhile.
            drop(chunks);
            stored
        })
        .await
    }

    /// Writes what came of an object. To hash it takes as long as to write it, so that both are done at one time.
    async fn write_on<B>(
        &self,
        operation: &'static str,
        pen: Pen<B>,
        pieces: Vec<Bytes>,
    ) -> Result<Writer>
    where
        B: FnOnce(&Arc<Area>) -> Result<Writer> + Send + 'static,
    {
        let mut writer = match pen {
            Pen::Unused(_) => {
                return self
                    .run(operation, move |area| pen.write(area, &pieces))
                    .await;
            }
            Pen::Used(writer) => *writer,
        };
        let (mut hasher, same) = (mem::take(&mut writer.hasher), pieces.clone());
        let hashing = self.run(operation, move |_| {
            for piece in &same {
                hasher.update(piece);
            }
            Ok(hasher)
        });
        let writing = self.run(operation, move |_| {
            pieces
                .iter()
                .try_for_each(|piece| writer.write_unhashed(piece))?;
            Ok(writer)
        });
        let (hasher, mut writer) = try_join(hashing, writing).await?;
        writer.hasher = hasher;
        Ok(writer)
    }
}

/// What came of an object and is not written yet.
#[derive(Default)]
struct Came {
    pieces: Vec<Bytes>,
    size: usize,
    /// How the object ended, once it has.
    ended: Option<Result<()>>,
}

impl Came {
    /// Waits until there is `enough`, or no more.
    async fn gather(&mut self, chunks: &mut Chunks, enough: usize) {
        while self.size < enough && self.ended.is_none() {
            match chunks.next().await {
                Some(Ok(piece)) => {
                    self.size += piece.len();
                    self.pieces.push(piece);
                }
                Some(Err(error)) => self.ended = Some(Err(error)),
                None => self.ended = Some(Ok(())),
            }
        }
    }
}

/// What writes an object, which is begun once there is something to write.
enum Pen<B> {
    Unused(B),
    Used(Box<Writer>),
}

impl<B: FnOnce(&Arc<Area>) -> Result<Writer>> Pen<B> {
    fn write(self, area: &Arc<Area>, pieces: &[Bytes]) -> Result<Writer> {
        let mut writer = match self {
            Self::Unused(begin) => begin(area)?,
            Self::Used(writer) => *writer,
        };
        for piece in pieces {
            writer.write(piece)?;
        }
        Ok(writer)
    }
}

impl StoredObject {
    fn new(open: area::OpenObject, key: Key, store: FsObjects) -> Self {
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

    async fn read(self, range: Range<u64>) -> Result<(Self, Bytes)> {
        let store = self.store.clone();
        let read = move |_: &Arc<Area>| {
            let piece = self.read_now(range)?;
            Ok((self, piece))
        };
        store.run("read an object", read).await
    }

    fn read_now(&self, range: Range<u64>) -> Result<Bytes> {
        const OPERATION: &str = "read an object";
        let fault = |error| during(OPERATION, self.key.as_str())(error);
        let length = range.end - range.start;
        let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        let mut file = &self.file;
        file.seek(SeekFrom::Start(range.start)).map_err(fault)?;
        file.take(length).read_to_end(&mut piece).map_err(fault)?;
        if piece.len() as u64 != length {
            let what = format!(
                "the file of {:?} was cut short by another program while it was read",
                self.key.as_str()
            );
            return Err(Error::new(ErrorKind::Io, OPERATION, what));
        }
        Ok(Bytes::from(piece))
    }
}
