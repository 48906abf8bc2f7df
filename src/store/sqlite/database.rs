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
//! - **Nothing is asked of a file that is no longer at its path** ([`place`](super::place)): what is written
//!   there would be lost.
//! - The registration goes last: the file counts as open until no connection has it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, watch};

use super::fault::during;
use super::place::Place;
use super::registry::{self, Claim, Registration, Role};
use super::turn::{Line, Turn};
use crate::error::{Error, ErrorKind, Result};
use crate::store::gate::{Gate, Pass, closed};
use crate::store::{Holder, blocking};

const OPEN: &str = "open a database";
const READERS: usize = 4;
const KEPT_STATEMENTS: usize = 64;
/// So long a store that is closed waits for the callbacks of transactions.
const GRACE: Duration = Duration::from_secs(1);
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
    pub(super) line: Line,
    /// None where there is but one connection to be had.
    readers: Option<Readers>,
    _registration: Option<Registration>,
}

struct Readers {
    options: Options,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    /// Goes after the connections.
    place: Place,
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

    /// The database in the file at `place`.
    pub(super) fn on_disk(
        place: Place,
        options: Options,
        writer: Connection,
        registration: Registration,
    ) -> Self {
        Self {
            line: Line::new(writer),
            readers: Some(Readers {
                options,
                idle: Mutex::default(),
                permits: Arc::new(Semaphore::new(READERS)),
                place,
            }),
            _registration: Some(registration),
        }
    }

    /// A database that ends with its last handle.
    pub(super) fn in_memory(options: Options) -> Result<Self> {
        Ok(Self {
            line: Line::new(connection(Path::new(":memory:"), options)?),
            readers: None,
            _registration: None,
        })
    }

    /// Fails where the file is no longer at its path.
    pub(super) fn check_place(&self, operation: &'static str) -> Result<()> {
        let place = self.readers.as_ref().map(|readers| &readers.place);
        place.map_or(Ok(()), |place| place.check(operation))
    }

    /// What went wrong with the file itself, with its path.
    fn with_path(&self, operation: &'static str, error: Error) -> Error {
        let of_file = matches!(
            error.kind(),
            ErrorKind::Busy
                | ErrorKind::NotADatabase
                | ErrorKind::StorageFull
                | ErrorKind::ReadOnly
                | ErrorKind::Io
        );
        match &self.readers {
            Some(readers) if of_file => error.about(operation, readers.place.path().display()),
            _ => error,
        }
    }

    /// Moves what is in the log into the file, as far as other processes that read just now allow.
    fn checkpoint(&self) -> Result<()> {
        let Some(writer) = self.line.writer_if_idle() else {
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

impl Drop for Shared {
    /// The last connection removes the log at the path, unless that is another database's.
    fn drop(&mut self) {
        let Some(readers) = self.readers.as_mut().filter(|all| all.place.is_of_others()) else {
            return;
        };
        let idle = readers
            .idle
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let writer = self.line.writer_if_idle();
        for connection in idle.iter().chain(writer.as_deref()) {
            if let Err(error) =
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            {
                tracing::error!(%error, "the log of a replaced database may be removed");
            }
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
            None => reader(connection(self.place.path(), self.options)?),
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
    /// Whether this store is closed and waits no longer for transactions.
    cut: watch::Sender<bool>,
    /// The claim goes before the connections, so that whoever comes next finds both or neither.
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
            let mut first = connection(readers.place.path(), options)?;
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
            Ok(place.is_sound(|| reader(connection(place.path(), readers.options)?)))
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
