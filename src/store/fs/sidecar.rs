//! Content types, metadata and hashes, each in a small file beside the objects.
//!
//! A sidecar's name holds the hash of the key and the [`Version`] of the bytes that it describes. The
//! store stamps every file that it writes with a modification time of its own, so no two versions of one
//! object have the same. The same text is kept in an [attribute](super::attribute) of the file, where the file system can. One of the two
//! is on disk before the bytes are in place, and the sidecar is removed after others have taken their place: whatever is
//! found at the object's path after a crash, what belongs to it is there, and nothing else fits it. Bytes that another
//! program put into the folder have none, and the sidecars of earlier versions of this package name no hash.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, Metadata, OpenOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::attribute::{attach, attached};
use super::io::{
    At, ensure_folder, not_a_file, open_file, open_to_write, own_folder, own_path, sync_folder,
    unless_missing,
};
use super::key::Key;
use crate::protocol::item;
use crate::store::{Modes, PutOptions};

/// The folder of the sidecars, in the store's own.
pub(super) const SIDECARS: &str = "sidecars";

/// Which version of an object's bytes: their size and when they were written, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    size: u64,
    written: i128,
}

impl Version {
    /// The version of the file that this is the metadata of.
    pub(super) fn of(file: &Metadata) -> io::Result<Self> {
        Ok(Self::new(file.len(), file.modified()?.into_std()))
    }

    /// The version of an open file.
    pub(super) fn of_open(file: &File) -> io::Result<Self> {
        let file = file.metadata()?;
        Ok(Self::new(file.len(), file.modified()?))
    }

    fn new(size: u64, modified: SystemTime) -> Self {
        let nanoseconds = |duration: std::time::Duration| {
            i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
        };
        let written = match modified.duration_since(UNIX_EPOCH) {
            Ok(since) => nanoseconds(since),
            Err(before) => -nanoseconds(before.duration()),
        };
        Self { size, written }
    }

    /// How many bytes there are.
    pub(super) fn size(self) -> u64 {
        self.size
    }

    /// When they were written, in milliseconds since the epoch; `None` if that was before it.
    pub(super) fn written_ms(self) -> Option<u64> {
        u64::try_from(self.written / 1_000_000).ok()
    }
}

/// No two versions of one object are written alike.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.size, self.written)
    }
}

/// Which version is at `name` in `folder`, if any.
pub(super) fn version_at(folder: &Dir, name: &str) -> io::Result<Option<Version>> {
    unless_missing(folder.symlink_metadata(name))?
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
    /// The version that it is about. In a sidecar of an earlier version of this package only the file's name says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// What is kept about a version of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// What it was put with.
    pub(super) options: PutOptions,
    /// The SHA-256 of its bytes, where it was kept.
    pub(super) digest: Option<item::Digest>,
}

/// What is kept about a version, as it is written.
pub(super) struct Note<'k> {
    key: &'k Key,
    /// The version.
    pub(super) version: Version,
    text: Vec<u8>,
}

impl<'k> Note<'k> {
    /// What is to be written of this version of the object under `key`.
    pub(super) fn new(key: &'k Key, version: Version, about: &Kept) -> io::Result<Self> {
        let content = Sidecar {
            key: key.as_str().to_owned(),
            content_type: about.options.content_type.clone(),
            metadata: about.options.metadata.clone(),
            sha256: about.digest.map(|digest| digest.to_string()),
            version: Some(version.to_string()),
        };
        let text = serde_json::to_vec(&content)?;
        Ok(Self { key, version, text })
    }

    /// Keeps it with the file itself. Returns whether the file system does that; it is on disk when the bytes are.
    pub(super) fn attach(&self, file: &File) -> bool {
        attach(file, &self.text)
    }
}

/// What a note says about this version, if it is about that.
fn read_note(text: &[u8], version: Version) -> Option<Kept> {
    let content: Sidecar = serde_json::from_slice(text).ok()?;
    let of_version = version.to_string();
    if content.version.is_some_and(|noted| noted != of_version) {
        return None;
    }
    let digest = content.sha256.as_deref().and_then(item::Digest::parse);
    let options = PutOptions {
        content_type: content.content_type,
        metadata: content.metadata,
        ..PutOptions::default()
    };
    Some(Kept { options, digest })
}

/// The folder of the sidecars.
#[derive(Debug)]
pub(super) struct Sidecars {
    root: Arc<Dir>,
    modes: Modes,
}

impl Sidecars {
    /// The sidecars of the store at `root`.
    pub(super) fn new(root: Arc<Dir>, modes: Modes) -> Self {
        Self { root, modes }
    }

    /// What is kept about this version of the object under `key`, whose bytes are open as `file`.
    pub(super) fn read(
        &self,
        key: &Key,
        version: Version,
        file: &File,
    ) -> io::Result<Option<Kept>> {
        let attached = attached(file).and_then(|text| read_note(&text, version));
        if attached.is_some() {
            return Ok(attached);
        }
        let (fan, name) = names_of(key, version);
        let mut file = match open_file(&self.root, own_path(SIDECARS).join(fan).join(name))? {
            At::Here(file) => file,
            At::Nothing => return Ok(None),
            At::Link | At::Other => return Err(not_a_file()),
        };
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let kept = read_note(&text, version);
        if kept.is_none() {
            // It was not on disk yet when the power went, and the file was copied without its attributes since.
            let key = key.as_str();
            tracing::warn!(
                key,
                "what was kept beside an object is damaged; its content type is lost"
            );
        }
        Ok(kept)
    }

    /// Keeps `note` for a version that is not in place yet. Unless it `is_attached` to the file too, it is on disk when
    /// this returns.
    pub(super) fn write(&self, note: &Note<'_>, is_attached: bool) -> io::Result<()> {
        let (fan, name) = names_of(note.key, note.version);
        let modes = self.modes;
        let above = own_folder(&self.root, SIDECARS, modes)?;
        let (folder, _) = ensure_folder(&above, &fan, modes)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = open_to_write(&folder, name, (&mut options, modes))?;
        file.write_all(&note.text)?;
        if is_attached {
            return Ok(());
        }
        file.sync_all()?;
        sync_folder(&folder)?;
        // The folder may have been made for a sidecar that waited for no sync.
        sync_folder(&above)
    }

    /// Forgets what is kept about a version. One that stays behind fits no bytes and does no harm.
    pub(super) fn remove(&self, key: &Key, version: Version) {
        let (fan, name) = names_of(key, version);
        let _ = self
            .root
            .remove_file(own_path(SIDECARS).join(fan).join(name));
    }
}

/// The folder of a sidecar, and its name there.
fn names_of(key: &Key, version: Version) -> (String, String) {
    let mut hash = String::with_capacity(64);
    for byte in Sha256::digest(key.as_str().as_bytes()) {
        let _ = write!(hash, "{byte:02x}");
    }
    let (fan, rest) = hash.split_at(2);
    let Version { size, written } = version;
    (fan.to_owned(), format!("{rest}.{size}.{written}.json"))
}
