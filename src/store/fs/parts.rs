//! Uploads that broke off, kept until they go on.
//!
//! A part lies under a name of its own only while nothing writes to it: the upload that goes on takes it into its
//! session, and puts it back if it breaks off again. So no two write to one part. What a part holds is trusted only as far
//! as the hash of the whole object, which is compared before the object is put in place.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use sha2::{Digest as _, Sha256};

use super::area::Area;
use super::io::{At, look_at, open_folder, own_folder, own_path, unless_missing};
use super::key::Key;
use super::session::Session;
use crate::engine::object::UploadId;
use crate::protocol::item::Digest;

/// The folder of the parts, in the store's own.
const PARTS: &str = "parts";

/// Less than this is not worth keeping.
const LEAST: u64 = 64 * 1024;

/// A part that did not go on for so long is removed.
const LONGEST: Duration = Duration::from_secs(3 * 24 * 3600);

/// The most parts that are kept, and the most bytes of all together; the oldest go first.
const MOST: usize = 100;
const ROOM: u64 = 16 * 1024 * 1024 * 1024;

/// Which upload, of which object.
#[derive(Debug, Clone)]
pub(super) struct Part {
    name: String,
    /// What the object will be.
    pub(super) upload: UploadId,
}

impl Part {
    pub(super) fn new(key: &Key, upload: UploadId) -> Self {
        let text = format!("{}\0{upload}", key.as_str());
        let name = Digest(Sha256::digest(text).into()).to_string();
        Self { name, upload }
    }
}

impl Area {
    /// How many bytes of the upload are kept.
    pub(super) fn part_size(&self, part: &Part) -> io::Result<u64> {
        let At::Here(parts) = open_folder(self.root_dir(), own_path(PARTS))? else {
            return Ok(0);
        };
        Ok(match look_at(&parts, &part.name)? {
            At::Here(found) => found.len(),
            _ => 0,
        })
    }

    /// Takes what is kept of the upload into a session.
    pub(super) fn take_part(
        &self,
        part: &Part,
    ) -> io::Result<Option<(String, File, Arc<Session>)>> {
        let At::Here(parts) = open_folder(self.root_dir(), own_path(PARTS))? else {
            return Ok(None);
        };
        let session = self.current_session();
        let taken = unless_missing(session.adopt(&parts, &part.name))?;
        Ok(taken.map(|(name, file)| (name, file, session)))
    }

    /// Keeps the file `name` of a session, of `size` bytes, as a part, if it is worth it and no longer one is there.
    pub(super) fn keep_part(
        &self,
        part: &Part,
        (session, name): (&Session, &str),
        size: u64,
    ) -> io::Result<bool> {
        if !(LEAST..=ROOM).contains(&size) || self.part_size(part)? >= size {
            return Ok(false);
        }
        let parts = own_folder(self.root_dir(), PARTS, self.modes())?;
        session.release(name, &parts, &part.name)?;
        self.tidy_parts()?;
        Ok(true)
    }

    /// Removes what is kept of an upload that is over.
    pub(super) fn forget_part(&self, part: &Part) -> io::Result<()> {
        match open_folder(self.root_dir(), own_path(PARTS))? {
            At::Here(parts) => unless_missing(parts.remove_file(&part.name)).map(drop),
            _ => Ok(()),
        }
    }

    /// Removes parts that are too old, and the oldest of those that are too many.
    pub(super) fn tidy_parts(&self) -> io::Result<()> {
        let At::Here(parts) = open_folder(self.root_dir(), own_path(PARTS))? else {
            return Ok(());
        };
        let mut found = entries_of(&parts)?;
        found.sort_by_key(|(age, ..)| *age);
        let (mut count, mut bytes) = (0, 0);
        for (age, size, name) in found {
            (count, bytes) = (count + 1, bytes + size);
            if age > LONGEST || count > MOST || bytes > ROOM {
                unless_missing(parts.remove_file(&name))?;
            }
        }
        Ok(())
    }
}

/// How old each part is, how large, and its name.
fn entries_of(parts: &Dir) -> io::Result<Vec<(Duration, u64, String)>> {
    let now = SystemTime::now();
    let mut found = Vec::new();
    for entry in parts.entries()? {
        let entry = entry?;
        let (Ok(name), Some(about)) = (
            entry.file_name().into_string(),
            unless_missing(entry.metadata())?,
        ) else {
            continue;
        };
        if about.is_file() {
            let written = about.modified()?.into_std();
            let age = now.duration_since(written).unwrap_or_default();
            found.push((age, about.len(), name));
        }
    }
    Ok(found)
}
