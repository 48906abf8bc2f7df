//! What the file system says, in this crate's terms.
//!
//! Everything is named from an open folder, so that what takes the place of a folder above it changes nothing.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, DirBuilder, FileType, Metadata, OpenOptions};
#[cfg(unix)]
use cap_std::fs::{DirBuilderExt, OpenOptionsExt};

use super::key::RESERVED;
use crate::error::{Error, ErrorKind};
use crate::store::Modes;

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
        let told = "the storage cannot hold a key with that name; use a shorter one";
        Error::new(kind, operation, format!("{what}: {error}{remedy}"))
            .told_as(told)
            .caused_by(error)
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

/// What is at a name.
#[derive(Debug)]
pub(super) enum At<T> {
    /// What is wanted.
    Here(T),
    /// Nothing of that kind, and nothing in its way.
    Nothing,
    /// A symbolic link.
    Link,
    /// Something that is of no use here.
    Other,
}

/// The real folder at `path` below `above`.
pub(super) fn open_folder(above: &Dir, path: impl AsRef<Path>) -> io::Result<At<Dir>> {
    let path = path.as_ref();
    match above.open_dir_nofollow(path) {
        Ok(folder) => Ok(At::Here(folder)),
        Err(error) => refused(above, path, error, FileType::is_dir),
    }
}

/// The file at `path` below `above`, for reading. It is asked what it is after it is open: nothing can
/// take its place in between. A folder is nothing, as other objects lie in it.
pub(super) fn open_file(above: &Dir, path: impl AsRef<Path>) -> io::Result<At<File>> {
    let path = path.as_ref();
    match above.open_with(path, as_it_is(OpenOptions::new().read(true))) {
        Ok(file) => kind_of(file),
        Err(error) => match refused(above, path, error, FileType::is_file)? {
            At::Other if is_folder(above, path)? => Ok(At::Nothing),
            other => Ok(other),
        },
    }
}

/// What is known of the file `name` in `folder`, which is not opened for it.
pub(super) fn look_at(folder: &Dir, name: &str) -> io::Result<At<Metadata>> {
    Ok(match unless_missing(folder.symlink_metadata(name))? {
        None => At::Nothing,
        Some(found) if found.is_file() => At::Here(found),
        Some(found) if found.is_dir() => At::Nothing,
        Some(found) if found.is_symlink() => At::Link,
        Some(_) => At::Other,
    })
}

/// Opens the file at `path` below `above` as `options` say; fails if something other than a file is there.
/// If the file is made for it, it is with these rights.
pub(super) fn open_to_write(
    above: &Dir,
    path: impl AsRef<Path>,
    (options, modes): (&mut OpenOptions, Modes),
) -> io::Result<File> {
    #[cfg(unix)]
    OpenOptionsExt::mode(options, modes.bits().0);
    #[cfg(not(unix))]
    let _ = modes;
    match kind_of(above.open_with(path, as_it_is(options))?)? {
        At::Here(file) => Ok(file),
        _ => Err(not_a_file()),
    }
}

/// What is said of something that stands in the place of one of the store's own files.
pub(super) fn not_a_file() -> io::Error {
    io::Error::other("not a file, though the store keeps one there")
}

/// No link is followed, and the opening of a named pipe waits for no other end.
fn as_it_is(options: &mut OpenOptions) -> &OpenOptions {
    options.follow(FollowSymlinks::No).nonblock(true)
}

fn kind_of(file: cap_std::fs::File) -> io::Result<At<File>> {
    let file = file.into_std();
    let found = file.metadata()?;
    Ok(if found.is_file() {
        At::Here(file)
    } else if found.is_dir() {
        At::Nothing
    } else if found.is_symlink() {
        At::Link
    } else {
        At::Other
    })
}

/// Why a name was not opened, if that is no fault: it is not of the kind that is wanted.
fn refused<T>(
    above: &Dir,
    path: &Path,
    error: io::Error,
    is_wanted: impl Fn(&FileType) -> bool,
) -> io::Result<At<T>> {
    if error.kind() == io::ErrorKind::NotFound {
        return Ok(At::Nothing);
    }
    match unless_missing(above.symlink_metadata(path))? {
        None => Ok(At::Nothing),
        Some(found) if found.is_symlink() => Ok(At::Link),
        Some(found) if is_wanted(&found.file_type()) => Err(error),
        Some(_) => Ok(At::Other),
    }
}

fn is_folder(above: &Dir, path: &Path) -> io::Result<bool> {
    Ok(unless_missing(above.symlink_metadata(path))?.is_some_and(|found| found.is_dir()))
}

/// Begins to bring these bytes of a file to the disk, and waits for nothing. A sync still has to follow: it alone says
/// whether they are there.
#[cfg(target_os = "linux")]
pub(super) fn begin_writeback(file: &File, bytes: &Range<u64>) {
    use std::os::fd::AsRawFd as _;
    let (Ok(start), Ok(length)) = (bytes.start.try_into(), (bytes.end - bytes.start).try_into())
    else {
        return;
    };
    // SAFETY: the descriptor is that of an open file, and nothing else is handed over.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), start, length, libc::SYNC_FILE_RANGE_WRITE);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn begin_writeback(_: &File, _: &Range<u64>) {}

/// Makes what happened to the names in a folder last.
pub(super) fn sync_folder(folder: &Dir) -> io::Result<()> {
    if cfg!(unix) {
        folder.open(".")?.sync_all()
    } else {
        Ok(())
    }
}

/// One of the store's own folders, which is made if it is missing.
pub(super) fn own_folder(root: &Dir, name: &str, modes: Modes) -> io::Result<Dir> {
    match open_folder(root, own_path(name))? {
        At::Here(folder) => Ok(folder),
        _ => make_folder(&make_folder(root, RESERVED, modes)?, name, modes),
    }
}

/// Where one of the store's own folders lies below the root.
pub(super) fn own_path(name: &str) -> PathBuf {
    Path::new(RESERVED).join(name)
}

#[cfg(unix)]
fn builder(modes: Modes) -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(modes.bits().1);
    builder
}

#[cfg(not(unix))]
fn builder(_: Modes) -> DirBuilder {
    DirBuilder::new()
}

/// The real folder `name` in `above`, which is made with these rights if it is missing, and on disk then.
pub(super) fn make_folder(above: &Dir, name: &str, modes: Modes) -> io::Result<Dir> {
    let (folder, is_new) = ensure_folder(above, name, modes)?;
    if is_new {
        sync_folder(above)?;
    }
    Ok(folder)
}

/// The real folder `name` in `above`, and whether it was made just now, with these rights.
pub(super) fn ensure_folder(above: &Dir, name: &str, modes: Modes) -> io::Result<(Dir, bool)> {
    if let At::Here(folder) = open_folder(above, name)? {
        return Ok((folder, false));
    }
    let is_new = match above.create_dir_with(name, &builder(modes)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        made => made.map(|()| true)?,
    };
    match open_folder(above, name)? {
        At::Here(folder) => Ok((folder, is_new)),
        At::Nothing => Err(io::ErrorKind::NotFound.into()),
        At::Link | At::Other => Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder")),
    }
}
