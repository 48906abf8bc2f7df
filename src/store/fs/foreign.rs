//! A folder that another store keeps: Starkeep's own file store writes `<object>.meta.json` beside each object, and
//! spreads keys over folders. Read as keys, its files would be other objects than the app put, under other names.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::io::{At, open_file, open_folder};
use super::key::RESERVED;

/// What the name of a description ends in.
const DESCRIPTION: &str = ".meta.json";

/// How many entries of a folder are looked at.
const MOST_ENTRIES: usize = 256;

/// How many folders below one another: a key is spread over at most two.
const DEEPEST: usize = 3;

/// An object of another store with its description, where the folder is not yet one of this store.
pub(super) fn find_foreign(root: &Dir) -> io::Result<Option<PathBuf>> {
    if root.try_exists(RESERVED)? {
        return Ok(None);
    }
    find_in(root, Path::new(""), DEEPEST)
}

/// Whether the file says what a store says of an object.
fn describes(folder: &Dir, name: &OsStr) -> io::Result<bool> {
    /// A description is short.
    const LONGEST: u64 = 64 * 1024;
    const FIELDS: [&str; 6] = [
        "contentType",
        "content_type",
        "mimeType",
        "mime_type",
        "size",
        "metadata",
    ];
    let At::Here(file) = open_file(folder, name)? else {
        return Ok(false);
    };
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    let read = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text);
    Ok(read.is_ok_and(|said| FIELDS.iter().any(|field| said.contains_key(*field))))
}

fn find_in(folder: &Dir, at: &Path, deepest: usize) -> io::Result<Option<PathBuf>> {
    let mut below = None;
    for entry in folder.entries()?.take(MOST_ENTRIES) {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            below.get_or_insert(name);
        } else if let Some(object) = name
            .to_str()
            .and_then(|name| name.strip_suffix(DESCRIPTION))
            && kind.is_file()
            && folder
                .symlink_metadata(object)
                .is_ok_and(|found| found.is_file())
            && describes(folder, &name)?
        {
            return Ok(Some(at.join(name)));
        }
    }
    // One folder of a level stands for all: each holds objects of the same store.
    match below {
        Some(name) if deepest > 1 => match open_folder(folder, &name)? {
            At::Here(inner) => find_in(&inner, &at.join(name), deepest - 1),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}
