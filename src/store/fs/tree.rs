//! A tree of folders in which a key is a path.
//!
//! The plain tree holds objects where people look for them; there a file and a folder cannot have the
//! same name. The marked tree holds the rest: in it every folder's name ends in `+` and every file's in
//! `=`, so that no two keys are in each other's way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::io::{during, make_folder, unless_missing};
use super::key::{Key, LONGEST_SEGMENT, RESERVED};
use crate::error::{Error, ErrorKind, Result};

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    marked: bool,
}

/// Whether a key's place can be written to.
#[derive(Debug)]
pub(super) enum Place {
    /// It can: the folder is there, and no folder is at the path itself.
    Free(PathBuf),
    /// Another object's name is in the way.
    Taken,
}

/// What became of the folders above a place, and of the place.
enum Made {
    Place,
    Taken,
    Link,
}

/// Which keys are listed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) prefix: &'a str,
    pub(super) after: Option<&'a str>,
    pub(super) at_most: usize,
}

impl Wanted<'_> {
    fn key(&self, key: &str) -> bool {
        key.starts_with(self.prefix)
            && self.after.is_none_or(|after| key > after)
            && Key::allows(key)
    }

    /// Whether any key that begins with `folder` (which ends in a slash) may be wanted.
    fn folder(&self, folder: &str) -> bool {
        (folder.starts_with(self.prefix) || self.prefix.starts_with(folder))
            && self
                .after
                .is_none_or(|after| folder > after || after.starts_with(folder))
    }
}

impl Tree {
    /// Objects at the paths that their keys say.
    pub(super) fn plain(root: PathBuf) -> Self {
        Self {
            root,
            marked: false,
        }
    }

    /// Objects at marked paths.
    pub(super) fn marked(root: PathBuf) -> Self {
        Self { root, marked: true }
    }

    /// Where the object under `key` would lie.
    pub(super) fn path_of(&self, key: &Key) -> PathBuf {
        self.names(key)
            .fold(self.root.clone(), |path, name| path.join(name))
    }

    /// Where the object under `key` lies, if it is in this tree.
    pub(super) fn find(&self, operation: &'static str, key: &Key) -> Result<Option<PathBuf>> {
        let mut path = self.root.clone();
        let mut names = self.names(key).peekable();
        while let Some(name) = names.next() {
            // A mark can make a name longer than any file's: nothing was ever put there.
            if name.len() > LONGEST_SEGMENT {
                return Ok(None);
            }
            path.push(name);
            let found = unless_missing(fs::symlink_metadata(&path))
                .map_err(during(operation, path.display()))?;
            match found {
                Some(found) if found.is_symlink() => return Err(link_in_the_way(operation, &path)),
                Some(found) if names.peek().is_some() && found.is_dir() => {}
                Some(found) if names.peek().is_none() && found.is_file() => return Ok(Some(path)),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Makes the folders that the object under `key` needs.
    pub(super) fn make_place(&self, operation: &'static str, key: &Key) -> Result<Place> {
        let mut path = self.root.clone();
        let made = self.make_folders(&mut path, key);
        if !matches!(made, Ok(Made::Place)) {
            self.prune_above(&path);
        }
        match made {
            Ok(Made::Place) => Ok(Place::Free(path)),
            Ok(Made::Taken) => Ok(Place::Taken),
            Ok(Made::Link) => Err(link_in_the_way(operation, &path)),
            Err(error) => Err(during(operation, key.as_str())(error)),
        }
    }

    fn make_folders(&self, path: &mut PathBuf, key: &Key) -> io::Result<Made> {
        let mut names = self.names(key).peekable();
        while let Some(name) = names.next() {
            path.push(name);
            let is_last = names.peek().is_none();
            match unless_missing(fs::symlink_metadata(&path))? {
                Some(here) if here.is_symlink() => return Ok(Made::Link),
                Some(here) if here.is_dir() == is_last => {
                    // An empty folder at the object's own place is a left-over and may go.
                    if !is_last || fs::remove_dir(&path).is_err() {
                        return Ok(Made::Taken);
                    }
                }
                Some(_) => {}
                None if is_last => {}
                None => match make_folder(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                        return Ok(Made::Taken);
                    }
                    made => {
                        made?;
                    }
                },
            }
        }
        Ok(Made::Place)
    }

    /// Removes the folders above `path` that are empty now.
    pub(super) fn prune_above(&self, path: &Path) {
        for folder in path.ancestors().skip(1) {
            if folder == self.root || fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }

    /// The first of the wanted keys, in order.
    pub(super) fn list(&self, operation: &'static str, wanted: Wanted<'_>) -> Result<Vec<String>> {
        let entries_of = |folder: &Path| {
            self.sorted_entries(folder)
                .map_err(during(operation, folder.display()))
        };
        let mut keys = Vec::new();
        // The folders that the walk is in, each with what is left of it; no recursion, however deep.
        let mut open = vec![(String::new(), entries_of(&self.root)?.into_iter())];
        while let Some((above, entries)) = open.last_mut() {
            let Some((name, path)) = entries.next().filter(|_| keys.len() < wanted.at_most) else {
                open.pop();
                continue;
            };
            let is_own =
                above.is_empty() && !self.marked && name.strip_suffix('/') == Some(RESERVED);
            let key = format!("{above}{name}");
            if !key.ends_with('/') {
                keys.extend(wanted.key(&key).then_some(key));
            } else if !is_own && wanted.folder(&key) {
                open.push((key, entries_of(&path)?.into_iter()));
            }
        }
        Ok(keys)
    }

    /// Names and paths of what is in a folder, in the order of the keys below them: a folder's name ends
    /// in a slash, as it does within a key.
    fn sorted_entries(&self, folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
        let mut entries = Vec::new();
        for entry in unless_missing(fs::read_dir(folder))?.into_iter().flatten() {
            let entry = entry?;
            let Some(file_type) = unless_missing(entry.file_type())? else {
                continue;
            };
            if let Some(name) = entry
                .file_name()
                .to_str()
                .and_then(|name| self.name_in_key(name, file_type.is_dir(), file_type.is_file()))
            {
                entries.push((name, entry.path()));
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn name_in_key(&self, name: &str, is_folder: bool, is_file: bool) -> Option<String> {
        match (is_folder, is_file, self.marked) {
            (true, _, false) => Some(format!("{name}/")),
            (_, true, false) => Some(name.to_owned()),
            (true, _, true) => name.strip_suffix('+').map(|name| format!("{name}/")),
            (_, true, true) => name.strip_suffix('=').map(str::to_owned),
            _ => None,
        }
    }

    fn names<'a>(&self, key: &'a Key) -> impl Iterator<Item = String> + 'a {
        let marked = self.marked;
        let mut segments = key.segments().peekable();
        std::iter::from_fn(move || {
            let segment = segments.next()?;
            let mark = match (marked, segments.peek()) {
                (false, _) => "",
                (true, Some(_)) => "+",
                (true, None) => "=",
            };
            Some(format!("{segment}{mark}"))
        })
    }
}

fn link_in_the_way(operation: &'static str, path: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidKey,
        operation,
        format!(
            "{} is a symbolic link, which the store does not follow; put the real file or folder there",
            path.display()
        ),
    )
}
