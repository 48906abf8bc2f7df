//! Which files this process has open, by any library, as far as the system tells.
//!
//! It must be found out without opening the file: locks of a database belong to the process, and closing
//! any handle on the file drops them all, also those of the library that we are looking for.

use std::path::Path;

use crate::store::identity::FileId;

/// Whether this process has one of these files open. Where the system does not tell, the answer is no.
pub(super) fn any_open(files: &[FileId]) -> bool {
    !files.is_empty() && system::any_open(files)
}

/// What may lie beside the database at `path` while it is in use, and the database itself.
pub(super) fn files_of_database(path: &Path) -> Vec<FileId> {
    ["", "-wal", "-shm", "-journal"]
        .into_iter()
        .filter_map(|suffix| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            FileId::of(Path::new(&name)).ok()
        })
        .collect()
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;

    use super::FileId;

    pub(super) fn any_open(files: &[FileId]) -> bool {
        let Ok(open) = fs::read_dir("/proc/self/fd") else {
            return false;
        };
        open.flatten()
            .filter_map(|entry| FileId::of(&entry.path()).ok())
            .any(|id| files.contains(&id))
    }
}

#[cfg(target_os = "macos")]
mod system {
    use std::ffi::{CStr, OsStr};
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::FileId;

    pub(super) fn any_open(files: &[FileId]) -> bool {
        let Ok(open) = fs::read_dir("/dev/fd") else {
            return false;
        };
        open.flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(id_of)
            .any(|id| files.contains(&id))
    }

    fn id_of(descriptor: libc::c_int) -> Option<FileId> {
        let mut path = [0u8; libc::PATH_MAX as usize];
        // SAFETY: F_GETPATH writes a path of at most PATH_MAX bytes, its NUL among them, and the buffer
        // is that long. A descriptor that is no longer open makes the call fail.
        let answer = unsafe { libc::fcntl(descriptor, libc::F_GETPATH, path.as_mut_ptr()) };
        if answer == -1 {
            return None;
        }
        let path = CStr::from_bytes_until_nul(&path).ok()?;
        FileId::of(Path::new(OsStr::from_bytes(path.to_bytes()))).ok()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod system {
    use super::FileId;

    pub(super) fn any_open(_: &[FileId]) -> bool {
        false
    }
}
