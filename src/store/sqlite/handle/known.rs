//! What is known of the log of a handle from one look to the next.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use rusqlite::types::Value;

use super::super::log::{self, KnownStreams, Plane, Sql, Tracked};
use super::app::AppHandle;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::log::Cursor;
use crate::store::known_peers::KnownPeers;

/// What is known of the log of a handle. The handle itself is not held by it: it may be collected.
#[derive(Debug)]
pub struct HandleLog {
    /// Which of the two logs of a file.
    pub plane: Plane,
    /// The streams as they were last read.
    pub streams: KnownStreams,
    /// The peers that were heard of.
    pub(in crate::store) peers: KnownPeers,
    /// What was in place when it was last looked at outside of a transaction of the app's.
    known: RefCell<Option<KnownApp>>,
    /// Where the log ended then.
    settled: Cell<Option<u64>>,
    /// The mark of the last look within a transaction of the app's.
    marked: RefCell<Option<String>>,
}

#[derive(Debug)]
struct KnownApp {
    version: u64,
    tables: Rc<[Tracked]>,
}

/// Versions that came from another log: their hashes.
#[derive(Debug)]
pub struct Came {
    /// From where.
    pub origin: Cursor,
    /// Which.
    pub hashes: HashSet<u64>,
}

/// What a piece of work left.
struct Left<T> {
    done: T,
    head: u64,
    known: Option<KnownApp>,
    mark: Option<String>,
}

impl HandleLog {
    /// Nothing is known yet.
    pub fn new(plane: Plane) -> Self {
        Self {
            plane,
            streams: KnownStreams::default(),
            peers: KnownPeers::default(),
            known: RefCell::new(None),
            settled: Cell::new(None),
            marked: RefCell::new(None),
        }
    }

    /// Whether there is a log, or can be: it is made if it is missing. What keeps it from being made is warned of, and
    /// is no error of the app's: the exchange goes by watermarks then.
    pub fn is_kept(&self, at: &impl AppHandle) -> bool {
        let Err(error) = self.read(at, |_, _| Ok(())) else {
            return true;
        };
        match at.code_of(&error).as_deref() {
            // Another writer has the database for now.
            Some("STORE_BUSY") => self.known.borrow().is_some(),
            // The exchange by watermarks says so itself.
            Some("STORE_CLOSED") => false,
            _ if error.kind() == ErrorKind::InvalidArgument => false,
            _ => {
                at.warn_once(&format!(
                    "there can be no change log in the app's database, so it is exchanged by timestamps alone: {}",
                    error.message()
                ));
                false
            }
        }
    }

    /// Reads from the log, which is brought up to date first.
    pub fn read<H: AppHandle, T>(
        &self,
        at: &H,
        work: impl Fn(&H::Sql, &[Tracked]) -> Result<T>,
    ) -> Result<T> {
        let quick = at.within(false, |sql, is_the_apps| {
            let tables = if is_the_apps {
                None
            } else {
                self.ready(at, sql)?
            };
            let Some(tables) = tables else {
                return Ok(None);
            };
            let done = work(sql, &tables)?;
            Ok(Some((done, log::head(sql, self.plane)?)))
        });
        match quick {
            Ok(Some((done, head))) => {
                self.settled.set(Some(head));
                return Ok(done);
            }
            Ok(None) => {}
            // A writer was just at its end; with the turn to write there is none.
            Err(error) if at.code_of(&error).as_deref() == Some("STORE_BUSY") => {}
            Err(error) => return Err(error),
        }
        self.write(at, None, work)
    }

    /// Writes to the log, which is brought up to date first: of what was noted, some `came` from elsewhere.
    pub fn write<H: AppHandle, T>(
        &self,
        at: &H,
        came: Option<&Came>,
        work: impl FnOnce(&H::Sql, &[Tracked]) -> Result<T>,
    ) -> Result<T> {
        let left = at.within(true, |sql, is_the_apps| {
            let tables: Rc<[Tracked]> = tables_of(at, sql)?.into();
            if !log::is_in_place(sql, self.plane, &tables)? {
                log::prepare(sql, self.plane, &tables)?;
            }
            self.begin_stretch(sql, is_the_apps)?;
            let origin = came.map(|came| log::origin_of(sql, self.plane, &came.origin));
            log::fold_where(sql, self.plane, origin.transpose()?, &|hash| {
                came.is_some_and(|came| came.hashes.contains(&hash))
            })?;
            let done = work(sql, &tables)?;
            Ok(Left {
                done,
                head: log::head(sql, self.plane)?,
                known: if is_the_apps {
                    None
                } else {
                    Some(KnownApp {
                        version: version(sql)?,
                        tables,
                    })
                },
                mark: if is_the_apps {
                    Some(log::mark(sql, self.plane)?)
                } else {
                    None
                },
            })
        })?;
        if left.mark.is_none() {
            self.settled.set(Some(left.head));
            *self.known.borrow_mut() = left.known;
        }
        *self.marked.borrow_mut() = left.mark;
        Ok(left.done)
    }

    /// The tables, if everything is in place and nothing was noted since.
    fn ready<H: AppHandle>(&self, at: &H, sql: &H::Sql) -> Result<Option<Rc<[Tracked]>>> {
        let known = self.known.borrow();
        let Some(known) = known.as_ref().filter(|_| self.marked.borrow().is_none()) else {
            return Ok(None);
        };
        let is_ready = known.version == version(sql)?
            && tables_of(at, sql)?[..] == known.tables[..]
            && log::is_up_to_date(sql, self.plane)?;
        Ok(is_ready.then(|| Rc::clone(&known.tables)))
    }

    /// A stretch of the history begins with each wrapping, and with each transaction of the app's that is looked into.
    fn begin_stretch(&self, sql: &dyn Sql, is_the_apps: bool) -> Result<()> {
        if !is_the_apps {
            if self.known.borrow().is_none() {
                log::begin_generation(sql, self.plane)?;
            }
            return Ok(());
        }
        let marked = self.marked.borrow();
        let stands = match &*marked {
            Some(mark) => log::is_marked(sql, self.plane, mark)?,
            None => false,
        };
        if !stands {
            log::begin_unsettled(sql, self.plane, self.settled.get())?;
        }
        Ok(())
    }
}

fn tables_of<H: AppHandle>(at: &H, sql: &H::Sql) -> Result<Vec<Tracked>> {
    // What is wrong with the tables is told by the exchange by watermarks, as it always was.
    let tables = at.tables(sql).map_err(|error| no_log().caused_by(error))?;
    tables.ok_or_else(no_log)
}

fn no_log() -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "read the change log",
        "a table of the app has nothing that tells its rows apart, or is none that can be exchanged",
    )
}

fn version(sql: &dyn Sql) -> Result<u64> {
    let mut version = 0;
    sql.each("PRAGMA schema_version", &[], &mut |row| {
        if let Some(Value::Integer(found)) = row.first() {
            version = u64::try_from(*found).unwrap_or_default();
        }
        Ok(())
    })?;
    Ok(version)
}
