//! The items of a database that the app opened, by its change log. How they look is known in JavaScript alone; which
//! they are, and what is noted of them, is decided by [`HandleLog`].

use std::cell::RefCell;
use std::rc::Rc;

use super::batch::read_outcomes;
use super::handle_keys::{filled, keep_items, place_of, times_of};
use super::handle_log::{Came, HandleLog};
use super::handle_sql::{HandleSql, LogAt};
use super::records::no_stamp;
use super::rows::row_at;
use crate::engine::change_log::{Advance, Look, Note, View};
use crate::engine::ports::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::node::convert::{Body, faulty_record, faulty_row, malformed, read_hlcs, read_stamped};
use crate::node::error::warn_once;
use crate::node::runtime::await_js;
use crate::node::value::{Key as Name, Persistent, Scope, Value};
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span, Stream, entry_hash};
use crate::store::sqlite::log::{self, Plane, Tracked};

/// How often a page is looked for anew because the app's adapter answered what was written since.
const TRIES: usize = 8;

const TAKE_IN: &str = "take in a page";

/// The log of an adapter, if the adapter is one over a database that the app opened.
pub struct Logged {
    at: LogAt,
    log: RefCell<Option<Rc<HandleLog>>>,
}

/// What JavaScript answers of a page that was taken in.
struct Taken {
    outcomes: Vec<Outcome>,
    /// The keys of items whose stored versions had the same time and other content, with their places in the page.
    equal: Vec<(usize, String)>,
}

impl Logged {
    /// The log that is found there.
    pub fn new(at: LogAt) -> Self {
        Self {
            at,
            log: RefCell::new(None),
        }
    }

    /// Looks for it. Once a round.
    pub fn look(&self) -> Result<()> {
        *self.log.borrow_mut() = self.at.native()?;
        Ok(())
    }

    /// Whether there is one.
    pub fn is_kept(&self) -> bool {
        let log = self.log.borrow().clone();
        log.is_some_and(|log| log.is_kept(&self.at))
    }

    fn log(&self) -> Result<Rc<HandleLog>> {
        self.log.borrow().clone().ok_or_else(|| {
            let message = "the store was exchanged for another one during a round; exchange again";
            Error::new(ErrorKind::Closed, "read the change log", message)
        })
    }

    /// A look at the log. The items are read in the same view of the database where the app's functions work at once.
    pub async fn view(&self, look: Look) -> Result<View<Body>> {
        let log = self.log()?;
        for _ in 0..TRIES {
            let (view, found, asked) = log.read(&self.at, |sql, tables| {
                let mut asked = Vec::new();
                let view = log::look(sql, (log.plane, &log.streams), &look, &mut |stream, key| {
                    asked.push((stream.clone(), key.to_owned()));
                    Ok(vec![place_of(stream, key, asked.len() - 1)])
                })?;
                let found = keep_items(sql, tables, &asked)?;
                Ok((view, found, asked))
            })?;
            let Some(found) = found else {
                return Ok(filled(view, &[]));
            };
            let items = self.settled(&log, &found, &asked).await?;
            if let Some(items) = items {
                return Ok(filled(view, &items));
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            "read the change log",
            "the adapter's get() keeps answering other versions than its table holds; is `db` the adapter's own database?",
        ))
    }

    /// The items that were asked for; `None` if something was written before the app had answered.
    async fn settled(
        &self,
        log: &HandleLog,
        found: &Persistent,
        asked: &[(Stream, String)],
    ) -> Result<Option<Vec<Vec<Item<Body>>>>> {
        await_js(
            self.at.env(),
            "read the change log",
            |scope, invoke| {
                let log = self.at.found(scope)?;
                invoke.method(scope, (log, "log"), Name::Settled, &[found.value(scope)?])
            },
            |scope, answer| {
                if scope.is_nullish(answer)? {
                    return Ok(None);
                }
                self.read_items(scope, answer, (log.plane, asked)).map(Some)
            },
        )
        .await
    }

    /// Reads `{ items, counts, reasons }`: all items, how many lie under each key, and what is said of those that have
    /// no time.
    fn read_items(
        &self,
        scope: Scope<'_>,
        answer: Value<'_>,
        (plane, asked): (Plane, &[(Stream, String)]),
    ) -> Result<Vec<Vec<Item<Body>>>> {
        let env = self.at.env();
        let found = scope.get_named(answer, "items")?;
        let (counts, reasons) = (
            scope.get_named(answer, "counts")?,
            scope.get_named(answer, "reasons")?,
        );
        let time = match plane {
            Plane::Records => Name::UpdatedAt,
            Plane::Rows => Name::Timestamp,
        };
        let mut stamps = (0u32..).zip(read_hlcs(scope, env, found, Some(time))?);
        let mut all = Vec::with_capacity(asked.len());
        for (index, (stream, _)) in (0u32..).zip(asked) {
            let count = scope
                .as_number(scope.element(counts, index)?)
                .and_then(safe_integer);
            let mut items = Vec::new();
            for _ in 0..count.unwrap_or_default() {
                let Some((at, stamp)) = stamps.next() else {
                    break;
                };
                items.push(env.scope(|scope| {
                    let fault = || -> Result<Error> {
                        let reason = scope.as_text(scope.element(reasons, at)?);
                        Ok(reason.map_or_else(no_stamp, |reason| malformed(&reason.to_string())))
                    };
                    let item = scope.element(found, at)?;
                    match (stream, stamp) {
                        (Stream::Records, Some(hlc)) => read_stamped(scope, env, (found, at), hlc),
                        (Stream::Records, None) => {
                            faulty_record(scope, env, item, (Hlc::zero(), fault()?))
                        }
                        (Stream::Rows(table), Some(hlc)) => row_at(scope, env, item, (table, &hlc)),
                        (Stream::Rows(table), None) => {
                            faulty_row(scope, env, item, (table, Hlc::zero(), fault()?))
                        }
                    }
                })?);
            }
            all.push(items);
        }
        Ok(all)
    }

    /// Takes items in, and notes where they came from in the same transaction. What an app's own `put` stores is in no
    /// transaction of ours: how far the other log was taken in is noted after it.
    pub async fn take_in(
        &self,
        items: Vec<Item<Body>>,
        origin: Option<Cursor>,
        advance: Option<Advance>,
    ) -> Result<Vec<Outcome>> {
        let log = self.log()?;
        let env = self.at.env();
        let taken = log.write(&self.at, None, |sql, tables| {
            let page = page_of(sql.scope, env, &items)?;
            let answer = sql.call("take", &[page, keys_of(sql, tables)?])?;
            if sql.scope.is_nullish(answer)? {
                return Ok(None);
            }
            let taken = read_taken(sql.scope, &self.at, answer, items.len())?;
            let hashes = hashes_of(&items, &taken);
            let origin = origin.as_ref();
            let origin = origin.map(|origin| log::origin_of(sql, log.plane, origin));
            log::fold_where(sql, log.plane, origin.transpose()?, &|hash| {
                log.plane == Plane::Rows || hashes.contains(&hash)
            })?;
            self.finish(sql, &log, (&items, &taken), advance.as_ref())?;
            Ok(Some(taken.outcomes))
        })?;
        if let Some(outcomes) = taken {
            return Ok(outcomes);
        }
        let taken = await_js(
            env,
            TAKE_IN,
            |scope, invoke| {
                let log = self.at.found(scope)?;
                let page = page_of(scope, env, &items)?;
                invoke.method(scope, (log, "log"), Name::PutAll, &[page])
            },
            |scope, answer| read_taken(scope, &self.at, answer, items.len()),
        )
        .await?;
        let came = origin.map(|origin| Came {
            origin,
            hashes: hashes_of(&items, &taken).into_iter().collect(),
        });
        log.write(&self.at, came.as_ref(), |sql, _| {
            self.finish(sql, &log, (&items, &taken), advance.as_ref())
        })?;
        Ok(taken.outcomes)
    }

    /// What is noted of a page that is stored.
    fn finish(
        &self,
        sql: &HandleSql<'_>,
        log: &HandleLog,
        (items, taken): (&[Item<Body>], &Taken),
        advance: Option<&Advance>,
    ) -> Result<()> {
        for (at, key) in &taken.equal {
            let Some(item) = items.get(*at) else { continue };
            let stream = Stream::of(&item.kind).name();
            log::renew(sql, log.plane, &stream, key, &item.hlc.to_string())?;
            warn_once(self.at.env(), SHARED_NODE);
        }
        let is_whole = || {
            let mut all = taken.outcomes.iter();
            all.all(|outcome| matches!(outcome, Outcome::Applied | Outcome::Stale))
        };
        match advance {
            Some(advance) if !advance.only_whole || is_whole() => {
                log::advance(sql, log.plane, advance)
            }
            _ => Ok(()),
        }
    }

    /// Notes what an exchange came to.
    pub fn note(&self, note: &Note) -> Result<()> {
        let log = self.log()?;
        log.write(&self.at, None, |sql, _| log::note(sql, log.plane, note))
    }

    /// Holds the log against the tables, and mends it.
    pub fn verify(&self) -> Result<u64> {
        let log = self.log()?;
        log.write(&self.at, None, |sql, tables| {
            log::verify(sql, log.plane, tables)
        })
    }

    /// Compares ranges with what another side holds of them.
    pub fn compare(&self, spans: &[Span]) -> Result<Vec<Reply>> {
        let log = self.log()?;
        log.read(&self.at, |sql, tables| {
            log::compare(sql, log.plane, spans, &mut |stream, key| {
                times_of(sql, tables, stream, key)
            })
        })
    }

    /// What the store holds of these ranges.
    pub fn digests(&self, ranges: &[Range]) -> Result<Vec<Digest>> {
        let log = self.log()?;
        log.read(&self.at, |sql, _| log::digests(sql, log.plane, ranges))
    }

    /// The versions of these ranges.
    pub fn versions(&self, ranges: &[Range]) -> Result<Vec<Vec<(Key, String)>>> {
        let log = self.log()?;
        log.read(&self.at, |sql, tables| {
            log::versions(sql, log.plane, ranges, &mut |stream, key| {
                times_of(sql, tables, stream, key)
            })
        })
    }
}

const SHARED_NODE: &str = "two versions of an item have one timestamp and different content: two machines write \
     with one node id, or one stamps twice; the one that is greater in a canonical form stands on every side";

/// The items as an array of JavaScript.
fn page_of<'s>(
    scope: Scope<'s>,
    env: &Rc<crate::node::value::Env>,
    items: &[Item<Body>],
) -> Result<Value<'s>> {
    let page = scope.array()?;
    for (at, item) in (0u32..).zip(items) {
        env.scope(|scope| scope.set_element(page, at, item.body.to_js(scope, env)?))?;
    }
    Ok(page)
}

/// By the name of each table, how the key of a row is written in SQL.
fn keys_of<'s>(sql: &HandleSql<'s>, tables: &[Tracked]) -> Result<Value<'s>> {
    let keys = sql.scope.object()?;
    for table in tables {
        let key = sql.scope.text(&table.key_of(""))?;
        sql.scope.set_named(keys, &table.table, key)?;
    }
    Ok(keys)
}

fn read_taken(scope: Scope<'_>, at: &LogAt, answer: Value<'_>, count: usize) -> Result<Taken> {
    let env = at.env();
    let outcomes = read_outcomes(scope, env, TAKE_IN, answer, count)?;
    let mut equal = Vec::new();
    for index in 0..scope.length(answer)? {
        let key = env.scope(|scope| {
            let result = scope.element(answer, index)?;
            Ok(scope.as_text(scope.get_named(result, "equal")?))
        })?;
        equal.extend(key.map(|key| (index as usize, key.to_string())));
    }
    Ok(Taken { outcomes, equal })
}

/// The hashes of the records that are stored now as they came.
fn hashes_of(items: &[Item<Body>], taken: &Taken) -> Vec<u64> {
    let applied = items.iter().zip(&taken.outcomes);
    let applied = applied.filter(|(_, outcome)| matches!(outcome, Outcome::Applied));
    applied
        .filter_map(|(item, _)| {
            let id = item.kind.record_id()?.to_utf8()?;
            Some(entry_hash("", &id, &item.hlc.to_string()))
        })
        .collect()
}
