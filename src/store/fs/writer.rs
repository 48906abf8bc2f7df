//! One object on its way to its place.
//!
//! The order is what makes it safe: bytes synced with what is kept about them, rename, folder synced, and only then
//! the older version's sidecar and the copy in the other place removed. The rename is the moment in
//! which the new version counts. Where the file itself cannot hold what is kept about it, its sidecar is synced before
//! the rename.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::area::Area;
use super::io::{begin_writeback, during};
use super::key::Key;
use super::parts::Part;
use super::session::Session;
use super::sidecar::{Kept, Note, Version};
use super::tree::Place;
use crate::engine::object::UploadId;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item;
use crate::store::PutOptions;

/// How often a place is looked for again because others change folders meanwhile.
const ATTEMPTS: usize = 64;

/// The coarsest times that file systems keep are two seconds.
const NEXT_STAMP: Duration = Duration::from_secs(2);

/// So many bytes set out for the disk while more are written, and the sync at the end finds little left to do.
const STRETCH: u64 = 8 * 1024 * 1024;

/// See the [module page](self). Dropped without a commit it leaves nothing but a [part](Part), if it is to.
#[derive(Debug)]
pub(super) struct Writer {
    area: Arc<Area>,
    operation: &'static str,
    key: Key,
    file: File,
    pub(super) hasher: Sha256,
    /// What the file with the bytes is called in the session until it is in place.
    name: Option<String>,
    /// The version as which the bytes, and what is to be known about them, are on the disk.
    version: Option<Version>,
    /// The version that a sidecar was written for.
    described: Option<Version>,
    session: Arc<Session>,
    /// What is kept if it is dropped without a commit, and how long that is.
    part: Option<Part>,
    length: u64,
    /// How many of the bytes were sent on their way to the disk.
    hurried: u64,
}

impl Area {
    /// Begins to write an object; nothing is to be seen of it before it is committed.
    pub(super) fn begin_put(self: &Arc<Self>, operation: &'static str, key: Key) -> Result<Writer> {
        Writer::begin(Arc::clone(self), operation, key)
    }

    /// Begins to write an object whose upload may break off and go on; `offset` is where it goes on.
    pub(super) fn go_on(
        self: &Arc<Self>,
        operation: &'static str,
        key: Key,
        (upload, offset): (UploadId, u64),
    ) -> Result<Writer> {
        let part = Part::new(&key, upload);
        if offset == 0 {
            let mut writer = Writer::begin(Arc::clone(self), operation, key)?;
            writer.part = Some(part);
            return Ok(writer);
        }
        let taken = self
            .take_part(&part)
            .map_err(during(operation, key.as_str()))?;
        let taken = taken.ok_or_else(|| {
            let what = "the upload is not kept any more; begin it again";
            Error::new(ErrorKind::Io, operation, what)
        })?;
        let mut writer = Writer::over(Arc::clone(self), operation, key, taken);
        writer.part = Some(part);
        writer.reread(offset)?;
        Ok(writer)
    }
}

impl Writer {
    pub(super) fn begin(area: Arc<Area>, operation: &'static str, key: Key) -> Result<Self> {
        let made = area.new_file().map_err(during(operation, key.as_str()))?;
        Ok(Self::over(area, operation, key, made))
    }

    /// Writes on at the end of a file of a session.
    fn over(
        area: Arc<Area>,
        operation: &'static str,
        key: Key,
        (name, file, session): (String, File, Arc<Session>),
    ) -> Self {
        Self {
            area,
            operation,
            key,
            file,
            hasher: Sha256::new(),
            name: Some(name),
            version: None,
            described: None,
            session,
            part: None,
            length: 0,
            hurried: 0,
        }
    }

    /// Reads what is there, up to its end, which must be at `offset`.
    fn reread(&mut self, offset: u64) -> Result<()> {
        const PIECE: usize = 256 * 1024;
        let mut piece = vec![0; PIECE];
        loop {
            let read = self
                .file
                .read(&mut piece)
                .map_err(|error| self.fault(error))?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            self.hasher.update(bytes);
            self.length += read as u64;
        }
        if self.length == offset {
            return Ok(());
        }
        let what = format!(
            "{} bytes of the upload are kept, not {offset}; ask again",
            self.length
        );
        Err(Error::new(ErrorKind::Io, self.operation, what))
    }

    /// Adds bytes at the end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.write_unhashed(bytes)
    }

    /// The same for bytes of which the [`hasher`](Self::hasher) is told by the caller.
    pub(super) fn write_unhashed(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // A disk that is full needs the room.
            self.part = None;
            return Err(self.fault(error));
        }
        self.length += bytes.len() as u64;
        if self.length - self.hurried >= STRETCH {
            begin_writeback(&self.file, &(self.hurried..self.length));
            self.hurried = self.length;
        }
        Ok(())
    }

    /// Puts the object in place. When this returns it is there for good.
    pub(super) fn commit(mut self, options: PutOptions) -> Result<()> {
        let digest = item::Digest(self.hasher.finalize_reset().into());
        if let Some(part) = &self.part {
            let upload = part.upload;
            if self.length < upload.size {
                let what = format!("{} bytes of {} came", self.length, upload.size);
                return Err(Error::new(ErrorKind::Io, self.operation, what));
            }
            // From here on there is nothing to go on with. What cannot be removed now is once it is old.
            let _ = self.area.forget_part(part);
            self.part = None;
            if digest != upload.digest || self.length != upload.size {
                let what = "what was uploaded has another hash or size than was announced; upload it again";
                return Err(Error::new(ErrorKind::HashMismatch, self.operation, what));
            }
        }
        let about = Kept {
            options,
            digest: Some(digest),
        };
        let mut attempt = 1;
        loop {
            match self.try_commit(&about) {
                Ok(()) => return Ok(()),
                Err(error) if attempt < ATTEMPTS && place_changed(&error) => attempt += 1,
                Err(error) => {
                    if let Some(version) = self.described {
                        self.area.sidecars.remove(&self.key, version);
                    }
                    self.area.prune(&self.key);
                    return Err(error);
                }
            }
        }
    }

    fn try_commit(&mut self, about: &Kept) -> Result<()> {
        let (place, is_plain) = self.area.make_place(self.operation, &self.key)?;
        let before = place.version().map_err(|error| self.fault(error))?;
        self.describe(about, before)
            .map_err(|error| self.fault(error))?;
        let before = self.move_into(&place).map_err(|error| self.fault(error))?;
        place
            .sync(&self.area.syncs)
            .map_err(|error| self.fault(error))?;
        drop(place);
        if let Some(before) = before {
            self.area.sidecars.remove(&self.key, before);
        }
        if is_plain && let Err(error) = self.area.delete_nested(self.operation, &self.key) {
            tracing::warn!(%error, "an older copy stays in the second place, which is not read");
        }
        Ok(())
    }

    /// Puts the file in its place. Returns the version whose place it took, which no other put of this store took.
    fn move_into(&mut self, place: &Place) -> io::Result<Option<Version>> {
        let Some(name) = &self.name else {
            return Ok(None);
        };
        let moving = self.area.moving.lock();
        let _moving = moving.unwrap_or_else(PoisonError::into_inner);
        let before = place.version()?;
        if before.is_some() && before == self.version {
            // Another put was stamped alike meanwhile.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.session.move_into(name, place)?;
        self.name = None;
        Ok(before)
    }

    /// Brings the bytes to the disk, stamped with a time that the version in place does not have, and
    /// then what is to be known about them.
    fn describe(&mut self, about: &Kept, before: Option<Version>) -> io::Result<()> {
        if self.version.is_some() && self.version != before {
            return Ok(());
        }
        let mut time = SystemTime::now();
        let (note, is_attached) = loop {
            self.file.set_modified(time)?;
            let note = Note::new(&self.key, Version::of_open(&self.file)?, about)?;
            let is_attached = note.attach(&self.file);
            self.file.sync_all()?;
            // Some file systems stamp a file once more when its bytes come to the disk.
            let version = Version::of_open(&self.file)?;
            if Some(version) == before {
                time += NEXT_STAMP;
            } else if note.version == version {
                break (note, is_attached);
            } else {
                break (Note::new(&self.key, version, about)?, false);
            }
        };
        self.described = Some(note.version);
        self.area.sidecars.write(&note, is_attached)?;
        self.version = Some(note.version);
        Ok(())
    }

    fn fault(&self, error: io::Error) -> Error {
        during(self.operation, self.key.as_str())(error)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(name) = &self.name else { return };
        if let Some(part) = &self.part {
            let file = (&*self.session, name.as_str());
            match self.area.keep_part(part, file, self.length) {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "an upload that broke off is not kept"),
            }
        }
        let _ = self.session.remove(name);
    }
}

/// Whether it failed because a folder was made or removed meanwhile.
fn place_changed(error: &Error) -> bool {
    use io::ErrorKind as Kind;
    let cause = error
        .cause()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| {
        matches!(
            cause.kind(),
            Kind::NotFound
                | Kind::NotADirectory
                | Kind::IsADirectory
                | Kind::DirectoryNotEmpty
                | Kind::AlreadyExists
        )
    })
}
