//! A folder that another store keeps: Starkeep's own file store writes `<object>.meta.json` beside each object, and
//! spreads keys over folders. Read as keys, its files would be other objects than the app put, under other names.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::io::{At, open_folder};
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
