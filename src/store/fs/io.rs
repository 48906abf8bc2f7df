//! What the file system says, in this crate's terms.

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// Turns what went wrong with `what` into an error of `operation`.
pub(super) fn during(
    operation: &'static str,
    what: impl Display,
) -> impl FnOnce(io::Error) -> Error {
    move |error| {
        let (kind, remedy) = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (ErrorKind::StorageFull, "; free some space and try again")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
                ErrorKind::ReadOnly,
                "; give this user the right to read and write the folder and everything in it",
            ),
            io::ErrorKind::InvalidFilename => (
                ErrorKind::InvalidKey,
                "; this file system cannot hold that name, use a shorter key",
            ),
            io::ErrorKind::CrossesDevices => (
                ErrorKind::Io,
                "; the whole folder must be on one file system, with no other mounted into it",
            ),
            _ => (ErrorKind::Io, ""),
        };
        Error::new(kind, operation, format!("{what}: {error}{remedy}")).caused_by(error)
    }
}

/// The answer, or nothing where there is no such file.
pub(super) fn unless_missing<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Makes what happened to the names in a folder last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// Makes sure that a real folder is at `path`; answers whether it is new.
pub(super) fn make_folder(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => {
            path.parent().map_or(Ok(()), sync_folder)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                Ok(false)
            } else {
                Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder"))
            }
        }
        Err(error) => Err(error),
    }
}
