//! An open database: one connection that writes, several that read, and who may use them.
//!
//! What holds:
//!
//! - **Write-ahead logging**: readers never wait for the writer, nor the writer for readers.
//! - **What was answered is on the disk** (`synchronous=FULL`). With less, a power cut could take the last
//!   commits of this file back while another file, or the peer, already counts on them: watermarks in a
//!   file of their own would pass records that are gone, and a clock could stamp a second item with a
//!   time that its peer has seen. A page is one commit, so the price is paid once a page.
//! - **One writer at a time**, in the order in which they asked; a transaction keeps its turn to its end.
//! - The registration goes last: the file counts as open until no connection has it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard, Semaphore};

use super::fault::during;
use super::registry::{self, Claim, Registration, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::store::blocking;
use crate::store::gate::{Gate, Pass};

const OPEN: &str = "open a database";
const READERS: usize = 4;
const KEPT_STATEMENTS: usize = 64;
/// `SQLite` counts milliseconds in a C `int`: 24 days.
const LONGEST_BUSY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long to wait for other processes that write to the file.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// One file's connections.
pub(super) struct Shared {
    writer: Arc<TurnMutex<Connection>>,
    /// None where there is but one connection to be had.
    readers: Option<Readers>,
    _registration: Option<Registration>,
}

struct Readers {
    path: PathBuf,
    options: Options,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The connection that will write, in the file's modes.
    pub(super) fn connect(path: &Path, options: Options) -> Result<Connection> {
        let connection = connection(path, options)?;
        if connection.is_readonly("main").map_err(during(OPEN))? {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                OPEN,
                format!(
                    "{} may not be written; give this user the right to write it",
                    path.display()
                ),
            ));
        }
        let mode: String = connection
            .query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))
            .map_err(during(OPEN))?;
        if mode != "wal" {
            return Err(Error::new(
                ErrorKind::Database,
                OPEN,
                format!(
                    "{} stays in journal mode {mode}; put it on a local disk, where write-ahead logging works",
                    path.display()
                ),
            ));
        }
        // A connection that has changed the mode keeps a lock on the log until it reads for the first time.
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(during(OPEN))?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(during(OPEN))?;
        Ok(connection)
    }

    /// The database in the file at `path`.
    pub(super) fn on_disk(
        path: &Path,
        options: Options,
        writer: Connection,
        registration: Registration,
    ) -> Self {
        Self {
            writer: Arc::new(TurnMutex::new(writer)),
            readers: Some(Readers {
                path: path.to_owned(),
                options,
                idle: Mutex::default(),
                permits: Arc::new(Semaphore::new(READERS)),
            }),
            _registration: Some(registration),
        }
    }

    /// A database that ends with its last handle.
    pub(super) fn in_memory(options: Options) -> Result<Self> {
        Ok(Self {
            writer: Arc::new(TurnMutex::new(connection(Path::new(":memory:"), options)?)),
            readers: None,
            _registration: None,
        })
    }

    /// Moves what is in the log into the file, as far as other processes that read just now allow.
    fn checkpoint(&self) -> Result<()> {
        let Ok(writer) = self.writer.try_lock() else {
            return Ok(());
        };
        match writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Err(error) if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) => {
                Err(during("close a database")(error))
            }
            _ => Ok(()),
        }
    }
}

impl Readers {
    fn take(&self) -> Result<Connection> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(connection) => Ok(connection),
            None => reader(connection(&self.path, self.options)?),
        }
    }

    fn give_back(&self, connection: Connection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
}

fn connection(path: &Path, options: Options) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(during(OPEN))?;
    connection
        .busy_timeout(options.busy_timeout.min(LONGEST_BUSY_TIMEOUT))
        .map_err(during(OPEN))?;
    connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
    super::query::add_collation(&connection).map_err(during(OPEN))?;
    Ok(connection)
}

fn reader(connection: Connection) -> Result<Connection> {
    connection
        .pragma_update(None, "query_only", true)
        .map_err(during(OPEN))?;
    Ok(connection)
}

/// One store's way to a database.
#[derive(Debug, Clone)]
pub(super) struct Database {
    lease: Arc<Lease>,
}

#[derive(Debug)]
struct Lease {
    gate: Gate,
    /// The claim goes before the connections, so that whoever comes next finds both or neither.
    held: Mutex<Option<(Claim, Arc<Shared>)>>,
}

/// The writer's turn.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) connection: OwnedMutexGuard<Connection>,
    _shared: Arc<Shared>,
    _inside: Pass,
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
            held: Mutex::new(Some(held)),
        };
        let answer = if let Some(readers) = &shared.readers {
            let mut first = connection(&readers.path, options)?;
            let answer = set_up(&mut first)?;
            readers.give_back(reader(first)?);
            answer
        } else {
            let mut writer = shared.writer.try_lock().map_err(|_| not_yet_shared())?;
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
            let turn = take_turn(inside, shared).await;
            return blocking::run_near(operation, move || work(&turn.connection)).await;
        };
        let permit = Arc::clone(&readers.permits).acquire_owned().await;
        blocking::run_near(operation, move || {
            let _held = (permit, inside);
            let Some(readers) = &shared.readers else {
                return Err(not_yet_shared());
            };
            let connection = readers.take()?;
            let answer = work(&connection);
            readers.give_back(connection);
            answer
        })
        .await
    }

    /// Runs `work` on the connection that writes.
    pub(super) async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let mut turn = self.turn(operation).await?;
        blocking::run_near(operation, move || work(&mut turn.connection)).await
    }

    /// Waits for the writer's turn and keeps it.
    pub(super) async fn turn(&self, operation: &'static str) -> Result<Turn> {
        let (inside, shared) = self.enter(operation)?;
        Ok(take_turn(inside, shared).await)
    }

    /// Waits for what this store runs, then lets go of the database. The last one out closes the file.
    pub(super) async fn close(&self) -> Result<()> {
        self.lease.gate.close().await;
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
            None => Err(Error::new(
                ErrorKind::Closed,
                operation,
                "the store was closed; create it again to go on using it",
            )),
        }
    }
}

async fn take_turn(inside: Pass, shared: Arc<Shared>) -> Turn {
    Turn {
        connection: Arc::clone(&shared.writer).lock_owned().await,
        _shared: shared,
        _inside: inside,
    }
}

fn not_yet_shared() -> Error {
    Error::new(
        ErrorKind::Internal,
        OPEN,
        "a fault of this package, please report it",
    )
}
