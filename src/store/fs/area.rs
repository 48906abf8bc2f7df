//! The opened folder: where an object lies and what is known about it. Everything here waits on the disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::io::{during, make_folder, sync_folder, unless_missing};
use super::key::{Key, RESERVED};
use super::object::Listing;
use super::session::Session;
use super::sidecar::{Kept, Sidecars, Version, version_at};
use super::tree::{Place, Tree, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::store::identity::FileId;

/// How often a reader starts again because a writer replaced the object meanwhile.
const ATTEMPTS: usize = 16;

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Area {
    root: PathBuf,
    folder: FileId,
    /// Where the system lets a folder be open, its number is given to no other meanwhile.
    _held: Option<File>,
    plain: Tree,
    nested: Tree,
    pub(super) sidecars: Sidecars,
    session: Mutex<Option<Arc<Session>>>,
}

/// An object whose bytes have not been read yet.
#[derive(Debug)]
pub(super) struct OpenObject {
    pub(super) file: File,
    pub(super) version: Version,
    pub(super) about: Kept,
}

impl Area {
    /// Opens the folder `root` and creates what is missing of it.
    pub(super) fn open(root: &Path) -> Result<Self> {
        const OPERATION: &str = "open an object storage";
        let fault = |error| during(OPERATION, root.display())(error);
        fs::create_dir_all(root).map_err(fault)?;
        let root = fs::canonicalize(root).map_err(fault)?;
        let held = cfg!(unix).then(|| File::open(&root)).transpose();
        let folder = FileId::of(&root).map_err(fault)?;
        let [nested, sidecars, writing] = own_folders(&root);
        make_own_folders(&root).map_err(fault)?;
        let session = Session::begin(&writing).map_err(fault)?;
        Ok(Self {
            folder,
            _held: held.map_err(fault)?,
            plain: Tree::plain(root.clone()),
            nested: Tree::marked(nested),
            sidecars: Sidecars::new(sidecars),
            session: Mutex::new(Some(Arc::new(session))),
            root,
        })
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
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
                self.root.display()
            ),
        ))
    }

    fn is_in_place(&self) -> bool {
        FileId::of(&self.root).is_ok_and(|found| found == self.folder)
    }

    /// A new empty file to write to, its path, and the session that it belongs to; nothing where the store is
    /// closed. The store's own folders are made again where somebody removed them.
    pub(super) fn new_file(&self) -> io::Result<Option<(PathBuf, File, Arc<Session>)>> {
        let Some(session) = self.session() else {
            return Ok(None);
        };
        make_own_folders(&self.root)?;
        if let Some((path, file)) = unless_missing(session.new_file())? {
            return Ok(Some((path, file, session)));
        }
        let Some(session) = self.renew(&session)? else {
            return Ok(None);
        };
        let (path, file) = session.new_file()?;
        Ok(Some((path, file, session)))
    }

    /// Begins another session in place of one whose folder is gone, unless somebody has meanwhile.
    fn renew(&self, gone: &Arc<Session>) -> io::Result<Option<Arc<Session>>> {
        let mut current = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = current.as_mut().filter(|one| Arc::ptr_eq(one, gone)) {
            let [.., writing] = own_folders(&self.root);
            *session = Arc::new(Session::begin(&writing)?);
        }
        Ok(current.clone())
    }

    /// Opens the object under `key`.
    pub(super) fn open_object(
        &self,
        operation: &'static str,
        key: &Key,
    ) -> Result<Option<OpenObject>> {
        let fault = |error| during(operation, key.as_str())(error);
        for _ in 0..ATTEMPTS {
            let Some(path) = self.find(operation, key)? else {
                return Ok(None);
            };
            let Some(file) = unless_missing(File::open(&path)).map_err(fault)? else {
                continue;
            };
            let found = file.metadata().map_err(fault)?;
            let version = Version::of(&found).map_err(fault)?;
            let about = self.sidecars.read(key, version).map_err(fault)?;
            if about.is_none() && version_at(&path).map_err(fault)? != Some(version) {
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
        Ok(self.find(operation, key)?.is_some())
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
        let wanted = Wanted {
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
        let made = self.new_file().ok().flatten();
        made.is_some_and(|(path, file, _session)| {
            drop(file);
            fs::remove_file(path).is_ok()
        })
    }

    /// The folder for what is being written, until the store is closed.
    fn session(&self) -> Option<Arc<Session>> {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Gives the folder for what is being written away.
    pub(super) fn end_session(&self) {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Where the next version of the object goes.
    pub(super) fn make_place(&self, operation: &'static str, key: &Key) -> Result<(PathBuf, bool)> {
        if let Place::Free(path) = self.plain.make_place(operation, key)? {
            return Ok((path, true));
        }
        match self.nested.make_place(operation, key)? {
            Place::Free(path) => Ok((path, false)),
            Place::Taken => Err(Error::new(
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
            tree.prune_above(&tree.path_of(key));
        }
    }

    /// Removes the copy that lies in the second place.
    pub(super) fn delete_nested(&self, operation: &'static str, key: &Key) -> Result<()> {
        self.delete_from(&self.nested, operation, key)
    }

    /// The plain place is asked twice: an object may move there while the other place is asked.
    fn find(&self, operation: &'static str, key: &Key) -> Result<Option<PathBuf>> {
        for tree in [&self.plain, &self.nested, &self.plain] {
            if let Some(path) = tree.find(operation, key)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    fn delete_from(&self, tree: &Tree, operation: &'static str, key: &Key) -> Result<()> {
        let fault = |error| during(operation, key.as_str())(error);
        let Some(path) = tree.find(operation, key)? else {
            return Ok(());
        };
        let version = version_at(&path).map_err(fault)?;
        unless_missing(fs::remove_file(&path)).map_err(fault)?;
        if let Some(folder) = path.parent() {
            unless_missing(sync_folder(folder)).map_err(fault)?;
        }
        tree.prune_above(&path);
        if let Some(version) = version {
            self.sidecars.remove(key, version);
        }
        Ok(())
    }
}

/// Where the second copies, the sidecars and what is being written lie.
fn own_folders(root: &Path) -> [PathBuf; 3] {
    ["nested", "sidecars", "writing"].map(|name| root.join(RESERVED).join(name))
}

fn make_own_folders(root: &Path) -> io::Result<()> {
    make_folder(&root.join(RESERVED))?;
    for folder in own_folders(root) {
        make_folder(&folder)?;
    }
    Ok(())
}
