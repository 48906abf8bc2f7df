//! One object on its way to its place.
//!
//! The order is what makes it safe: bytes synced with what is kept about them, rename, folder synced, and only then
//! the older version's sidecar and the copy in the other place removed. The rename is the moment in
//! which the new version counts. Where the file itself cannot hold what is kept about it, its sidecar is synced before
//! the rename.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::area::Area;
use super::io::during;
use super::key::Key;
use super::session::Session;
use super::sidecar::{Kept, Note, Version};
use crate::error::{Error, Result};
use crate::protocol::item;
use crate::store::PutOptions;

/// How often a place is looked for again because others change folders meanwhile.
const ATTEMPTS: usize = 64;

/// The coarsest times that file systems keep are two seconds.
const NEXT_STAMP: Duration = Duration::from_secs(2);

/// See the [module page](self). Dropped without a commit it leaves nothing.
#[derive(Debug)]
pub(super) struct Writer {
    area: Arc<Area>,
    operation: &'static str,
    key: Key,
    file: File,
    hasher: Sha256,
    /// What the file with the bytes is called in the session until it is in place.
    name: Option<String>,
    /// The version as which the bytes, and what is to be known about them, are on the disk.
    version: Option<Version>,
    /// The version that a sidecar was written for.
    described: Option<Version>,
    session: Arc<Session>,
}

impl Area {
    /// Begins to write an object; nothing is to be seen of it before it is committed.
    pub(super) fn begin_put(self: &Arc<Self>, operation: &'static str, key: Key) -> Result<Writer> {
        Writer::begin(Arc::clone(self), operation, key)
    }
}

impl Writer {
    pub(super) fn begin(area: Arc<Area>, operation: &'static str, key: Key) -> Result<Self> {
        let made = area.new_file().map_err(during(operation, key.as_str()));
        let (name, file, session) = made?;
        Ok(Self {
            area,
            operation,
            key,
            file,
            hasher: Sha256::new(),
            name: Some(name),
            version: None,
            described: None,
            session,
        })
    }

    /// Adds bytes at the end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(during(self.operation, self.key.as_str()))
    }

    /// Puts the object in place. When this returns it is there for good.
    pub(super) fn commit(mut self, options: PutOptions) -> Result<()> {
        let about = Kept {
            options,
            digest: Some(item::Digest(self.hasher.finalize_reset().into())),
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
        if let Some(name) = &self.name {
            let moved = self.session.move_into(name, &place);
            moved.map_err(|error| self.fault(error))?;
        }
        self.name = None;
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
        if let Some(name) = &self.name {
            let _ = self.session.remove(name);
        }
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
