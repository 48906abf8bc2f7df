//! What the other side has not seen, found by index.
//!
//! The usual rows are read per node in text order, which is their order as long as every time has the same
//! digits. The few others are in an index of their own and are all looked at.
//! Either way the timestamps are compared as numbers before anything counts. The page is chosen by times
//! and keys alone; only what is on it is read as a whole, within the same view of the database.

use std::str;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::fault::during;
use super::indexes::ByTime;
use crate::error::Result;
use crate::protocol::delta::{Ask, Page};
use crate::protocol::hlc::{Hlc, text_floor};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// What is looked for.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// What an asker has not seen.
    Unseen(Ask),
    /// Everything after a timestamp, whoever wrote it, at most so many rows.
    After(Hlc, usize),
}

impl Wanted {
    fn limit(&self) -> usize {
        match self {
            Self::Unseen(ask) => ask.limit,
            Self::After(_, limit) => *limit,
        }
    }

    fn has(&self, hlc: &Hlc) -> bool {
        match self {
            Self::Unseen(ask) => ask.wants(hlc),
            Self::After(since, _) => hlc > since,
        }
    }

    /// The text before which no row of `node` is wanted; `None` if none of its rows with a usual time is.
    fn floor(&self, node: &Text) -> Option<String> {
        match self {
            Self::Unseen(ask) if ask.skip.contains(node) => None,
            Self::Unseen(ask) => text_floor(ask.seen.get(node)),
            Self::After(since, _) => text_floor(Some(since)),
        }
    }
}

/// The page that is wanted, in the order of timestamps, and whether something was left out. `read` makes
/// of each row on it what the caller is after.
pub(super) fn page<T>(
    operation: &'static str,
    connection: &Connection,
    sql: &ByTime,
    wanted: &Wanted,
    read: impl Fn(Hlc, &Row<'_>) -> rusqlite::Result<T>,
) -> Result<(Vec<T>, bool)> {
    let find = || {
        let view = connection.unchecked_transaction()?;
        let (chosen, more) = choose(&view, sql, wanted)?;
        let mut statement = view.prepare_cached(&sql.by_key)?;
        let mut items = Vec::with_capacity(chosen.len());
        for (hlc, key) in chosen {
            items.push(statement.query_row(params_from_iter(key), |row| read(hlc, row))?);
        }
        Ok((items, more))
    };
    find().map_err(during(operation))
}

/// Per node the greatest timestamp of all rows, deleted ones too.
pub(super) fn watermarks(
    operation: &'static str,
    connection: &Connection,
    sql: &ByTime,
) -> Result<Watermarks> {
    let read = || {
        let view = connection.unchecked_transaction()?;
        let mut marks = Watermarks::default();
        let mut newest = view.prepare_cached(&sql.newest_of_node)?;
        for_each_node(&view, sql, |node| {
            let mut rows = newest.query([node])?;
            while let Some(row) = rows.next()? {
                if let Some(hlc) = time(row)? {
                    marks.advance(&hlc);
                    break;
                }
            }
            Ok(())
        })?;
        let mut odd = view.prepare_cached(&sql.odd_rows)?;
        let mut rows = odd.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(hlc) = time(row)? {
                marks.advance(&hlc);
            }
        }
        Ok(marks)
    };
    read().map_err(during(operation))
}

/// Timestamps and keys, and whether there are more.
type Chosen = (Vec<(Hlc, Vec<Value>)>, bool);

fn choose(view: &Connection, sql: &ByTime, wanted: &Wanted) -> rusqlite::Result<Chosen> {
    let mut page = Page::new(wanted.limit());
    let mut since = view.prepare_cached(&sql.node_since)?;
    for_each_node(view, sql, |node| {
        let Some(floor) = wanted.floor(&Text::from(node)) else {
            return Ok(());
        };
        let mut rows = since.query([node, &floor])?;
        while let Some(row) = rows.next()? {
            let Some(hlc) = time(row)?.filter(|hlc| wanted.has(hlc)) else {
                continue;
            };
            if !page.admits(&hlc) {
                break;
            }
            page.offer(hlc, key(sql, row)?);
        }
        Ok(())
    })?;
    let mut odd = view.prepare_cached(&sql.odd_rows)?;
    let mut rows = odd.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(hlc) = time(row)?.filter(|hlc| wanted.has(hlc)) {
            page.offer(hlc, key(sql, row)?);
        }
    }
    Ok(page.finish())
}

/// Visits every node once, by jumping from each to the next in the index.
fn for_each_node(
    view: &Connection,
    sql: &ByTime,
    mut visit: impl FnMut(&str) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut next = view.prepare_cached(&sql.next_node)?;
    let mut node: Option<String> = view
        .prepare_cached(&sql.first_node)?
        .query_row([], |row| row.get(0))
        .optional()?;
    while let Some(current) = node {
        visit(&current)?;
        node = next.query_row([current], |row| row.get(0)).optional()?;
    }
    Ok(())
}

fn key(sql: &ByTime, row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
    (1..=sql.key_columns).map(|at| row.get(at)).collect()
}

/// The timestamp that a row begins with. One that is none belongs to no node and is never exchanged.
fn time(row: &Row<'_>) -> rusqlite::Result<Option<Hlc>> {
    let text = row.get_ref(0)?.as_bytes().ok();
    let text = text.and_then(|text| str::from_utf8(text).ok());
    Ok(text.and_then(|text| Hlc::parse(text).ok()))
}
