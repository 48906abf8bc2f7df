//! Which databases this process has open here, and the refusal to open what somebody else has.
//!
//! Two `SQLite` libraries on one file in one process destroy it: locks belong to the process, so when one
//! library closes the file, it drops the other's. That is why a file which this process has open in any
//! other way is refused. What this crate opened itself is shared instead: one file, one [`Shared`],
//! whatever stores stand on it. Among them only one may be the store of the records.
//!
//! The registry is the process's, as the locks are: threads with environments of their own see it too.
//! A file is known by what it is, not by its path, so links do not mislead. What another library
//! opens *after* this one cannot be seen.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use super::open_files;
use super::place::Place;
use super::shared::{Options, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Modes;
use crate::store::identity::FileId;

const OPERATION: &str = "open a database";

/// What a store keeps in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The records: one store at a time.
    Records,
    /// What engines remember: as many as there are engines.
    State,
    /// App rows: nothing of theirs is kept in memory, so as many as there are.
    AppRows,
}

#[derive(Debug)]
struct Entry {
    shared: Weak<Shared>,
    has_records: bool,
}

type Entries = HashMap<FileId, Entry>;

fn entries() -> MutexGuard<'static, Entries> {
    static ENTRIES: LazyLock<Mutex<Entries>> = LazyLock::new(Mutex::default);
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to be in a role; given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    file: Option<FileId>,
    role: Role,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let (Some(file), Role::Records) = (&self.file, self.role)
            && let Some(entry) = entries().get_mut(file)
        {
            entry.has_records = false;
        }
    }
}

/// Keeps the file in the registry. Dropped once nothing of the file is open any more.
#[derive(Debug)]
pub(super) struct Registration(FileId);

impl Drop for Registration {
    fn drop(&mut self) {
        entries().remove(&self.0);
    }
}

/// Opens the database at `path` for `role`, or shares it where it is open here.
pub(super) fn open(path: &Path, role: Role, options: Options) -> Result<(Claim, Arc<Shared>)> {
    if path.as_os_str() == ":memory:" {
        let claim = Claim { file: None, role };
        return Ok((claim, Arc::new(Shared::in_memory(options)?)));
    }
    let mut entries = entries();
    let is_new = create_if_missing(path, options.modes)?;
    let file = FileId::of(path).map_err(|error| cannot_open(path, error))?;
    let path = fs::canonicalize(path).map_err(|error| cannot_open(path, error))?;
    let shared = match entries.get_mut(&file) {
        None => {
            let shared = open_unregistered(&path, is_new, options, &file)?;
            let entry = Entry {
                shared: Arc::downgrade(&shared),
                has_records: role == Role::Records,
            };
            entries.insert(file.clone(), entry);
            shared
        }
        Some(entry) if role == Role::Records && entry.has_records => {
            return Err(in_use(
                &path,
                "use the adapter that has it, or close() that one first",
            ));
        }
        Some(entry) => {
            let shared = entry.shared.upgrade().ok_or_else(|| {
                in_use(
                    &path,
                    "it is being closed; wait for close() before opening it again",
                )
            })?;
            entry.has_records |= role == Role::Records;
            shared
        }
    };
    let file = Some(file);
    Ok((Claim { file, role }, shared))
}

fn open_unregistered(
    path: &Path,
    is_new: bool,
    options: Options,
    file: &FileId,
) -> Result<Arc<Shared>> {
    if open_files::any_open(&open_files::files_of_database(path)) {
        return Err(in_use(
            path,
            "pass the app's own handle as { db } instead of the path, or close it first; two SQLite \
             libraries on one file in one process would destroy it",
        ));
    }
    let mut place = Place::open(path, file.clone()).map_err(|error| cannot_open(path, error))?;
    match Shared::connect(path, options) {
        Ok(writer) => {
            place.note_log();
            let registration = Registration(file.clone());
            Ok(Arc::new(Shared::on_disk(
                place,
                options,
                writer,
                registration,
            )))
        }
        Err(error) => {
            if is_new && fs::metadata(path).is_ok_and(|found| found.len() == 0) {
                let _ = fs::remove_file(path);
            }
            Err(error)
        }
    }
}

/// Creates an empty file, which is an empty database. One that exists is not even opened.
fn create_if_missing(path: &Path, modes: Modes) -> Result<bool> {
    match modes.new_file().open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match fs::metadata(path).map_err(|error| cannot_open(path, error))? {
                found if found.is_file() => Ok(false),
                _ => Err(Error::new(
                    ErrorKind::InvalidArgument,
                    OPERATION,
                    format!("{} is not a file; pass the path of one", path.display()),
                )),
            }
        }
        Err(error) => Err(cannot_open(path, error)),
    }
}

fn cannot_open(path: &Path, error: io::Error) -> Error {
    let (kind, remedy) = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::ReadOnly,
            "; give this user the right to write the file and its folder",
        ),
        io::ErrorKind::StorageFull => (ErrorKind::StorageFull, "; free some space and try again"),
        io::ErrorKind::NotFound => (ErrorKind::Io, "; create its folder first"),
        _ => (ErrorKind::Io, ""),
    };
    Error::new(
        kind,
        OPERATION,
        format!("{}: {error}{remedy}", path.display()),
    )
    .caused_by(error)
}

fn in_use(path: &Path, way_out: &str) -> Error {
    Error::new(
        ErrorKind::PathInUse,
        OPERATION,
        format!(
            "{} is already open in this process: {way_out}",
            path.display()
        ),
    )
}
