//! The stores of a file as stores with a change log.
//!
//! A look at the log finds it up to date and its triggers in place, or sees to it first: something was written since,
//! by this store or by another program, or an app's migration has put another table in the place of one.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use rusqlite::Connection;

use super::database::Database;
use super::fault::during;
use super::intake::{self, begin};
use super::log::{self, Entering, KnownStreams, OPERATION, Plane, Tracked, WithoutTriggers};
use crate::engine::change_log::{Advance, Heard, Look, Note, Recognized, View};
use crate::engine::freshness::Freshness;
use crate::engine::purge::{Purge, Purged};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span, Stream};
use crate::store::known_peers::{Due, KnownPeers, now_ms};
use crate::store::log::LogStore;
use crate::store::{Json, Later, Taken};

/// Reads the items that lie under a key.
pub(super) type FetchItems<'a> = Box<dyn FnMut(&Stream, &str) -> Result<Vec<Item<Json>>> + 'a>;

/// Takes in one item after the other.
pub(super) type TakeIn<'a> = Box<dyn FnMut(&Item<Json>) -> Result<bool> + 'a>;

/// The tables of a plane, as far as a log needs to know them.
pub(super) trait Tables: Clone + Send + Sync + 'static {
    /// Which plane it is.
    const PLANE: Plane;

    /// The tables whose versions are noted; `None` if one of them has nothing that tells its rows apart.
    fn tracked(&self, connection: &Connection) -> Result<Option<Vec<Tracked>>>;

    /// The greatest timestamp of a node in a stream, among usual ones.
    fn newest_of(
        &self,
        connection: &Connection,
        stream: &Stream,
        node: &NodeId,
    ) -> Result<Option<Hlc>>;

    /// Reads the items that lie under keys.
    fn fetch<'a>(&'a self, connection: &'a Connection) -> FetchItems<'a>;

    /// The name of the only stream, where there is but one: pages of it are [entered](log::Entering) beside their rows
    /// if the table has no triggers of the app's.
    const ENTERED: Option<&'static str> = None;

    /// What takes in the items of a page, one after the other, and says of each whether it is stored now and was not
    /// before. Of two versions with one timestamp the greater one is stored; if that is the stored one, it gets a new
    /// number, so that everybody hears of it. If there is a `log`, no trigger fires and what is stored is entered there.
    fn take_in<'a>(
        &'a self,
        connection: &'a Connection,
        log: Option<&'a mut Entering<'_>>,
    ) -> Result<TakeIn<'a>>;
}

/// The log of a plane of a file.
#[derive(Debug, Clone)]
pub(super) struct Log {
    plane: Plane,
    keeps: Arc<AtomicBool>,
    /// The version of the schema for which the triggers are known to be in place.
    seen: Arc<AtomicI64>,
    /// Whether the triggers of the log are the only ones.
    is_alone: Arc<AtomicBool>,
    streams: Arc<KnownStreams>,
    peers: Arc<KnownPeers>,
}

impl Log {
    /// The log of a file that is being opened: with it a stretch of its history begins.
    pub(super) fn open(connection: &mut Connection, tables: &impl Tables) -> Result<Self> {
        let log = Self {
            plane: plane_of(tables),
            keeps: Arc::new(AtomicBool::new(false)),
            seen: Arc::new(AtomicI64::new(-1)),
            is_alone: Arc::default(),
            streams: Arc::default(),
            peers: Arc::default(),
        };
        let transaction = begin(OPERATION, connection)?;
        log.put_in_place(&transaction, tables)?;
        if log.is_kept() {
            log::begin_generation(&*transaction, log.plane)?;
            log::fold(&*transaction, log.plane, None)?;
        }
        transaction.commit().map_err(during(OPERATION))?;
        Ok(log)
    }

    pub(super) fn is_kept(&self) -> bool {
        self.keeps.load(Ordering::Acquire)
    }

    /// Makes what is missing and brings the log up to date, within the caller's transaction.
    fn see_to(&self, connection: &Connection, tables: &impl Tables) -> Result<()> {
        self.put_in_place(connection, tables)?;
        if self.is_kept() {
            log::fold(connection, self.plane, None)?;
        }
        Ok(())
    }

    /// Sees to it that what is written next is noted, within the caller's transaction: the log may have been dropped, or
    /// a table have been replaced, since it was last looked at.
    pub(super) fn stay_in_place(
        &self,
        connection: &Connection,
        tables: &impl Tables,
    ) -> Result<()> {
        if self.has_seen(connection)? {
            return Ok(());
        }
        self.put_in_place(connection, tables)
    }

    fn has_seen(&self, connection: &Connection) -> Result<bool> {
        Ok(self.seen.load(Ordering::Acquire) == version(connection)?)
    }

    /// Makes what is missing, within the caller's transaction.
    pub(super) fn put_in_place(&self, connection: &Connection, tables: &impl Tables) -> Result<()> {
        let tracked = tables.tracked(connection)?;
        if let Some(tracked) = &tracked
            && !log::is_in_place(connection, self.plane, tracked)?
        {
            log::prepare(connection, self.plane, tracked)?;
        }
        let is_alone = match &tracked {
            Some(tracked) => log::has_only_its_triggers(connection, self.plane, tracked)?,
            None => false,
        };
        self.is_alone.store(is_alone, Ordering::Release);
        self.seen.store(version(connection)?, Ordering::Release);
        self.keeps.store(tracked.is_some(), Ordering::Release);
        Ok(())
    }

    fn is_ready(&self, connection: &Connection) -> Result<bool> {
        Ok(self.has_seen(connection)? && log::is_up_to_date(connection, self.plane)?)
    }
}

fn plane_of<T: Tables>(_: &T) -> Plane {
    T::PLANE
}

fn version(connection: &Connection) -> Result<i64> {
    let read = || {
        let mut statement = connection.prepare_cached("PRAGMA schema_version")?;
        statement.query_row([], |row| row.get(0))
    };
    read().map_err(during(OPERATION))
}

/// A store of a file that has a log.
pub(super) trait Logged: Send + Sync + 'static {
    /// Its tables.
    type Tables: Tables;

    /// The file, the tables and the log.
    fn parts(&self) -> (&Database, &Self::Tables, &Log);

    /// Reads from the log once it is ready.
    fn read_log<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection, &mut FetchItems<'_>) -> Result<T> + Send + Clone + 'static,
    ) -> Later<'_, T> {
        let (database, tables, log) = self.parts();
        Box::pin(async move {
            let (read_by, known, asked) = (tables.clone(), log.clone(), work.clone());
            let found = database.read(OPERATION, move |connection| {
                log::at_once(connection, || {
                    if known.is_ready(connection)? {
                        return asked(connection, &mut read_by.fetch(connection)).map(Some);
                    }
                    Ok(None)
                })
            });
            if let Some(found) = found.await? {
                return Ok(found);
            }
            let (tables, log) = (tables.clone(), log.clone());
            let seen_to = database.write(OPERATION, move |connection| {
                let transaction = begin(OPERATION, connection)?;
                log.see_to(&transaction, &tables)?;
                let found = work(&transaction, &mut tables.fetch(&transaction))?;
                transaction.commit().map_err(during(OPERATION))?;
                Ok(found)
            });
            seen_to.await
        })
    }

    /// Writes to the log once it is in place.
    fn write_log<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Self::Tables) -> Result<T> + Send + 'static,
    ) -> Later<'_, T> {
        let (database, tables, log) = self.parts();
        let (tables, log) = (tables.clone(), log.clone());
        Box::pin(database.write(OPERATION, move |connection| {
            let transaction = begin(OPERATION, connection)?;
            log.see_to_if_changed(&transaction, &tables)?;
            let done = work(&transaction, &tables)?;
            transaction.commit().map_err(during(OPERATION))?;
            Ok(done)
        }))
    }
}

impl Log {
    fn see_to_if_changed(&self, connection: &Connection, tables: &impl Tables) -> Result<()> {
        if self.is_ready(connection)? {
            return Ok(());
        }
        self.see_to(connection, tables)
    }
}

impl<S: Logged> LogStore for S {
    fn has_log(&self) -> bool {
        self.parts().2.is_kept()
    }

    fn freshness(&self) -> Option<Freshness> {
        self.parts().0.freshness()
    }

    fn look(&self, look: Look) -> Later<'_, View<Json>> {
        let (plane, known) = (S::Tables::PLANE, Arc::clone(&self.parts().2.streams));
        self.read_log(move |connection, fetch| {
            log::look(connection, (plane, &known), &look, &mut **fetch)
        })
    }

    fn take_in_from(
        &self,
        items: Vec<Item<Json>>,
        origin: Option<Cursor>,
        advance: Option<Advance>,
    ) -> Later<'_, Vec<Taken>> {
        const TAKE_IN: &str = "take in a page";
        let (database, tables, log) = self.parts();
        let (tables, log, plane) = (tables.clone(), log.clone(), S::Tables::PLANE);
        Box::pin(database.write(TAKE_IN, move |connection| {
            let transaction = begin(TAKE_IN, connection)?;
            log.see_to_if_changed(&transaction, &tables)?;
            let origin = origin.as_ref();
            let origin = origin.map(|origin| log::origin_of(&*transaction, plane, origin));
            let origin = origin.transpose()?;
            let entered = S::Tables::ENTERED.filter(|_| log.is_alone.load(Ordering::Acquire));
            let page = intake::RecordsPage {
                items: &items,
                strict: false,
                undoes: entered.is_none(),
            };
            let taken = if let Some(stream) = entered {
                let _off = WithoutTriggers::on(&transaction)?;
                let mut entering = Entering::begin(&transaction, plane, stream, origin)?;
                let one = tables.take_in(&transaction, Some(&mut entering))?;
                let taken = intake::take_in_all(TAKE_IN, &transaction, &page, one)?;
                entering.end()?;
                taken
            } else {
                let one = tables.take_in(&transaction, None)?;
                intake::take_in_all(TAKE_IN, &transaction, &page, one)?
            };
            log::fold(&*transaction, plane, origin)?;
            let is_whole = || {
                let mut all = taken.iter();
                all.all(|taken| matches!(taken, Taken::Applied | Taken::Stale))
            };
            if let Some(advance) = &advance
                && (!advance.only_whole || is_whole())
            {
                log::advance(&*transaction, plane, advance)?;
            }
            transaction.commit().map_err(during(TAKE_IN))?;
            Ok(taken)
        }))
    }

    fn note(&self, note: Note) -> Later<'_, ()> {
        let plane = S::Tables::PLANE;
        self.write_log(move |connection, _| log::note(connection, plane, &note))
    }

    fn verify(&self) -> Later<'_, u64> {
        self.write_log(
            move |connection, tables| match tables.tracked(connection)? {
                Some(tracked) => log::verify(connection, S::Tables::PLANE, &tracked),
                None => Ok(0),
            },
        )
    }

    fn compare(&self, spans: Vec<Span>) -> Later<'_, Vec<Reply>> {
        let plane = S::Tables::PLANE;
        self.read_log(move |connection, fetch| {
            log::compare(connection, plane, &spans, &mut **fetch)
        })
    }

    fn digests(&self, ranges: Vec<Range>) -> Later<'_, Vec<Digest>> {
        let plane = S::Tables::PLANE;
        self.read_log(move |connection, _| log::digests(connection, plane, &ranges))
    }

    fn versions(&self, ranges: Vec<Range>) -> Later<'_, Vec<Vec<(Key, String)>>> {
        let plane = S::Tables::PLANE;
        self.read_log(move |connection, fetch| {
            log::versions(connection, plane, &ranges, &mut **fetch)
        })
    }

    fn recognizes(&self, heard: &Heard) -> Option<Recognized> {
        let log = self.parts().2;
        if !log.is_kept() {
            return Some(Recognized::default());
        }
        let (due, known) = log.peers.hear_of(heard, now_ms());
        (due == Due::Not).then_some(known)
    }

    fn hear_of(&self, heard: Heard) -> Later<'_, Recognized> {
        let log = self.parts().2;
        if !log.is_kept() {
            return Box::pin(ready(Ok(Recognized::default())));
        }
        let (due, known) = log.peers.hear_of(&heard, now_ms());
        if due == Due::Not {
            return Box::pin(ready(Ok(known)));
        }
        let (plane, peers) = (S::Tables::PLANE, Arc::clone(&log.peers));
        Box::pin(async move {
            let written = self
                .write_log(move |connection, _| log::hear_of(connection, (plane, &peers), &heard));
            match written.await {
                Ok((known, noted)) => {
                    self.parts().2.peers.remember(noted);
                    Ok(known)
                }
                Err(error) if due == Due::New => Err(error),
                // It is tried again, and until then less can be purged.
                Err(error) => {
                    tracing::debug!(%error, "how far a peer got is not noted yet");
                    Ok(known)
                }
            }
        })
    }

    fn purge(&self, purge: Purge) -> Later<'_, Purged> {
        let (_, _, log) = self.parts();
        let (plane, peers) = (S::Tables::PLANE, Arc::clone(&log.peers));
        Box::pin(async move {
            let purged = self.write_log(move |connection, tables| {
                let tracked = tables.tracked(connection)?.unwrap_or_default();
                let mut newest =
                    |stream: &Stream, node: &NodeId| tables.newest_of(connection, stream, node);
                log::purge(connection, (plane, &peers), &tracked, (&purge, &mut newest))
            });
            let purged = purged.await?;
            if purged
                .peers
                .iter()
                .any(|(_, _, is_forgotten)| *is_forgotten)
            {
                self.parts().2.peers.forget();
            }
            Ok(purged)
        })
    }
}
