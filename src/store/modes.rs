//! The rights of what a store creates.

use std::fs::{DirBuilder, OpenOptions};

/// Which rights files and folders get on Unix when a store creates them. What is there already keeps its own. Elsewhere
/// they are those of the folder above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Modes {
    /// 0600 and 0700: none but the user that the process runs as.
    #[default]
    Private,
    /// What the `umask` of the process leaves.
    Umask,
}

impl Modes {
    /// By its name as an option; private if it is not given.
    pub fn named(name: Option<&str>) -> Self {
        match name {
            Some("umask") => Self::Umask,
            _ => Self::Private,
        }
    }

    /// The mode of files, and that of folders. The `umask` takes from both.
    #[cfg(unix)]
    pub(super) fn bits(self) -> (u32, u32) {
        match self {
            Self::Private => (0o600, 0o700),
            Self::Umask => (0o666, 0o777),
        }
    }

    /// Opens a file that must not be there yet.
    pub(super) fn new_file(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.bits().0);
        options
    }

    /// Makes folders, and those above them that are missing.
    pub(super) fn folders(self) -> DirBuilder {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, self.bits().1);
        builder
    }
}
