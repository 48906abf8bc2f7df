//! An open database: one connection that writes, several that read, and the turns in which they are used.
//!
//! What holds:
//!
//! - **Write-ahead logging**: readers never wait for the writer, nor the writer for readers.
//! - **What was answered is on the disk** (`synchronous=FULL`). With less, a power cut could take the last
//!   commits of this file back while another file, or the peer, already counts on them: watermarks in a
//!   file of their own would pass records that are gone, and a clock could stamp a second item with a
//!   time that its peer has seen. A page is one commit, so the price is paid once a page.
//! - **One writer at a time**, in the order in which they asked; a transaction keeps its turn to its end.
//! - **Nothing is asked of a file that is no longer at its path** ([`place`](super::place)): what is written
//!   there would be lost.
//! - The registration goes last: the file counts as open until no connection has it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::registry::{self, Claim, Role};
use super::shared::{Options, Shared, reader};
use super::turn::Turn;
use crate::engine::freshness::Freshness;
use crate::error::{Error, ErrorKind, Result};
use crate::store::gate::{Gate, Pass, closed};
use crate::store::{Holder, blocking};

const OPEN: &str = "open a database";
/// How long a store that is closed waits for the callbacks of transactions.
const GRACE: Duration = Duration::from_secs(1);

/// One store's way to a database.
#[derive(Debug, Clone)]
pub(super) struct Database {
    lease: Arc<Lease>,
}

#[derive(Debug)]
struct Lease {
    gate: Gate,
    /// Whether this store is closed and waits no longer for transactions.
    cut: watch::Sender<bool>,
    /// The claim goes before the connections, so that the next opening finds both or neither.
    held: Mutex<Option<(Claim, Arc<Shared>)>>,
}

impl Database {
    /// Opens the database at `path` for `role`, and runs `set_up` on it. Waits on the disk.
    pub(super) fn open<T>(
        path: &Path,
        role: Role,
        options: Options,
        set_up: impl FnOnce(&mut Connection) -> Result<T>,
    ) -> Result<(Self, T)> {
        let held = registry::open(path, role, options)?;
        let shared = Arc::clone(&held.1);
        let lease = Lease {
            gate: Gate::new(),
            cut: watch::Sender::new(false),
            held: Mutex::new(Some(held)),
        };
        let answer = if let Some(readers) = &shared.readers {
            let mut first = readers.connect_to_set_up()?;
            let answer = set_up(&mut first)?;
            readers.give_back(reader(first)?);
            answer
        } else {
            let mut writer = shared.line.writer_if_idle().ok_or_else(not_yet_shared)?;
            set_up(&mut writer)?
        };
        let lease = Arc::new(lease);
        Ok((Self { lease }, answer))
    }

    /// Runs `work` on a connection that only reads.
    pub(super) async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (inside, shared) = self.enter(operation)?;
        let Some(readers) = &shared.readers else {
            let turn = self.take_turn(operation, inside, shared).await?;
            return blocking::run_near(operation, move || work(&turn.connection)).await;
        };
        let permit = Arc::clone(&readers.permits).acquire_owned().await;
        blocking::run_near(operation, move || {
            let _held = (permit, inside);
            let Some(readers) = &shared.readers else {
                return Err(not_yet_shared());
            };
            readers.place.check(operation)?;
            let answer = readers.take().and_then(|connection| {
                let answer = work(&connection);
                readers.give_back(connection);
                answer
            });
            answer.map_err(|error| shared.with_path(operation, error))
        })
        .await
    }

    /// Another one after each commit to the file by any process, found without a query. `None` if it cannot be told:
    /// what is asked next says why.
    pub(super) fn freshness(&self) -> Option<Freshness> {
        const OPERATION: &str = "look whether a database has changed";
        let (_inside, shared) = self.enter(OPERATION).ok()?;
        let readers = shared.readers.as_ref()?;
        readers.place.check(OPERATION).ok()?;
        Some(Freshness {
            counter: readers.counter,
            version: readers.version().ok()??,
            unnoticed_ms: None,
        })
    }

    /// Runs `work` on the connection that writes.
    pub(super) async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let mut turn = self.turn(operation).await?;
        blocking::run_near(operation, move || {
            turn.shared.check_place(operation)?;
            let answer = work(&mut turn.connection);
            answer.map_err(|error| turn.shared.with_path(operation, error))
        })
        .await
    }

    /// Waits for the writer's turn and keeps it.
    pub(super) async fn turn(&self, operation: &'static str) -> Result<Turn> {
        let (inside, shared) = self.enter(operation)?;
        self.take_turn(operation, inside, shared).await
    }

    async fn take_turn(
        &self,
        operation: &'static str,
        inside: Pass,
        shared: Arc<Shared>,
    ) -> Result<Turn> {
        let cut = self.lease.cut.subscribe();
        Turn::take(operation, inside, shared, cut).await
    }

    /// The transaction of an app's that has the writer's turn now, of this store or another on the file.
    pub(super) fn held_by(&self) -> Option<Holder> {
        let held = self
            .lease
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.as_ref().and_then(|(_, shared)| shared.line.holder())
    }

    /// Whether the file is where it was opened and can be read. Fails where the store is closed.
    pub(super) async fn is_sound(&self, operation: &'static str) -> Result<bool> {
        let (inside, shared) = self.enter(operation)?;
        blocking::run_near(operation, move || {
            let _inside = inside;
            let Some(readers) = &shared.readers else {
                return Ok(true);
            };
            let place = &readers.place;
            Ok(place.is_sound(|| readers.connect()))
        })
        .await
    }

    /// Waits for what this store runs, then lets go of the database. The last one out closes the file.
    /// Transactions whose callbacks go on and on are not waited for.
    pub(super) async fn close(&self) -> Result<()> {
        let gate = &self.lease.gate;
        tokio::select! {
            biased;
            () = gate.close() => {}
            () = blocking::pause(GRACE) => {
                self.lease.cut.send_replace(true);
                gate.close().await;
            }
        }
        let held = self
            .lease
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((claim, shared)) = held else {
            return Ok(());
        };
        blocking::run("close a database", move || {
            drop(claim);
            Arc::into_inner(shared).map_or(Ok(()), |last| last.checkpoint())
        })
        .await
    }

    /// Fails where the store is closed.
    pub(super) fn check_open(&self, operation: &'static str) -> Result<()> {
        self.enter(operation).map(drop)
    }

    fn enter(&self, operation: &'static str) -> Result<(Pass, Arc<Shared>)> {
        let inside = self.lease.gate.enter(operation)?;
        let held = self
            .lease
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some((_, shared)) => Ok((inside, Arc::clone(shared))),
            None => Err(closed(operation)),
        }
    }
}

fn not_yet_shared() -> Error {
    Error::new(
        ErrorKind::Internal,
        OPEN,
        "a fault of this package, please report it",
    )
}
