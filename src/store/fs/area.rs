//! The opened folder: where an object lies and what is known about it. Everything here waits on the disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::foreign::find_foreign;
use super::io::{during, own_folder, unless_missing};
use super::key::{Key, RESERVED};
use super::session::{Session, WRITING};
use super::sidecar::{Kept, SIDECARS, Sidecars, Version};
use super::syncs::Syncs;
use super::tree::{Listed, NESTED, Place, Tree};
use crate::error::{Error, ErrorKind, Result};
use crate::store::identity::FileId;
use crate::store::{Listing, Modes};

/// How often a reader starts again because a writer replaced the object meanwhile.
const ATTEMPTS: usize = 16;

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Area {
    path: PathBuf,
    /// While it is open, the system gives its number to no other.
    root: Arc<Dir>,
    folder: FileId,
    plain: Tree,
    nested: Tree,
    pub(super) sidecars: Sidecars,
    pub(super) syncs: Syncs,
    /// Held while a file is put in its place: each version is replaced by one put, which removes its sidecar.
    pub(super) moving: Mutex<()>,
    session: Mutex<Arc<Session>>,
    modes: Modes,
}

/// An object whose bytes have not been read yet.
#[derive(Debug)]
pub(super) struct OpenObject {
    pub(super) file: File,
    pub(super) version: Version,
    pub(super) about: Kept,
}

impl Area {
    /// Opens the folder `root` and creates what is missing of it, with these rights.
    pub(super) fn open(root: &Path, modes: Modes) -> Result<Self> {
        const OPERATION: &str = "open an object storage";
        let fault = |error| during(OPERATION, root.display())(error);
        modes.folders().create(root).map_err(fault)?;
        let path = fs::canonicalize(root).map_err(fault)?;
        let opened = Dir::open_ambient_dir(&path, ambient_authority()).map_err(fault)?;
        let opened = opened.into_std_file();
        let folder = FileId::of_open(&opened, &path).map_err(fault)?;
        let root = Arc::new(Dir::from_std_file(opened));
        if let Some(found) = find_foreign(&root).map_err(fault)? {
            return Err(of_another_store(OPERATION, &path, &found));
        }
        for name in [NESTED, SIDECARS, WRITING] {
            own_folder(&root, name, modes).map_err(fault)?;
        }
        let session = Session::begin(&root, modes).map_err(fault)?;
        let area = Self {
            folder,
            plain: Tree::plain(Arc::clone(&root), path.clone(), modes),
            nested: Tree::marked(Arc::clone(&root), path.clone(), modes),
            sidecars: Sidecars::new(Arc::clone(&root), modes),
            syncs: Syncs::default(),
            moving: Mutex::default(),
            session: Mutex::new(Arc::new(session)),
            root,
            path,
            modes,
        };
        if let Err(error) = area.tidy_parts() {
            tracing::warn!(%error, "uploads that broke off long ago stay behind");
        }
        Ok(area)
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.path
    }

    /// The folder, opened.
    pub(super) fn root_dir(&self) -> &Dir {
        &self.root
    }

    /// The rights of what is created.
    pub(super) fn modes(&self) -> Modes {
        self.modes
    }

    /// The session that files are written in now.
    pub(super) fn current_session(&self) -> Arc<Session> {
        Arc::clone(&self.session())
    }

    /// Fails where the folder at the path is not the one that was opened.
    pub(super) fn check_place(&self, operation: &'static str) -> Result<()> {
        if self.is_in_place() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::StoreReplaced,
            operation,
            format!(
                "the folder {} was replaced or removed while open; close the storage and create it again",
                self.path.display()
            ),
        ))
    }

    fn is_in_place(&self) -> bool {
        FileId::of(&self.path).is_ok_and(|found| found == self.folder)
    }

    /// A new empty file to write to, its name, and the session that it belongs to. What was removed of the
    /// store's own folders is made again where it is needed.
    pub(super) fn new_file(&self) -> io::Result<(String, File, Arc<Session>)> {
        let session = Arc::clone(&self.session());
        if let Some((name, file)) = unless_missing(session.new_file())? {
            return Ok((name, file, session));
        }
        let session = self.renew(&session)?;
        let (name, file) = session.new_file()?;
        Ok((name, file, session))
    }

    /// Begins another session in place of one whose folder is gone, unless that has happened meanwhile.
    fn renew(&self, gone: &Arc<Session>) -> io::Result<Arc<Session>> {
        let mut session = self.session();
        if Arc::ptr_eq(&session, gone) {
            *session = Arc::new(Session::begin(&self.root, self.modes)?);
        }
        Ok(Arc::clone(&session))
    }

    /// The folder for what is being written.
    fn session(&self) -> MutexGuard<'_, Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the object under `key`.
    pub(super) fn open_object(
        &self,
        operation: &'static str,
        key: &Key,
    ) -> Result<Option<OpenObject>> {
        let fault = |error| during(operation, key.as_str())(error);
        for _ in 0..ATTEMPTS {
            let Some((place, file)) = self.find_in_trees(|tree| tree.open(operation, key))? else {
                return Ok(None);
            };
            let version = Version::of_open(&file).map_err(fault)?;
            let about = self.sidecars.read(key, version, &file).map_err(fault)?;
            if about.is_none() && place.version().map_err(fault)? != Some(version) {
                continue; // Replaced meanwhile, and the sidecar gone with it.
            }
            return Ok(Some(OpenObject {
                file,
                version,
                about: about.unwrap_or_default(),
            }));
        }
        Err(Error::new(
            ErrorKind::Io,
            operation,
            format!(
                "{:?} is being replaced all the time; try again",
                key.as_str()
            ),
        ))
    }

    /// Whether there is an object under `key`.
    pub(super) fn has(&self, operation: &'static str, key: &Key) -> Result<bool> {
        let found = self.find_in_trees(|tree| tree.find(operation, key))?;
        Ok(found.is_some())
    }

    /// Removes the object under `key`. The older copy goes first: it must not come back to light.
    pub(super) fn delete(&self, operation: &'static str, key: &Key) -> Result<()> {
        self.delete_from(&self.nested, operation, key)?;
        self.delete_from(&self.plain, operation, key)
    }

    /// The keys that begin with `prefix` and come after `cursor`.
    pub(super) fn list(
        &self,
        operation: &'static str,
        prefix: &str,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Listing> {
        let limit = limit.unwrap_or(usize::MAX);
        let wanted = Listed {
            prefix,
            after: cursor,
            at_most: limit.saturating_add(1),
        };
        let mut keys: BTreeSet<String> = self.plain.list(operation, wanted)?.into_iter().collect();
        keys.extend(self.nested.list(operation, wanted)?);
        let has_more = keys.len() > limit;
        let keys: Vec<String> = keys.into_iter().take(limit).collect();
        Ok(Listing {
            next_cursor: keys.last().filter(|_| has_more).cloned(),
            keys,
            has_more,
        })
    }

    /// Whether files can be written here.
    pub(super) fn is_writable(&self) -> bool {
        if !self.is_in_place() {
            return false;
        }
        self.new_file().is_ok_and(|(name, file, session)| {
            drop(file);
            session.remove(&name).is_ok()
        })
    }

    /// Where the next version of the object goes.
    pub(super) fn make_place(&self, operation: &'static str, key: &Key) -> Result<(Place, bool)> {
        if let Some(place) = self.plain.make_place(operation, key)? {
            return Ok((place, true));
        }
        match self.nested.make_place(operation, key)? {
            Some(place) => Ok((place, false)),
            None => Err(Error::new(
                ErrorKind::Io,
                operation,
                format!(
                    "something else is at the place of {:?} in {RESERVED}",
                    key.as_str()
                ),
            )),
        }
    }

    /// Removes folders that were made for an object which did not come.
    pub(super) fn prune(&self, key: &Key) {
        for tree in [&self.plain, &self.nested] {
            tree.prune_above(key);
        }
    }

    /// Removes the copy that lies in the second place.
    pub(super) fn delete_nested(&self, operation: &'static str, key: &Key) -> Result<()> {
        self.delete_from(&self.nested, operation, key)
    }

    /// The plain place is asked twice: an object may move there while the other place is asked.
    fn find_in_trees<T>(&self, find: impl Fn(&Tree) -> Result<Option<T>>) -> Result<Option<T>> {
        for tree in [&self.plain, &self.nested, &self.plain] {
            if let Some(found) = find(tree)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn delete_from(&self, tree: &Tree, operation: &'static str, key: &Key) -> Result<()> {
        let fault = |error| during(operation, key.as_str())(error);
        let Some((place, found)) = tree.find(operation, key)? else {
            return Ok(());
        };
        let version = Version::of(&found).map_err(fault)?;
        unless_missing(place.folder.remove_file(&place.name)).map_err(fault)?;
        place.sync(&self.syncs).map_err(fault)?;
        drop(place);
        tree.prune_above(key);
        self.sidecars.remove(key, version);
        Ok(())
    }
}

fn of_another_store(operation: &'static str, root: &Path, found: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        operation,
        format!(
            "root must be a folder of this package, or one of plain files, got {}, in which {} is a description that \
             Starkeep's file store wrote; copy its objects into another folder with the adapter that wrote them, as \
             MIGRATING.md shows",
            root.display(),
            found.display()
        ),
    )
}
