//! Which file or folder it is, whatever it is called.

use std::fs::File;
#[cfg(unix)]
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

/// A file or folder itself, by whatever path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::store) struct FileId(
    #[cfg(unix)] (u64, u64),
    #[cfg(not(unix))] std::path::PathBuf,
);

impl FileId {
    /// What is at `path`, which is not opened for it.
    pub(in crate::store) fn of(path: &Path) -> io::Result<Self> {
        #[cfg(unix)]
        {
            Ok(Self::from_metadata(&fs::metadata(path)?))
        }
        #[cfg(not(unix))]
        {
            Ok(Self(std::fs::canonicalize(path)?))
        }
    }

    /// What is open as `file`, which was opened at `path`.
    pub(in crate::store) fn of_open(file: &File, path: &Path) -> io::Result<Self> {
        #[cfg(unix)]
        {
            let _ = path;
            Ok(Self::from_metadata(&file.metadata()?))
        }
        #[cfg(not(unix))]
        {
            let _ = file;
            Self::of(path)
        }
    }

    #[cfg(unix)]
    fn from_metadata(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self((found.dev(), found.ino()))
    }
}
