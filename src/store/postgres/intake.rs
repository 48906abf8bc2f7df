//! Taking a page of records in: one transaction, and of each item what became of it.
//!
//! Usually that is one statement, which stores what is newer. Where the database refuses a row, the page is taken in row by
//! row.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::fault::is_of_one_row;
use super::rows::{self, ToWrite};
use super::schema::Shape;
use super::session::PgSession;
use crate::error::Result;
use crate::protocol::hlc::{NodeId, wins};
use crate::protocol::item::Item;
pub(super) use crate::store::row::incoming::TAKE_IN;
use crate::store::row::incoming::{check_inside, record_id};
use crate::store::{Json, Taken};

/// How a page is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// A row that the database refuses fails all of it.
    AtOnce,
    /// Such a row fails alone.
    OneByOne,
}

/// Takes in items that come in the order of timestamps, within the caller's transaction. `strict` stops a node at its
/// first item that fails.
pub(super) async fn take_in(
    session: &PgSession,
    shape: &Shape,
    (items, strict): (&[Item<Json>], bool),
    way: Pace,
) -> Result<Vec<Taken>> {
    let read = read_all(session, shape, items).await?;
    let stopped = stopped_by(items, &read, strict);
    let whole = read.iter().enumerate().filter_map(|(at, read)| match read {
        Ok(Some(record)) if !stopped.contains(&at) => Some((at, record)),
        _ => None,
    });
    let whole: Vec<(usize, &ToWrite)> = whole.collect();
    let tried = if way == Pace::AtOnce {
        let stored = all_at_once(session, shape, &whole).await?;
        stored.into_iter().map(|at| (at, Ok(true))).collect()
    } else {
        one_by_one(session, shape, items, &whole, strict).await?
    };
    Ok(told(items, read, &stopped, tried))
}

/// The records that items are; nothing where one cannot be written, and would not be newer than what is stored.
async fn read_all(
    session: &PgSession,
    shape: &Shape,
    items: &[Item<Json>],
) -> Result<Vec<Result<Option<ToWrite>>>> {
    let read: Vec<Result<ToWrite>> = items.iter().map(|item| record_of(shape, item)).collect();
    let id_of = |item: &Item<Json>| {
        item.kind
            .record_id()?
            .to_utf8()
            .filter(|id| !id.contains('\0'))
    };
    let failed = items.iter().zip(&read).filter(|(_, read)| read.is_err());
    let ids: Vec<String> = failed.filter_map(|(item, _)| id_of(item)).collect();
    let known = if ids.is_empty() {
        HashMap::new()
    } else {
        rows::stored_times(TAKE_IN, session, shape, ids).await?
    };
    let is_stale = |item: &Item<Json>| {
        let stored = id_of(item).and_then(|id| known.get(&id));
        !wins(&item.hlc, stored)
    };
    let settled = items.iter().zip(read).map(|(item, read)| match read {
        Err(_) if is_stale(item) => Ok(None),
        read => read.map(Some),
    });
    Ok(settled.collect())
}

/// What became of those items that were tried: whether each was stored.
type Tried = HashMap<usize, Result<bool>>;

/// Records, and their places in the page.
type Placed<'r> = Vec<(usize, &'r ToWrite)>;

/// Stores what is newer. No statement has two rows of one id: each id's first comes before its second.
async fn all_at_once(
    session: &PgSession,
    shape: &Shape,
    whole: &[(usize, &ToWrite)],
) -> Result<Vec<usize>> {
    let mut turns: HashMap<&str, usize> = HashMap::new();
    let mut statements: BTreeMap<(usize, &[bool]), Placed<'_>> = BTreeMap::new();
    for (at, record) in whole {
        let turn = turns.entry(&record.id).or_default();
        let group = statements.entry((*turn, &record.has_foreign)).or_default();
        group.push((*at, record));
        *turn += 1;
    }
    let mut stored = Vec::new();
    for mut group in statements.into_values() {
        // All pages lock rows in one order.
        group.sort_unstable_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        let records: Vec<&ToWrite> = group.iter().map(|(_, record)| *record).collect();
        let ids = rows::write(TAKE_IN, session, shape, &records, true).await?;
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let newer = group
            .iter()
            .filter(|(_, record)| ids.contains(record.id.as_str()));
        stored.extend(newer.map(|(at, _)| *at));
    }
    Ok(stored)
}

/// The same, so that one which is refused fails alone.
async fn one_by_one(
    session: &PgSession,
    shape: &Shape,
    items: &[Item<Json>],
    whole: &[(usize, &ToWrite)],
    strict: bool,
) -> Result<Tried> {
    let mut tried = Tried::new();
    let mut stopped: HashSet<&NodeId> = HashSet::new();
    for (at, record) in whole {
        let node = items.get(*at).map(|item| &item.hlc.node_id);
        if strict && node.is_some_and(|node| stopped.contains(node)) {
            continue;
        }
        session.batch(TAKE_IN, "SAVEPOINT item").await?;
        let outcome = match rows::write(TAKE_IN, session, shape, &[record], true).await {
            Ok(ids) => Ok(!ids.is_empty()),
            Err(error) if is_of_one_row(&error) && !session.is_lost() => {
                session.batch(TAKE_IN, "ROLLBACK TO SAVEPOINT item").await?;
                stopped.extend(node);
                Err(error)
            }
            Err(error) => return Err(error),
        };
        session.batch(TAKE_IN, "RELEASE SAVEPOINT item").await?;
        tried.insert(*at, outcome);
    }
    Ok(tried)
}

/// The items that come after one of their node that cannot be written, if order is strict.
fn stopped_by(
    items: &[Item<Json>],
    read: &[Result<Option<ToWrite>>],
    strict: bool,
) -> HashSet<usize> {
    let mut nodes: HashSet<&NodeId> = HashSet::new();
    let mut stopped = HashSet::new();
    for (at, (item, read)) in items.iter().zip(read).enumerate() {
        if strict && nodes.contains(&item.hlc.node_id) {
            stopped.insert(at);
        } else if read.is_err() {
            nodes.insert(&item.hlc.node_id);
        }
    }
    stopped
}

/// Says of each item what became of it.
fn told(
    items: &[Item<Json>],
    read: Vec<Result<Option<ToWrite>>>,
    stopped: &HashSet<usize>,
    mut tried: Tried,
) -> Vec<Taken> {
    let mut behind: HashSet<&NodeId> = HashSet::new();
    let mut outcomes = Vec::with_capacity(items.len());
    for (at, (item, read)) in items.iter().zip(read).enumerate() {
        outcomes.push(match (read, tried.remove(&at)) {
            _ if stopped.contains(&at) => Taken::Behind,
            (Err(error), _) => Taken::Failed(error),
            (Ok(_), Some(Ok(true))) => Taken::Applied,
            (Ok(_), Some(Err(error))) => {
                behind.insert(&item.hlc.node_id);
                Taken::Failed(error)
            }
            (Ok(Some(_)), None) if behind.contains(&item.hlc.node_id) => Taken::Behind,
            (Ok(_), _) => Taken::Stale,
        });
    }
    outcomes
}

/// The record that an item is.
fn record_of(shape: &Shape, item: &Item<Json>) -> Result<ToWrite> {
    let id = record_id(item)?;
    let record = ToWrite::read(TAKE_IN, shape, &item.body)?;
    check_inside((&record.id, &record.updated_at), item, &id)?;
    Ok(record)
}
