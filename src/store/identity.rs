//! Which file or folder it is, whatever it is called.

#[cfg(unix)]
use std::fs;
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
            use std::os::unix::fs::MetadataExt;
            let found = fs::metadata(path)?;
            Ok(Self((found.dev(), found.ino())))
        }
        #[cfg(not(unix))]
        {
            Ok(Self(std::fs::canonicalize(path)?))
        }
    }
}
