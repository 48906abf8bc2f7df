//! The items of a database that the app opened, by its change log. How they look is known to the app alone; which
//! they are, and what is noted of them, is decided by [`HandleLog`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::log::{self, Plane, Sql};
use super::app::{Accepted, AppHandle, WantedKey};
use super::json::written;
use super::keys::{filled, place_of, test_of, times_of};
use super::known::{Came, HandleLog};
use crate::engine::change_log::{Advance, ChangeLog, Heard, Look, Note, Recognized, View};
use crate::engine::ports::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span, Stream, entry_hash};
use crate::store::known_peers::{Due, now_ms};

/// How often a page is looked for anew because the app's adapter answered what was written since.
const TRIES: usize = 8;

const OPERATION: &str = "read the change log";

const SHARED_NODE: &str = "two versions of an item have one timestamp and different content: two machines write \
     with one node id, or one stamps twice; the one that is greater in a canonical form stands on every side";

/// The log of an adapter, if the adapter is one over a database that the app opened.
#[derive(Debug)]
pub struct Logged<H> {
    /// The adapter.
    pub at: H,
    log: RefCell<Option<Rc<HandleLog>>>,
}

impl<H: AppHandle> Logged<H> {
    /// None yet.
    pub fn new(at: H) -> Self {
        Self {
            at,
            log: RefCell::new(None),
        }
    }

    /// It is this one from now on, if there is one.
    pub fn choose(&self, log: Option<Rc<HandleLog>>) {
        self.log.replace(log);
    }

    fn log(&self) -> Result<Rc<HandleLog>> {
        self.log.borrow().clone().ok_or_else(|| {
            let message = "the store was exchanged for another one during a round; exchange again";
            Error::new(ErrorKind::Closed, OPERATION, message)
        })
    }

    /// What is noted of a page that is stored.
    fn finish(
        &self,
        (sql, plane): (&dyn Sql, Plane),
        (items, accepted): (&[Item<H::Body>], &Accepted),
        advance: Option<&Advance>,
    ) -> Result<()> {
        for (at, key) in &accepted.equal {
            let Some(item) = items.get(*at) else { continue };
            let stream = Stream::of(&item.kind).name();
            log::renew(sql, plane, &stream, key, &item.hlc.to_string())?;
            self.at.warn_once(SHARED_NODE);
        }
        let is_whole = || {
            let mut all = accepted.outcomes.iter();
            all.all(|outcome| matches!(outcome, Outcome::Applied | Outcome::Stale))
        };
        match advance {
            Some(advance) if !advance.only_whole || is_whole() => log::advance(sql, plane, advance),
            _ => Ok(()),
        }
    }
}

impl<H: AppHandle> ChangeLog<H::Body> for Logged<H> {
    fn has_log(&self) -> bool {
        let log = self.log.borrow().clone();
        log.is_some_and(|log| log.is_kept(&self.at))
    }

    /// The items are read in the same view of the database where the app's functions work at once.
    async fn look(&self, look: Look) -> Result<View<H::Body>> {
        let log = self.log()?;
        for _ in 0..TRIES {
            let (view, found, wanted) = log.read(&self.at, |sql, tables| {
                let mut wanted = Vec::new();
                let view = log::look(sql, (log.plane, &log.streams), &look, &mut |stream, key| {
                    wanted.push(WantedKey {
                        stream: stream.clone(),
                        key: key.to_owned(),
                        test: test_of(tables, stream, key),
                    });
                    Ok(vec![place_of(stream, key, wanted.len() - 1)])
                })?;
                let is_any = !wanted.is_empty();
                let found = is_any.then(|| self.at.find(sql, &written(&wanted)?));
                let found = found.transpose()?;
                Ok((view, found, wanted))
            })?;
            let Some(found) = found else {
                return Ok(filled(view, &[]));
            };
            if let Some(items) = self.at.items(found, log.plane, &wanted).await? {
                return Ok(filled(view, &items));
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            OPERATION,
            "the adapter's get() keeps answering other versions than its table holds; is `db` the adapter's own database?",
        ))
    }

    /// What an app's own function stores is in no transaction of ours: how far the other log was taken in is noted
    /// after it.
    async fn take_in(
        &self,
        items: Vec<Item<H::Body>>,
        origin: Option<Cursor>,
        advance: Option<Advance>,
    ) -> Result<Vec<Outcome>> {
        let log = self.log()?;
        let accepted = log.write(&self.at, None, |sql, tables| {
            let keys = tables.iter().map(|table| (&table.table, table.key_of("")));
            let keys = written(&keys.collect::<BTreeMap<_, _>>())?;
            let Some(accepted) = self.at.take_now(sql, &keys, &items)? else {
                return Ok(None);
            };
            let hashes = hashes_of(&items, &accepted);
            let origin = origin.as_ref();
            let origin = origin.map(|origin| log::origin_of(sql, log.plane, origin));
            log::fold_where(sql, log.plane, origin.transpose()?, &|hash| {
                log.plane == Plane::Rows || hashes.contains(&hash)
            })?;
            self.finish((sql, log.plane), (&items, &accepted), advance.as_ref())?;
            Ok(Some(accepted.outcomes))
        })?;
        if let Some(outcomes) = accepted {
            return Ok(outcomes);
        }
        let accepted = self.at.take(&items).await?;
        let came = origin.map(|origin| Came {
            origin,
            hashes: hashes_of(&items, &accepted).into_iter().collect(),
        });
        log.write(&self.at, came.as_ref(), |sql, _| {
            self.finish((sql, log.plane), (&items, &accepted), advance.as_ref())
        })?;
        Ok(accepted.outcomes)
    }

    async fn note(&self, note: Note) -> Result<()> {
        let log = self.log()?;
        log.write(&self.at, None, |sql, _| log::note(sql, log.plane, &note))
    }

    async fn verify(&self) -> Result<u64> {
        let log = self.log()?;
        log.write(&self.at, None, |sql, tables| {
            log::verify(sql, log.plane, tables)
        })
    }

    async fn compare(&self, spans: Vec<Span>) -> Result<Vec<Reply>> {
        let log = self.log()?;
        log.read(&self.at, |sql, tables| {
            log::compare(sql, log.plane, &spans, &mut |stream, key| {
                times_of(sql, tables, stream, key)
            })
        })
    }

    async fn digests(&self, ranges: Vec<Range>) -> Result<Vec<Digest>> {
        let log = self.log()?;
        log.read(&self.at, |sql, _| log::digests(sql, log.plane, &ranges))
    }

    async fn versions(&self, ranges: Vec<Range>) -> Result<Vec<Vec<(Key, String)>>> {
        let log = self.log()?;
        log.read(&self.at, |sql, tables| {
            log::versions(sql, log.plane, &ranges, &mut |stream, key| {
                times_of(sql, tables, stream, key)
            })
        })
    }

    /// What is written within a transaction of the app's may be undone. Then the two sides greet again, and it is written
    /// again.
    async fn hear_of(&self, heard: Heard) -> Result<Recognized> {
        let log = self.log()?;
        let (due, known) = log.peers.hear_of(&heard, now_ms());
        if due == Due::Not && !heard.greets {
            return Ok(known);
        }
        let written = log.write(&self.at, None, |sql, _| {
            log::hear_of(sql, (log.plane, &log.peers), &heard)
        });
        match written {
            Ok((known, noted)) => {
                log.peers.remember(noted);
                Ok(known)
            }
            Err(error) if due == Due::New => Err(error),
            Err(error) => {
                tracing::debug!(%error, "how far a peer got is not noted yet");
                Ok(known)
            }
        }
    }
}

/// The hashes of the records that are stored now as they came.
fn hashes_of<B>(items: &[Item<B>], accepted: &Accepted) -> Vec<u64> {
    let applied = items.iter().zip(&accepted.outcomes);
    let applied = applied.filter(|(_, outcome)| matches!(outcome, Outcome::Applied));
    applied
        .filter_map(|(item, _)| {
            let id = item.kind.record_id()?.to_utf8()?;
            Some(entry_hash("", &id, &item.hlc.to_string()))
        })
        .collect()
}
