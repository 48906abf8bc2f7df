//! What the other side has not seen, found by index.
//!
//! The usual rows are read per node in text order, which is their order as long as every time has the same
//! digits. The few others are in an index of their own and are all looked at.
//! Either way the timestamps are compared as numbers before anything counts. The page is chosen by times
//! and keys alone; only what is on it is read as a whole, within the same view of the database.

use rusqlite::types::Null;
use rusqlite::{Connection, OptionalExtension, Row, Rows, params, params_from_iter};

use super::fault::during;
use super::indexes::ByTime;
use super::malformed::Raw;
use crate::error::Result;
use crate::protocol::delta::{Ask, Selection};
use crate::protocol::hlc::{Hlc, NodeId, text_ceiling, text_floor};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// What is looked for.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// What an asker has not seen.
    Unseen(Ask),
    /// Everything after a timestamp, of all nodes, at most this many rows.
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
/// of each row on it, given its key, what the caller is after.
pub(super) fn page<T>(
    operation: &'static str,
    connection: &Connection,
    sql: &ByTime,
    wanted: &Wanted,
    read: impl Fn(Hlc, &[Raw], &Row<'_>) -> rusqlite::Result<T>,
) -> Result<(Vec<T>, bool)> {
    let find = || {
        let view = connection.unchecked_transaction()?;
        let (chosen, more) = choose(&view, sql, wanted)?;
        let mut statement = view.prepare_cached(&sql.by_key)?;
        let mut items = Vec::with_capacity(chosen.len());
        for (hlc, key) in chosen {
            items.push(statement.query_row(params_from_iter(&key), |row| read(hlc, &key, row))?);
        }
        Ok((items, more))
    };
    find().map_err(during(operation))
}

/// At most `limit` rows whose time is none, and which are therefore on no page. Where there are none, only
/// the few rows of the second index are looked at, and each node once.
pub(super) fn unorderable<T>(
    operation: &'static str,
    connection: &Connection,
    sql: &ByTime,
    limit: usize,
    read: impl Fn(&[Raw], &Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let find = || {
        let view = connection.unchecked_transaction()?;
        let mut keys = Vec::new();
        let mut collect = |mut rows: Rows<'_>| {
            while let Some(row) = rows.next()? {
                if keys.len() == limit {
                    break;
                }
                if time(row)?.is_none() {
                    keys.push(key(sql, row)?);
                }
            }
            Ok(())
        };
        collect(view.prepare_cached(&sql.odd_rows)?.query([])?)?;
        collect(view.prepare_cached(&sql.timeless_rows)?.query([Null])?)?;
        // Where the node is no text, neither is the time that it is a part of.
        let mut since = view.prepare_cached(&sql.node_since)?;
        for_each_node(&view, sql, |node| match node.text() {
            Some(_) => Ok(()),
            None => collect(since.query(params![node, ""])?),
        })?;
        let mut statement = view.prepare_cached(&sql.by_key)?;
        keys.iter()
            .map(|key| statement.query_row(params_from_iter(key), |row| read(key, row)))
            .collect::<rusqlite::Result<_>>()
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
            if let Some(hlc) = first_time(newest.query([node])?, |_| true)? {
                marks.advance(&hlc);
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

/// The greatest timestamp of a node among the rows with a usual time.
pub(super) fn newest_of(
    operation: &'static str,
    connection: &Connection,
    sql: &ByTime,
    node: &NodeId,
) -> Result<Option<Hlc>> {
    let read = || {
        let mut newest = connection.prepare_cached(&sql.newest_of_node)?;
        first_time(newest.query([node.to_string()])?, |_| true)
    };
    read().map_err(during(operation))
}

/// Per node of `marks` the greatest timestamp of all rows that is not later than its entry.
pub(super) fn newest_upto(
    operation: &'static str,
    connection: &Connection,
    sql: &ByTime,
    marks: &Watermarks,
) -> Result<Watermarks> {
    let read = || {
        let view = connection.unchecked_transaction()?;
        let mut found = Watermarks::default();
        let mut newest = view.prepare_cached(&sql.newest_upto)?;
        for (node, mark) in marks.iter() {
            let ceiling = text_ceiling(mark);
            let rows = newest.query(params![node.to_string(), ceiling])?;
            if let Some(hlc) = first_time(rows, |hlc| marks.covers(hlc))? {
                found.advance(&hlc);
            }
        }
        let mut odd = view.prepare_cached(&sql.odd_rows)?;
        let mut rows = odd.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(hlc) = time(row)?.filter(|hlc| marks.covers(hlc)) {
                found.advance(&hlc);
            }
        }
        Ok(found)
    };
    read().map_err(during(operation))
}

fn first_time(mut rows: Rows<'_>, wanted: impl Fn(&Hlc) -> bool) -> rusqlite::Result<Option<Hlc>> {
    while let Some(row) = rows.next()? {
        if let Some(hlc) = time(row)?.filter(|hlc| wanted(hlc)) {
            return Ok(Some(hlc));
        }
    }
    Ok(None)
}

/// Timestamps and keys, and whether there are more.
type Chosen = (Vec<(Hlc, Vec<Raw>)>, bool);

fn choose(view: &Connection, sql: &ByTime, wanted: &Wanted) -> rusqlite::Result<Chosen> {
    let mut page = Selection::new(wanted.limit());
    let mut since = view.prepare_cached(&sql.node_since)?;
    for_each_node(view, sql, |node| {
        let floor = node.text().and_then(|node| wanted.floor(&Text::from(node)));
        let Some(floor) = floor else {
            return Ok(());
        };
        let mut rows = since.query(params![node, floor])?;
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
    Ok(page.finish().into_items())
}

/// Visits every node once, by jumping from each to the next in the index.
fn for_each_node(
    view: &Connection,
    sql: &ByTime,
    mut visit: impl FnMut(&Raw) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut next = view.prepare_cached(&sql.next_node)?;
    let mut node = view
        .prepare_cached(&sql.first_node)?
        .query_row([], |row| Raw::read(row, 0))
        .optional()?;
    while let Some(current) = node {
        visit(&current)?;
        node = next
            .query_row([current], |row| Raw::read(row, 0))
            .optional()?;
    }
    Ok(())
}

fn key(sql: &ByTime, row: &Row<'_>) -> rusqlite::Result<Vec<Raw>> {
    (1..=sql.key_columns).map(|at| Raw::read(row, at)).collect()
}

/// The timestamp that a row begins with. One that is none belongs to no node and has no place in the order.
fn time(row: &Row<'_>) -> rusqlite::Result<Option<Hlc>> {
    Ok(Raw::read(row, 0)?.time())
}
