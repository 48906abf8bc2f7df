//! Whether an open database is still the file at its path, and whether that file is sound.
//!
//! A file that was removed, or that another was put in the place of, goes on to work for all that have it open:
//! what is written there is gone with the last handle. So the file at the path is compared with the one
//! that was opened before each use. On Windows an open database can be neither removed nor replaced; there
//! only a missing path is noticed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::fault::during;
use crate::error::{Error, ErrorKind, Result};
use crate::store::identity::FileId;

/// What begins every file of `SQLite`.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// A file that has at most this many bytes is read from end to end to see whether it is sound.
const WHOLE: u64 = 64 * 1024 * 1024;

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    file: FileId,
    log: Option<FileId>,
    /// Held until no connection has the file: closing it would drop the locks of all.
    handle: Mutex<File>,
}

impl Place {
    /// The file at `path`, which may not be open in this process yet.
    pub(super) fn open(path: &Path, file: FileId) -> std::io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file,
            log: None,
            handle: Mutex::new(File::open(path)?),
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes down which file is the log, once there is one.
    pub(super) fn note_log(&mut self) {
        self.log = self.log_at_path();
    }

    fn log_at_path(&self) -> Option<FileId> {
        let mut name = self.path.as_os_str().to_owned();
        name.push("-wal");
        FileId::of(Path::new(&name)).ok()
    }

    /// Whether the file at the path is the one that was opened.
    pub(super) fn is_kept(&self) -> bool {
        FileId::of(&self.path).is_ok_and(|found| found == self.file)
    }

    /// Fails where the file was removed or replaced.
    pub(super) fn check(&self, operation: &'static str) -> Result<()> {
        if self.is_kept() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::StoreReplaced,
            operation,
            format!(
                "the database file {} was replaced or removed while open; close the store and open it again",
                self.path.display()
            ),
        ))
    }

    /// Whether another database stands at the path with a log of its own, which `SQLite` would take for
    /// this one's and remove.
    pub(super) fn is_of_others(&self) -> bool {
        let found = FileId::of(&self.path);
        found.is_ok_and(|found| found != self.file) && self.log_at_path() != self.log
    }

    /// Whether the file is there, is a database, and can be read, as far as [`look`] looks. `connect` makes
    /// a connection that has read nothing yet.
    pub(super) fn is_sound(&self, connect: impl FnOnce() -> Result<Connection>) -> bool {
        if !self.is_kept() {
            return false;
        }
        let Ok(length) = self.sound_length() else {
            return false;
        };
        match connect().and_then(|connection| look(&connection, length)) {
            Ok(sound) => sound,
            // What only this app's own functions can read is not damaged.
            Err(error) => error.kind() == ErrorKind::Database,
        }
    }

    /// How long the file is, if it begins as a database does. The log may hide a damaged beginning.
    fn sound_length(&self) -> std::io::Result<u64> {
        let mut file = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut begin = [0; MAGIC.len()];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut begin)?;
        if begin != *MAGIC {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        file.metadata().map(|found| found.len())
    }
}

/// Whether the database holds together: all of a small one, and of a large one the schema and the beginning
/// of every table.
fn look(connection: &Connection, length: u64) -> Result<bool> {
    const OPERATION: &str = "check the database";
    let ask = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, String>(0))
            .map_err(during(OPERATION))
    };
    if length <= WHOLE {
        connection
            .pragma_update(None, "ignore_check_constraints", true)
            .map_err(during(OPERATION))?;
        return Ok(ask("PRAGMA quick_check(1)")? == "ok");
    }
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
        .map_err(during(OPERATION))?;
    let names = statement
        .query_map([], |row| row.get::<_, String>(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(during(OPERATION))?;
    for name in names {
        let sql = format!(
            "SELECT count(*) FROM (SELECT * FROM {} LIMIT 1)",
            super::columns::quote(&name)
        );
        connection
            .query_row(&sql, [], |_| Ok(()))
            .map_err(during(OPERATION))?;
    }
    Ok(true)
}
