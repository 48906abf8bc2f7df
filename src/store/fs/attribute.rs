//! What is kept about an object, once more in an extended attribute of its file.
//!
//! It is on disk when the bytes are: one sync serves both. The sidecar beside it is what tools carry along that copy
//! files without their attributes, and what file systems without attributes have.

use std::fs::File;

/// The most bytes that are kept in an attribute: file systems give a file some 4 KiB for all of them.
const LARGEST: usize = 2048;

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod held {
    use std::fs::File;

    use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};

    const NAME: &str = "user.starkeep.object";

    pub(super) fn set(file: &File, text: &[u8]) -> bool {
        fsetxattr(file, NAME, text, XattrFlags::empty()).is_ok()
    }

    pub(super) fn get(file: &File, into: &mut [u8]) -> Option<usize> {
        fgetxattr(file, NAME, into).ok()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod held {
    use std::fs::File;

    pub(super) fn set(_: &File, _: &[u8]) -> bool {
        false
    }

    pub(super) fn get(_: &File, _: &mut [u8]) -> Option<usize> {
        None
    }
}

/// Keeps `text` with the file. Returns whether the file system does that; it is on disk when the file is.
pub(super) fn attach(file: &File, text: &[u8]) -> bool {
    text.len() <= LARGEST && held::set(file, text)
}

/// What is kept with the file, if anything is.
pub(super) fn attached(file: &File) -> Option<Vec<u8>> {
    let mut text = vec![0; LARGEST];
    let length = held::get(file, &mut text)?;
    text.truncate(length);
    Some(text)
}
