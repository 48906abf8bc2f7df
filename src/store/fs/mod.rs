//! Objects in a folder, as people expect to find them: `photos/x.jpg` lies at `<root>/photos/x.jpg`.
//!
//! ```text
//! <root>/photos/x.jpg                    the bytes of the key photos/x.jpg
//! <root>/.starkeep-store/nested/         the bytes of keys whose place is taken: where "a" is a file,
//!                                        "a/b" lies here, and the other way round
//! <root>/.starkeep-store/sidecars/       content types, metadata, hashes, see [`sidecar`] and [`attribute`]
//! <root>/.starkeep-store/writing/        what is being written, see [`session`]
//! <root>/.starkeep-store/parts/          uploads that broke off, see [`parts`]
//! ```
//!
//! What holds:
//!
//! - **A put is there as a whole or not at all**, also after a crash or a power cut: the bytes are
//!   written and synced under another name, then renamed into place, then the folder is synced. A put
//!   that fails leaves the object that was there before, and nothing else.
//! - **Bytes and content type belong together.** A sidecar names the very version of the bytes that it
//!   describes, and it or the same text in the file's own attribute is on disk before they are in place; a reader uses no
//!   other.
//! - **Every allowed key works**, beside every other. A key is allowed if it is a relative path of plain
//!   segments ([`key`]); it cannot leave the root, and no symbolic link below the root is followed.
//! - Nothing but a file is read as an object. What is opened is asked what it is, each folder on the way is
//!   opened in the one above it, and opening waits for nothing: whatever is put in the place of a file or a
//!   folder meanwhile, nothing outside the root is read or written, and a named pipe keeps no reader waiting.
//! - The folder is the one that was opened. Where another stands in its place, or none, nothing is read or
//!   written. What somebody removes of `.starkeep-store` is made again.
//! - Where an object lies in both places, after a crash between two steps, the one at the plain path is
//!   the newer one and counts.
//! - Two keys that the file system takes for the same name (on macOS and Windows, `a` and `A`) are the
//!   same object.

mod area;
mod attribute;
mod blobs;
mod foreign;
mod io;
mod key;
mod parts;
mod session;
mod sidecar;
mod stream;
mod syncs;
mod tree;
mod writer;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::area::Area;
use self::io::during;
use self::key::Key;
use super::blocking;
use super::gate::{Gate, closed};
pub use super::{Listing, Modes, Object, PutOptions};
use crate::engine::ports::Stat;
use crate::error::Result;

pub use self::stream::StoredObject;

/// An object storage in a folder. See the [module page](self).
#[derive(Debug, Clone)]
pub struct FsObjects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Nothing once the store is closed, so that the folder is held open no longer.
    area: Mutex<Option<Arc<Area>>>,
    gate: Gate,
}

impl FsObjects {
    /// Opens the folder `root`, which is created if it is missing. Waits on the disk.
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_with(root, Modes::default())
    }

    /// The same where what is created gets these rights.
    pub fn open_with(root: &Path, modes: Modes) -> Result<Self> {
        let area = Area::open(root, modes)?;
        let inner = Inner {
            root: area.root().to_owned(),
            area: Mutex::new(Some(Arc::new(area))),
            gate: Gate::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The folder, as an absolute path without symbolic links.
    pub fn root(&self) -> PathBuf {
        self.inner.root.clone()
    }

    /// Puts `data` under `key`. It replaces what is stored there.
    pub async fn put<D>(&self, key: &str, data: D, options: PutOptions) -> Result<()>
    where
        D: AsRef<[u8]> + Send + 'static,
    {
        const OPERATION: &str = "put an object";
        let key = Key::parse(OPERATION, key)?;
        self.run(OPERATION, move |area| {
            let mut writer = area.begin_put(OPERATION, key)?;
            writer.write(data.as_ref())?;
            writer.commit(options)
        })
        .await
    }

    /// The object under `key`.
    pub async fn get(&self, key: &str) -> Result<Option<Object>> {
        const OPERATION: &str = "get an object";
        let key = Key::parse(OPERATION, key)?;
        self.run(OPERATION, move |area| {
            let Some(mut open) = area.open_object(OPERATION, &key)? else {
                return Ok(None);
            };
            let mut data = Vec::with_capacity(usize::try_from(open.version.size()).unwrap_or(0));
            open.file
                .read_to_end(&mut data)
                .map_err(during(OPERATION, key.as_str()))?;
            Ok(Some(Object {
                size: data.len() as u64,
                data,
                content_type: open.about.options.content_type,
                metadata: open.about.options.metadata,
            }))
        })
        .await
    }

    /// Whether there is an object under `key`.
    pub async fn has(&self, key: &str) -> Result<bool> {
        const OPERATION: &str = "look for an object";
        let key = Key::parse(OPERATION, key)?;
        self.run(OPERATION, move |area| area.has(OPERATION, &key))
            .await
    }

    /// What is known of the object under `key`.
    pub async fn stat(&self, key: &str) -> Result<Option<Stat>> {
        const OPERATION: &str = "look for an object";
        let key = Key::parse(OPERATION, key)?;
        self.run(OPERATION, move |area| {
            let open = area.open_object(OPERATION, &key)?;
            Ok(open.map(|open| Stat {
                size: Some(open.version.size()),
                digest: open.about.digest,
                modified_ms: open.version.written_ms(),
                ..Stat::default()
            }))
        })
        .await
    }

    /// Removes the object under `key`, if there is one.
    pub async fn delete(&self, key: &str) -> Result<()> {
        const OPERATION: &str = "delete an object";
        let key = Key::parse(OPERATION, key)?;
        self.run(OPERATION, move |area| area.delete(OPERATION, &key))
            .await
    }

    /// The keys that begin with `prefix` and come after `cursor`: at most `limit`, or all.
    pub async fn list(
        &self,
        prefix: &str,
        limit: Option<usize>,
        cursor: Option<String>,
    ) -> Result<Listing> {
        const OPERATION: &str = Listing::OPERATION;
        Listing::check_limit(limit)?;
        let prefix = prefix.to_owned();
        self.run(OPERATION, move |area| {
            area.list(OPERATION, &prefix, limit, cursor.as_deref())
        })
        .await
    }

    /// Fails once the store is closed: what is opened is ready, and what is closed stays so.
    pub fn init(&self) -> Result<()> {
        let operation = "make the object storage ready";
        self.inner.gate.enter(operation).map(drop)
    }

    /// Whether the folder is the one that was opened, and objects can be written there now.
    pub async fn health_check(&self) -> Result<bool> {
        self.run_anywhere("check the object storage", |area| Ok(area.is_writable()))
            .await
    }

    /// Waits for what is running, then closes the store for good. Closing again does nothing.
    pub async fn close(&self) -> Result<()> {
        self.inner.gate.close().await;
        let inner = Arc::clone(&self.inner);
        blocking::run("close the object storage", move || {
            drop(inner.area().take());
            Ok(())
        })
        .await
    }

    async fn run<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Area>) -> Result<T> + Send + 'static,
    {
        self.run_anywhere(operation, move |area| {
            area.check_place(operation)?;
            work(area)
        })
        .await
    }

    /// The same where the folder may have been replaced.
    async fn run_anywhere<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Area>) -> Result<T> + Send + 'static,
    {
        let pass = self.inner.gate.enter(operation)?;
        let area = self.inner.area().clone().ok_or_else(|| closed(operation))?;
        blocking::run(operation, move || {
            let _inside = pass;
            work(&area)
        })
        .await
    }
}

impl Inner {
    fn area(&self) -> MutexGuard<'_, Option<Arc<Area>>> {
        self.area.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
