//! The folder in which one opened store writes what is not in place yet.
//!
//! Beside every such folder lies a file that the store keeps locked while it lives. The system drops the
//! lock when the process ends, however it ends. So a folder whose file can be locked belongs to nobody,
//! and what is in it is left over from a crash; it is removed when the next store opens. This needs no
//! clocks and no process ids, which mean nothing between containers that share a folder.
//!
//! The file may be removed only by who holds its lock, and a lock counts only if the file is still there
//! once it is held. That closes the gap between creating the file and locking it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions};

use super::io::{make_folder, open_to_write};

const LOCK: &str = "lock";

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Session {
    root: Arc<Dir>,
    folder: PathBuf,
    lock_path: PathBuf,
    _lock: File,
    files: AtomicU64,
}

impl Session {
    /// A new session in the folder `area` below `root`, in which what others left over is removed.
    pub(super) fn begin(root: &Arc<Dir>, area: &Path) -> io::Result<Self> {
        loop {
            let name = unique_name();
            let lock_path = area.join(&name).with_extension(LOCK);
            let opened = open_to_write(root, &lock_path, &mut new_file());
            let lock = match opened {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                    return Err(error);
                }
                _ if !root.try_exists(&lock_path)? => continue,
                _ => {}
            }
            make_folder(&root.open_dir(area)?, &name)?;
            remove_leftovers(root, area, &lock_path);
            return Ok(Self {
                root: Arc::clone(root),
                folder: area.join(name),
                lock_path,
                _lock: lock,
                files: AtomicU64::new(0),
            });
        }
    }

    /// A new empty file and its path below the root.
    pub(super) fn new_file(&self) -> io::Result<(PathBuf, File)> {
        let name = self.files.fetch_add(1, Ordering::Relaxed).to_string();
        let path = self.folder.join(name);
        let file = open_to_write(&self.root, &path, &mut new_file())?;
        Ok((path, file))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        remove(&self.root, &self.folder, &self.lock_path);
    }
}

/// The folder first: without its lock file nobody would ever come back to it.
fn remove(root: &Dir, folder: &Path, lock_path: &Path) {
    match root.remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, folder = %folder.display(), "temporary files stay behind");
        }
        _ => {
            let _ = root.remove_file(lock_path);
        }
    }
}

/// Failing here harms nobody: what stays behind is tried again at the next opening.
fn remove_leftovers(root: &Dir, area: &Path, own_lock: &Path) {
    for entry in root.read_dir(area).into_iter().flatten().flatten() {
        let path = area.join(entry.file_name());
        if path.extension().is_none_or(|extension| extension != LOCK) || path == own_lock {
            continue;
        }
        let Ok(lock) = open_to_write(root, &path, OpenOptions::new().write(true)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            remove(root, &path.with_extension(""), &path);
        }
    }
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
