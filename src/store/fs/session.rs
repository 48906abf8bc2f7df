//! The folder in which one opened store writes what is not in place yet.
//!
//! Beside every such folder lies a file that the store keeps locked while it lives. The system drops the
//! lock when the process ends, however it ends. So a folder whose file can be locked has no owner,
//! and what is in it is left over from a crash; it is removed when the next store opens. This needs no
//! clocks and no process ids, which mean nothing between containers that share a folder.
//!
//! The file may be removed only by the holder of its lock, and a lock counts only if the file is still there
//! once it is held. That closes the gap between creating the file and locking it.

use std::fs::{File, TryLockError};
use std::io;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions};

use super::io::{make_folder, open_to_write, own_folder};
use super::tree::Place;
use crate::store::Modes;

/// What the name of a session's lock file ends in.
const LOCK: &str = ".lock";

/// The folder of all sessions, in the store's own.
pub(super) const WRITING: &str = "writing";

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Session {
    /// The folder of all sessions.
    area: Dir,
    name: String,
    /// Open until the session ends.
    folder: Option<Dir>,
    _lock: File,
    files: AtomicU64,
    modes: Modes,
}

impl Session {
    /// A new session of the store at `root`, in which what others left over is removed.
    pub(super) fn begin(root: &Dir, modes: Modes) -> io::Result<Self> {
        let area = own_folder(root, WRITING, modes)?;
        loop {
            let name = unique_name();
            let lock_name = lock_of(&name);
            let lock = match open_to_write(&area, &lock_name, (&mut new_file(), modes)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                    return Err(error);
                }
                _ if !area.try_exists(&lock_name)? => continue,
                _ => {}
            }
            let folder = make_folder(&area, &name, modes)?;
            remove_leftovers(&area, &name);
            return Ok(Self {
                area,
                name,
                folder: Some(folder),
                _lock: lock,
                files: AtomicU64::new(0),
                modes,
            });
        }
    }

    /// A new empty file and its name.
    pub(super) fn new_file(&self) -> io::Result<(String, File)> {
        let name = self.files.fetch_add(1, Ordering::Relaxed).to_string();
        let file = open_to_write(self.folder()?, &name, (&mut new_file(), self.modes))?;
        Ok((name, file))
    }

    /// Puts the file `name` in its place.
    pub(super) fn move_into(&self, name: &str, place: &Place) -> io::Result<()> {
        let folder = self.folder()?;
        folder.rename(name, &place.folder, &place.name)
    }

    /// Takes a file of another folder in, to be read and written. Of several that want it one gets it.
    pub(super) fn adopt(&self, from: &Dir, its_name: &str) -> io::Result<(String, File)> {
        let name = self.files.fetch_add(1, Ordering::Relaxed).to_string();
        from.rename(its_name, self.folder()?, &name)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = open_to_write(self.folder()?, &name, (&mut options, self.modes))?;
        Ok((name, file))
    }

    /// Gives the file `name` away to another folder.
    pub(super) fn release(&self, name: &str, to: &Dir, as_name: &str) -> io::Result<()> {
        self.folder()?.rename(name, to, as_name)
    }

    /// Removes the file `name`.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        self.folder()?.remove_file(name)
    }

    fn folder(&self) -> io::Result<&Dir> {
        self.folder.as_ref().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Some systems remove no folder that is open.
        self.folder = None;
        remove(&self.area, &self.name);
    }
}

/// The folder first: without its lock file it would never be looked at again.
fn remove(area: &Dir, name: &str) {
    match area.remove_dir_all(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, folder = name, "temporary files stay behind");
        }
        _ => {
            let _ = area.remove_file(lock_of(name));
        }
    }
}

/// Failing here does no harm: what stays behind is tried again at the next opening.
fn remove_leftovers(area: &Dir, own: &str) {
    for entry in area.entries().into_iter().flatten().flatten() {
        let found = entry.file_name();
        let Some(name) = found.to_str().and_then(|name| name.strip_suffix(LOCK)) else {
            continue;
        };
        if name == own {
            continue;
        }
        let mut options = OpenOptions::new();
        options.write(true);
        let Ok(lock) = open_to_write(area, &found, (&mut options, Modes::default())) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            remove(area, name);
        }
    }
}

fn lock_of(name: &str) -> String {
    format!("{name}{LOCK}")
}

fn new_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    options
}

fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}-{count}", process::id(), now.as_nanos())
}
