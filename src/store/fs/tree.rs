//! A tree of folders in which a key is a path.
//!
//! The plain tree holds objects where people look for them; there a file and a folder cannot have the
//! same name. The marked tree holds the rest: in it every folder's name ends in `+` and every file's in
//! `=`, so that no two keys are in each other's way.
//!
//! Folders are gone through one by one, each opened in the one above it and none through a symbolic link.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, Metadata};

use super::io::{
    At, during, look_at, make_folder, open_file, open_folder, own_folder, own_path, unless_missing,
};
use super::key::{Key, LONGEST_SEGMENT, RESERVED};
use super::sidecar::{Version, version_at};
use super::syncs::Syncs;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Modes;

/// The folder of the marked tree, in the store's own.
pub(super) const NESTED: &str = "nested";

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Tree {
    /// The root of the store.
    root: Arc<Dir>,
    /// The path of the root.
    path: PathBuf,
    marked: bool,
    modes: Modes,
}

/// Where an object lies, or would lie: a name in an open folder.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: Arc<Dir>,
    pub(super) name: String,
}

impl Place {
    /// Which version is there, if any.
    pub(super) fn version(&self) -> io::Result<Option<Version>> {
        version_at(&self.folder, &self.name)
    }

    /// Makes what happened to the name last.
    pub(super) fn sync(&self, syncs: &Syncs) -> io::Result<()> {
        unless_missing(syncs.sync(&self.folder)).map(drop)
    }
}

/// What became of the folders above a place, and of the place.
enum Made {
    /// The folder is there, and no folder is at the place itself.
    Place(Place),
    /// Another object's name is in the way.
    Taken,
    /// A symbolic link is in the way.
    Link(PathBuf),
}

/// Which keys are listed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed<'a> {
    pub(super) prefix: &'a str,
    pub(super) after: Option<&'a str>,
    pub(super) at_most: usize,
}

impl Listed<'_> {
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
    /// Objects at the paths that their keys say, below `root`, which is at `path`.
    pub(super) fn plain(root: Arc<Dir>, path: PathBuf, modes: Modes) -> Self {
        Self {
            root,
            path,
            marked: false,
            modes,
        }
    }

    /// Objects at marked paths in the store's own folder, where `path` is that of the root.
    pub(super) fn marked(root: Arc<Dir>, path: PathBuf, modes: Modes) -> Self {
        Self {
            root,
            path,
            marked: true,
            modes,
        }
    }

    /// Where the object under `key` lies, if it is in this tree.
    pub(super) fn find(
        &self,
        operation: &'static str,
        key: &Key,
    ) -> Result<Option<(Place, Metadata)>> {
        self.look(operation, key, look_at)
    }

    /// Opens the object under `key`, if it is in this tree.
    pub(super) fn open(&self, operation: &'static str, key: &Key) -> Result<Option<(Place, File)>> {
        self.look(operation, key, |folder, name| open_file(folder, name))
    }

    fn look<T>(
        &self,
        operation: &'static str,
        key: &Key,
        what_is_at: impl FnOnce(&Dir, &str) -> io::Result<At<T>>,
    ) -> Result<Option<(Place, T)>> {
        let names: Vec<String> = self.names(key).collect();
        // A mark can make a name longer than any file's: nothing was ever put there.
        if names.iter().any(|name| name.len() > LONGEST_SEGMENT) {
            return Ok(None);
        }
        let Some((name, folders)) = names.split_last() else {
            return Ok(None);
        };
        let fault = during(operation, key.as_str());
        let (folder, path) = match self.walk(folders).map_err(fault)? {
            Walked::There(folder, path) => (folder, path.join(name)),
            Walked::Nowhere => return Ok(None),
            Walked::Link(path) => return Err(link_in_the_way(operation, &path)),
        };
        let fault = during(operation, key.as_str());
        match what_is_at(&folder, name).map_err(fault)? {
            At::Here(found) => {
                let name = name.clone();
                Ok(Some((Place { folder, name }, found)))
            }
            At::Nothing => Ok(None),
            At::Link => Err(link_in_the_way(operation, &path)),
            At::Other => Err(no_file(operation, key, &path)),
        }
    }

    /// The folder that these names lead to.
    fn walk(&self, folders: &[String]) -> io::Result<Walked> {
        let mut path = self.path.clone();
        let mut folder = Arc::clone(&self.root);
        for next in self.steps(folders) {
            path.push(&next);
            match open_folder(&folder, &next)? {
                At::Here(next) => folder = Arc::new(next),
                At::Link => return Ok(Walked::Link(path)),
                At::Nothing | At::Other => return Ok(Walked::Nowhere),
            }
        }
        Ok(Walked::There(folder, path))
    }

    /// What is opened one after the other to get there: the folder of the tree together with the first in it.
    fn steps(&self, folders: &[String]) -> impl Iterator<Item = PathBuf> {
        let mut names = folders.iter();
        let mut first = self.below();
        first.extend(names.next());
        let first = Some(first).filter(|path| !path.as_os_str().is_empty());
        first.into_iter().chain(names.map(PathBuf::from))
    }

    /// Where the tree lies below the root.
    fn below(&self) -> PathBuf {
        if self.marked {
            own_path(NESTED)
        } else {
            PathBuf::new()
        }
    }

    /// The path that these names make, for messages.
    fn path_of(&self, names: &[String]) -> PathBuf {
        let tree = self.path.join(self.below());
        names.iter().fold(tree, |path, name| path.join(name))
    }

    /// Makes the folders that the object under `key` needs; nothing if another object's name is in the way.
    pub(super) fn make_place(&self, operation: &'static str, key: &Key) -> Result<Option<Place>> {
        let made = self.make_folders(key);
        if !matches!(made, Ok(Made::Place(_))) {
            self.prune_above(key);
        }
        match made {
            Ok(Made::Place(place)) => Ok(Some(place)),
            Ok(Made::Taken) => Ok(None),
            Ok(Made::Link(path)) => Err(link_in_the_way(operation, &path)),
            Err(error) => Err(during(operation, key.as_str())(error)),
        }
    }

    fn make_folders(&self, key: &Key) -> io::Result<Made> {
        let mut names: Vec<String> = self.names(key).collect();
        check_length(&self.path_of(&names))?;
        let mut path = self.path_of(&[]);
        let Some(name) = names.pop() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut folder = if self.marked {
            Arc::new(own_folder(&self.root, NESTED, self.modes)?)
        } else {
            Arc::clone(&self.root)
        };
        for name in names {
            path.push(&name);
            let next = match open_folder(&folder, &name)? {
                At::Here(next) => next,
                At::Link => return Ok(Made::Link(path)),
                At::Other => return Ok(Made::Taken),
                At::Nothing => match make_folder(&folder, &name, self.modes) {
                    Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                        return Ok(Made::Taken);
                    }
                    made => made?,
                },
            };
            folder = Arc::new(next);
        }
        match unless_missing(folder.symlink_metadata(&name))? {
            Some(here) if here.is_symlink() => Ok(Made::Link(path.join(name))),
            // An empty folder at the object's own place is a left-over and may go.
            Some(here) if here.is_dir() && folder.remove_dir(&name).is_err() => Ok(Made::Taken),
            _ => Ok(Made::Place(Place { folder, name })),
        }
    }

    /// Removes the folders above the place of `key` that are empty now.
    pub(super) fn prune_above(&self, key: &Key) {
        let below = self.below();
        let path = self
            .names(key)
            .fold(below.clone(), |path, name| path.join(name));
        for folder in path.ancestors().skip(1) {
            if folder == below {
                break;
            }
            match self.root.remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => break,
                _ => {}
            }
        }
    }

    /// The first of the wanted keys, in order.
    pub(super) fn list(&self, operation: &'static str, wanted: Listed<'_>) -> Result<Vec<String>> {
        let entries_of = |folders: &[String]| {
            let path = || self.path_of(folders);
            self.sorted_entries(folders)
                .map_err(|error| during(operation, path().display())(error))
        };
        let mut keys = Vec::new();
        // The folders that the walk is in, each with what is left of it; no recursion, however deep.
        let mut open = vec![(String::new(), entries_of(&[])?.into_iter())];
        let mut folders: Vec<String> = Vec::new();
        while let Some((above, entries)) = open.last_mut() {
            let Some((name, found)) = entries.next().filter(|_| keys.len() < wanted.at_most) else {
                open.pop();
                folders.pop();
                continue;
            };
            let is_own =
                above.is_empty() && !self.marked && name.strip_suffix('/') == Some(RESERVED);
            let key = format!("{above}{name}");
            if !key.ends_with('/') {
                keys.extend(wanted.key(&key).then_some(key));
            } else if !is_own && wanted.folder(&key) {
                folders.push(found);
                open.push((key, entries_of(&folders)?.into_iter()));
            }
        }
        Ok(keys)
    }

    /// What is in a folder, in the order of the keys below it: the part of a key, where a folder's name ends
    /// in a slash as it does within a key, and the name.
    fn sorted_entries(&self, folders: &[String]) -> io::Result<Vec<(String, String)>> {
        let mut entries = Vec::new();
        let Walked::There(folder, _) = self.walk(folders)? else {
            return Ok(entries);
        };
        for entry in unless_missing(folder.entries())?.into_iter().flatten() {
            let entry = entry?;
            let Some(file_type) = unless_missing(entry.file_type())? else {
                continue;
            };
            let Ok(found) = entry.file_name().into_string() else {
                continue;
            };
            if let Some(name) = self.name_in_key(&found, file_type.is_dir(), file_type.is_file()) {
                entries.push((name, found));
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

/// Where names of folders lead to.
enum Walked {
    /// The folder, and its path for messages.
    There(Arc<Dir>, PathBuf),
    /// There is no such folder.
    Nowhere,
    /// A symbolic link is in the way.
    Link(PathBuf),
}

/// Every system takes paths of this many bytes.
const SHORT: usize = 1000;

/// Fails if the path is longer than the system takes: other programs could not open the file.
fn check_length(path: &Path) -> io::Result<()> {
    if path.as_os_str().len() <= SHORT {
        return Ok(());
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => Err(error),
        _ => Ok(()),
    }
}

/// What a caller from elsewhere hears of what is at a place in the folder.
const NOT_PLAIN: &str =
    "the storage has something at this key that is no file of its own; use another key";

fn no_file(operation: &'static str, key: &Key, path: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidKey,
        operation,
        format!(
            "{:?}: at {} is something that is neither a file nor a folder, which the store does not open; \
             remove it or put the real file there",
            key.as_str(),
            path.display()
        ),
    )
    .told_as(NOT_PLAIN)
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
    .told_as(NOT_PLAIN)
}
