//! One file's connections: one that writes, several that read.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::Semaphore;

use super::fault::during;
use super::line::Line;
use super::place::Place;
use crate::engine::freshness::Freshness;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Modes;

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
    /// Which rights the file gets if it is made. `SQLite` gives what it puts beside it the same.
    pub modes: Modes,
}

impl Options {
    /// How long to wait by default.
    pub const BUSY_TIMEOUT_MS: usize = 5000;

    /// With so many milliseconds to wait for others that write.
    pub fn new(busy_timeout_ms: usize, modes: Modes) -> Self {
        Self {
            busy_timeout: Duration::from_millis(busy_timeout_ms as u64),
            modes,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new(Self::BUSY_TIMEOUT_MS, Modes::default())
    }
}

/// One file's connections.
pub(super) struct Shared {
    pub(super) line: Line,
    /// None where there is but one connection to be had.
    pub(super) readers: Option<Readers>,
    /// Dropped once nothing of the file is open any more.
    _goes_last: Option<Box<dyn Any + Send + Sync>>,
}

pub(super) struct Readers {
    options: Options,
    idle: Mutex<Vec<Connection>>,
    /// Asked for nothing but whether the file has changed.
    watch: Mutex<Option<Connection>>,
    /// Tells its counting from that of others.
    pub(super) counter: u64,
    pub(super) permits: Arc<Semaphore>,
    /// Goes after the connections.
    pub(super) place: Place,
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

    /// The database in the file at `place`. `goes_last` is dropped after its last connection.
    pub(super) fn on_disk(
        place: Place,
        options: Options,
        writer: Connection,
        goes_last: impl Any + Send + Sync,
    ) -> Self {
        Self {
            line: Line::new(writer),
            readers: Some(Readers {
                options,
                idle: Mutex::default(),
                watch: Mutex::default(),
                counter: Freshness::new_counter(),
                permits: Arc::new(Semaphore::new(READERS)),
                place,
            }),
            _goes_last: Some(Box::new(goes_last)),
        }
    }

    /// A database that ends with its last handle.
    pub(super) fn in_memory(options: Options) -> Result<Self> {
        Ok(Self {
            line: Line::new(connection(Path::new(":memory:"), options)?),
            readers: None,
            _goes_last: None,
        })
    }

    /// Fails where the file is no longer at its path.
    pub(super) fn check_place(&self, operation: &'static str) -> Result<()> {
        let place = self.readers.as_ref().map(|readers| &readers.place);
        place.map_or(Ok(()), |place| place.check(operation))
    }

    /// What went wrong with the file itself, with its path.
    pub(super) fn with_path(&self, operation: &'static str, error: Error) -> Error {
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
    pub(super) fn checkpoint(&self) -> Result<()> {
        let Some(writer) = self.line.writer_if_idle() else {
            return Ok(());
        };
        let Err(error) = writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) else {
            return Ok(());
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => Ok(()),
            // A file that is damaged is no better for staying open; `healthCheck` tells of it.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                tracing::warn!(%error, "the log of a damaged database cannot be moved into its file");
                Ok(())
            }
            _ => Err(during("close a database")(error)),
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
        let watch = readers
            .watch
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let writer = self.line.writer_if_idle();
        for connection in idle.iter().chain(&*watch).chain(writer.as_deref()) {
            if let Err(error) =
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            {
                tracing::error!(%error, "the log of a replaced database may be removed");
            }
        }
    }
}

impl Readers {
    /// A further connection that only reads.
    pub(super) fn connect(&self) -> Result<Connection> {
        reader(self.connect_to_set_up()?)
    }

    /// A further connection that writes, until it is made a [`reader`].
    pub(super) fn connect_to_set_up(&self) -> Result<Connection> {
        connection(self.place.path(), self.options)
    }

    /// Another number after each commit to the file by any process. No table is read; `None` if the file is busy.
    pub(super) fn version(&self) -> Result<Option<u64>> {
        let during = during("look whether a database has changed");
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = if let Some(connection) = &mut *watch {
            connection
        } else {
            let connection = self.connect()?;
            // It is asked on threads on which nothing may wait.
            connection.busy_timeout(Duration::ZERO).map_err(&during)?;
            watch.insert(connection)
        };
        let version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
        match version {
            Ok(version) => Ok(u64::try_from(version).ok()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(None),
            Err(error) => Err(during(error)),
        }
    }

    pub(super) fn take(&self) -> Result<Connection> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(connection) => Ok(connection),
            None => self.connect(),
        }
    }

    pub(super) fn give_back(&self, connection: Connection) {
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
    // Without it SQLite prepares a statement anew with each value that is bound, where a partial index might do.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(during(OPEN))?;
    super::query::add_collation(&connection).map_err(during(OPEN))?;
    Ok(connection)
}

/// The connection, which only reads from now on.
pub(super) fn reader(connection: Connection) -> Result<Connection> {
    connection
        .pragma_update(None, "query_only", true)
        .map_err(during(OPEN))?;
    Ok(connection)
}
