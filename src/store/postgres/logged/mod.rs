//! The stores of a database as stores with a change log.
//!
//! A look at the log finds it settled and its triggers in place, or sees to it first: something was written since, by
//! this process or by another one, or an app's migration has put another table in the place of one.

mod keeps_log;
mod kept;
mod peers;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub(super) use self::keeps_log::keeps_log;
use self::kept::Begins;
pub(super) use self::kept::Log;
pub(super) use self::peers::{hear_of, purge, recognizes};
use super::database::{Database, Within};
use super::fault::{is_conflict, is_of_one_row};
use super::intake::Pace;
use super::log::{self, KnownStreams, LogStanding, LogTables, OPERATION, Sql};
use super::parts;
use super::session::PgSession;
use crate::engine::change_log::{Advance, Look, Note, Others, View};
use crate::engine::freshness::Freshness;
use crate::error::Result;
use crate::protocol::item::Item;
use crate::protocol::log::{Cursor, Digest, Key, Range, Reply, Span};
use crate::store::gate::Pass;
use crate::store::{Json, Later, Taken};

/// A store of a database that has a log.
pub(super) trait HasLog: Clone + Send + Sync + 'static {
    /// Its tables.
    type Tables: LogTables;

    /// The database, the tables and the log.
    fn parts(&self) -> (&Database, &Self::Tables, &Log);

    /// What has to be done before anything is asked of the store.
    fn ready(&self, inside: &Arc<Pass>) -> Later<'static, ()>;
}

/// Runs `work` on a connection.
fn run<S: HasLog, R: Send + 'static>(
    store: &S,
    (operation, within): (&'static str, Within),
    work: impl for<'s> Fn(&'s PgSession, &'s S) -> BoxFuture<'s, Result<R>> + Send + Sync + 'static,
) -> Later<'static, R> {
    let ready = {
        let store = store.clone();
        move |inside| async move {
            store.ready(&inside).await?;
            Ok(Arc::new(store))
        }
    };
    store.parts().0.run_on(operation, within, ready, work)
}

/// Asks the log of a store once it is settled.
fn read_log<S: HasLog, R: Send + 'static>(
    store: &S,
    others: Others,
    asked: impl for<'s> Fn(Sql<'s>, &'s LogStanding, &'s S::Tables) -> BoxFuture<'s, Result<R>>
    + Send
    + Sync
    + 'static,
) -> Later<'static, R> {
    let all = Arc::new((others, asked));
    run(
        store,
        (OPERATION, Within::Nothing),
        move |session, store| {
            let all = Arc::clone(&all);
            Box::pin(async move {
                let (_, tables, log) = store.parts();
                log.ask(session, tables, (&all.0, &all.1)).await
            })
        },
    )
}

/// Writes to the log in one transaction.
fn write_log<S: HasLog, R: Send + 'static>(
    store: &S,
    (operation, within, begins): (&'static str, Within, Begins),
    work: impl for<'s> Fn(Sql<'s>, &'s S::Tables) -> BoxFuture<'s, Result<R>> + Send + Sync + 'static,
) -> Later<'static, R> {
    let work = Arc::new(work);
    run(store, (operation, within), move |session, store| {
        let work = Arc::clone(&work);
        Box::pin(async move {
            let (_, tables, log) = store.parts();
            log.begin(session, tables).await?;
            let writes = |sql| work(sql, tables);
            log.write(session, (operation, begins), writes).await
        })
    })
}

/// Begins the log of a store that is being opened. Where none can be kept, that was said.
pub(super) fn begin<S: HasLog>(store: &S, operation: &'static str) -> Later<'static, ()> {
    run(store, (operation, Within::Writes), |session, store| {
        Box::pin(async move {
            let (_, tables, log) = store.parts();
            match log.begin(session, tables).await {
                Err(_) if !log.is_kept() => Ok(()),
                begun => begun,
            }
        })
    })
}

pub(super) fn has_log<S: HasLog>(store: &S) -> bool {
    store.parts().2.is_kept()
}

/// What this process has written is noticed at once, what others have within a second.
pub(super) fn freshness<S: HasLog>(store: &S) -> Option<Freshness> {
    let (database, _, log) = store.parts();
    log.is_kept().then(|| database.written().freshness())
}

pub(super) fn look<S: HasLog>(store: &S, look: Look) -> Later<'_, View<Json>> {
    let known = store.parts().2.streams();
    let asked = Arc::new((look, known));
    let at_once = quiet_look(store, Arc::clone(&asked));
    Box::pin(async move {
        if let Some(view) = at_once.await? {
            return Ok(view);
        }
        let others = asked.0.others.clone();
        let looking = read_log(store, others, move |sql, standing, tables| {
            let asked = Arc::clone(&asked);
            Box::pin(async move {
                let (look, known) = &*asked;
                log::look(&sql, (standing, known), look, tables).await
            })
        });
        looking.await
    })
}

pub(super) fn take_in_from<S: HasLog>(
    store: &S,
    items: Vec<Item<Json>>,
    origin: Option<Cursor>,
    advance: Option<Advance>,
) -> Later<'_, Vec<Taken>> {
    let page = Arc::new(Arrived {
        items,
        origin,
        advance,
    });
    if !store.parts().0.dialect().takes_whole_pages() {
        return Box::pin(in_several(store, page));
    }
    Box::pin(async move {
        // An item that the table refuses fails the statement, and mostly there is none.
        match take_in(store, Arc::clone(&page), Pace::AtOnce).await {
            Err(error) if is_of_one_row(&error) => take_in(store, page, Pace::OneByOne).await,
            taken => taken,
        }
    })
}

/// At most this much of a note is written in one transaction, where those are limited.
const NOTED_AT_ONCE: usize = 1_000;

pub(super) fn note<S: HasLog>(store: &S, mut note: Note) -> Later<'_, ()> {
    let is_large = note.waits.len() + note.settled.len() > NOTED_AT_ONCE;
    if is_large && !store.parts().0.dialect().takes_whole_pages() {
        return Box::pin(async move {
            while let Some(part) = cut(&mut note) {
                note_at_once(store, part).await?;
            }
            note_at_once(store, note).await
        });
    }
    note_at_once(store, note)
}

/// A part of a note that has too much for one transaction. What is left says how far another log was taken in.
fn cut(note: &mut Note) -> Option<Note> {
    let waits = note.waits.len().min(NOTED_AT_ONCE);
    let settled = note.settled.len().min(NOTED_AT_ONCE - waits);
    (waits + settled > 0).then(|| Note {
        peer: note.peer.clone(),
        waits: note.waits.drain(..waits).collect(),
        settled: note.settled.drain(..settled).collect(),
        ..Note::default()
    })
}

fn note_at_once<S: HasLog>(store: &S, note: Note) -> Later<'_, ()> {
    let noted = Arc::new((note, log::Attempted::default()));
    // An answering side hears of it from itself. It says nothing of items, so that others may hear of it later.
    run(
        store,
        (OPERATION, Within::Nothing),
        move |session, store| {
            let noted = Arc::clone(&noted);
            Box::pin(async move {
                let (_, tables, log) = store.parts();
                log.begin(session, tables).await?;
                let write = |sql| -> BoxFuture<'_, _> {
                    let noted = Arc::clone(&noted);
                    Box::pin(async move { log::note(&sql, &noted.0, &noted.1).await })
                };
                let done = log.write(session, (OPERATION, Begins::Beside), write).await;
                if done.as_ref().is_err_and(is_conflict) {
                    noted.1.forget_last();
                }
                done
            })
        },
    )
}

pub(super) fn verify<S: HasLog>(store: &S) -> Later<'_, u64> {
    let writes = (OPERATION, Within::Writes, Begins::WithTurn);
    if !store.parts().0.dialect().has_locks() {
        return run(store, (OPERATION, Within::Writes), |session, store| {
            Box::pin(async move {
                let (_, tables, log) = store.parts();
                log.begin(session, tables).await?;
                let tracked = tables.tracked(session).await?.unwrap_or_default();
                log::verify_in_pages(&log.sql(session), &tracked).await
            })
        });
    }
    write_log(store, writes, |sql, tables| {
        Box::pin(async move {
            match tables.tracked(sql.session).await? {
                Some(tracked) => log::verify(&sql, &tracked).await,
                None => Ok(0),
            }
        })
    })
}

pub(super) fn compare<S: HasLog>(store: &S, spans: Vec<Span>) -> Later<'_, Vec<Reply>> {
    let spans = Arc::new(spans);
    read_log(store, Others::default(), move |sql, _, tables| {
        let spans = Arc::clone(&spans);
        Box::pin(async move { log::compare(&sql, &spans, tables).await })
    })
}

pub(super) fn digests<S: HasLog>(store: &S, ranges: Vec<Range>) -> Later<'_, Vec<Digest>> {
    let ranges = Arc::new(ranges);
    read_log(store, Others::default(), move |sql, _, _| {
        let ranges = Arc::clone(&ranges);
        Box::pin(async move { log::digests(&sql, &ranges).await })
    })
}

pub(super) fn versions<S: HasLog>(
    store: &S,
    ranges: Vec<Range>,
) -> Later<'_, Vec<Vec<(Key, String)>>> {
    let ranges = Arc::new(ranges);
    read_log(store, Others::default(), move |sql, _, tables| {
        let ranges = Arc::clone(&ranges);
        Box::pin(async move { log::versions(&sql, &ranges, tables).await })
    })
}

/// The answer to a look if nothing is new: it takes one statement, and nothing is begun.
fn quiet_look<S: HasLog>(
    store: &S,
    asked: Arc<(Look, Arc<KnownStreams>)>,
) -> Later<'static, Option<View<Json>>> {
    run(
        store,
        (OPERATION, Within::Nothing),
        move |session, store| {
            let asked = Arc::clone(&asked);
            Box::pin(async move {
                let (_, tables, log) = store.parts();
                let (look, known) = &*asked;
                let standing = log
                    .standing(&log.sql(session), tables, &look.others)
                    .await?;
                let settled = standing.filter(|standing| standing.is_settled);
                Ok(settled.and_then(|standing| log::quiet(&standing, known, look)))
            })
        },
    )
}

/// Takes a page in by transactions that the server takes. How far another log was taken in is noted with the last of them.
async fn in_several<S: HasLog>(store: &S, page: Arc<Arrived>) -> Result<Vec<Taken>> {
    if parts::of(&page.items).len() <= 1 {
        match take_in(store, Arc::clone(&page), Pace::AtOnce).await {
            Err(error) if is_of_one_row(&error) => {}
            taken => return taken,
        }
    }
    let take = |items| {
        let part = Arrived {
            items,
            origin: page.origin.clone(),
            advance: None,
        };
        take_in(store, Arc::new(part), Pace::AtOnce)
    };
    let taken = parts::in_parts(&page.items, false, take).await?;
    if let Some(advance) = &page.advance
        && (!advance.only_whole || taken.iter().all(is_here))
    {
        let moves = Note {
            advance: Some(advance.clone()),
            ..Note::default()
        };
        note(store, moves).await?;
    }
    Ok(taken)
}

/// Whether an item needs not come again.
fn is_here(taken: &Taken) -> bool {
    matches!(taken, Taken::Applied | Taken::Stale)
}

/// A page that is taken in.
#[derive(Debug)]
struct Arrived {
    items: Vec<Item<Json>>,
    origin: Option<Cursor>,
    advance: Option<Advance>,
}

fn take_in<S: HasLog>(store: &S, page: Arc<Arrived>, how: Pace) -> Later<'static, Vec<Taken>> {
    let writes = (TAKE_IN, Within::Writes, Begins::Beside);
    write_log(store, writes, move |sql, tables| {
        let page = Arc::clone(&page);
        Box::pin(async move {
            if let Some(origin) = &page.origin {
                log::come_from(&sql, origin).await?;
            }
            let taken = tables.take_in(sql, &page.items, how).await?;
            if let Some(advance) = &page.advance
                && (!advance.only_whole || taken.iter().all(is_here))
            {
                log::advance(&sql, advance).await?;
            }
            Ok(taken)
        })
    })
}

const TAKE_IN: &str = "take in a page";
