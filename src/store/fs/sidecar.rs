//! Content types, metadata and hashes, each in a small file beside the objects.
//!
//! A sidecar's name holds the hash of the key and the [`Version`] of the bytes that it describes. The
//! store stamps every file that it writes with a modification time of its own, so no two versions of one
//! object have the same. A sidecar is on disk before its bytes are in place and is removed after others
//! have taken their place: whatever is found at the object's path after a crash, its own sidecar is
//! there, and no other fits it. Bytes that somebody else put into the folder have none, and the sidecars of
//! earlier versions of this package name no hash.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::io::{make_folder, sync_folder, unless_missing};
use super::key::Key;
use super::object::PutOptions;
use crate::protocol::item;

/// Which version of an object's bytes: their size and when they were written, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    size: u64,
    written: i128,
}

impl Version {
    /// The version of the file that this is the metadata of.
    pub(super) fn of(file: &Metadata) -> io::Result<Self> {
        let modified = file.modified()?;
        let nanoseconds = |duration: std::time::Duration| {
            i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
        };
        let written = match modified.duration_since(UNIX_EPOCH) {
            Ok(since) => nanoseconds(since),
            Err(before) => -nanoseconds(before.duration()),
        };
        Ok(Self {
            size: file.len(),
            written,
        })
    }
}

impl Version {
    /// How many bytes there are.
    pub(super) fn size(self) -> u64 {
        self.size
    }
}

/// No two versions of one object are written alike.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.size, self.written)
    }
}

/// Which version is at `path`, if any.
pub(super) fn version_at(path: &Path) -> io::Result<Option<Version>> {
    unless_missing(fs::symlink_metadata(path))?
        .map(|found| Version::of(&found))
        .transpose()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sidecar {
    /// For people who look into the folder.
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
    /// In hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// What is kept about a version of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// What it was put with.
    pub(super) options: PutOptions,
    /// The SHA-256 of its bytes, where it was kept.
    pub(super) digest: Option<item::Digest>,
}

/// The folder of the sidecars.
#[derive(Debug)]
pub(super) struct Sidecars {
    root: PathBuf,
}

impl Sidecars {
    /// The sidecars in the folder `root`.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// What is kept about this version of the object under `key`.
    pub(super) fn read(&self, key: &Key, version: Version) -> io::Result<Option<Kept>> {
        let Some(text) = unless_missing(fs::read(self.path_of(key, version)))? else {
            return Ok(None);
        };
        let content: Sidecar = serde_json::from_slice(&text)?;
        let digest = content.sha256.as_deref().and_then(item::Digest::parse);
        let options = PutOptions {
            content_type: content.content_type,
            metadata: content.metadata,
        };
        Ok(Some(Kept { options, digest }))
    }

    /// Keeps `about` for a version that is not in place yet, and returns once that is on disk.
    pub(super) fn write(&self, key: &Key, version: Version, about: &Kept) -> io::Result<()> {
        let content = Sidecar {
            key: key.as_str().to_owned(),
            content_type: about.options.content_type.clone(),
            metadata: about.options.metadata.clone(),
            sha256: about.digest.map(|digest| digest.to_string()),
        };
        let path = self.path_of(key, version);
        let folder = path.parent().unwrap_or(&self.root);
        make_folder(folder)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        file.write_all(&serde_json::to_vec(&content)?)?;
        file.sync_all()?;
        sync_folder(folder)
    }

    /// Forgets what is kept about a version. One that stays behind fits no bytes and harms nobody.
    pub(super) fn remove(&self, key: &Key, version: Version) {
        let _ = fs::remove_file(self.path_of(key, version));
    }

    fn path_of(&self, key: &Key, version: Version) -> PathBuf {
        let mut hash = String::with_capacity(64);
        for byte in Sha256::digest(key.as_str().as_bytes()) {
            let _ = write!(hash, "{byte:02x}");
        }
        let (fan, rest) = hash.split_at(2);
        let Version { size, written } = version;
        self.root
            .join(Path::new(fan))
            .join(format!("{rest}.{size}.{written}.json"))
    }
}
