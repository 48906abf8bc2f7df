//! What the other side has not seen, found by index.
//!
//! Rows whose time is written as usual are read per node in text order, which is their order as long as
//! every time has the same digits. The few others are in an index of their own and are all looked at.
//! Either way the timestamps are compared as numbers before anything counts. The page is chosen by times
//! and row numbers alone; only what is on it is read as a whole, within the same view of the database.

use std::str;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};

use super::fault::during;
use super::rows::Stored;
use super::schema::Shape;
use crate::error::Result;
use crate::protocol::delta::{Ask, Page};
use crate::protocol::hlc::{Hlc, text_floor};
use crate::protocol::item::{Item, ItemKind, record_blob};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::Json;

/// The page for `ask`, in the order of timestamps, and whether something was left out.
pub(super) fn unseen(
    operation: &'static str,
    connection: &Connection,
    shape: &Shape,
    ask: &Ask,
) -> Result<(Vec<Item<Json>>, bool)> {
    let view = connection
        .unchecked_transaction()
        .map_err(during(operation))?;
    let (chosen, more) = choose(&view, shape, ask).map_err(during(operation))?;
    let mut statement = view
        .prepare_cached(&shape.sql.by_row)
        .map_err(during(operation))?;
    let mut items = Vec::with_capacity(chosen.len());
    for (hlc, row) in chosen {
        let stored = statement
            .query_row([row], |row| Stored::read(shape, row))
            .map_err(during(operation))?;
        items.push(item(shape, hlc, &stored));
    }
    Ok((items, more))
}

/// Per node the greatest timestamp of all rows, deleted ones too.
pub(super) fn watermarks(
    operation: &'static str,
    connection: &Connection,
    shape: &Shape,
) -> Result<Watermarks> {
    let read = || {
        let view = connection.unchecked_transaction()?;
        let mut marks = Watermarks::default();
        let mut newest = view.prepare_cached(&shape.sql.newest_of_node)?;
        for_each_node(&view, shape, |node| {
            let mut rows = newest.query([node])?;
            while let Some(row) = rows.next()? {
                if let Some((hlc, Digits::Usual)) = time(row, 0)? {
                    marks.advance(&hlc);
                    break;
                }
            }
            Ok(())
        })?;
        let mut odd = view.prepare_cached(&shape.sql.odd_rows)?;
        let mut rows = odd.query([])?;
        while let Some(row) = rows.next()? {
            if let Some((hlc, _)) = time(row, 1)? {
                marks.advance(&hlc);
            }
        }
        Ok(marks)
    };
    read().map_err(during(operation))
}

type Chosen = (Vec<(Hlc, Value)>, bool);

fn choose(view: &Connection, shape: &Shape, ask: &Ask) -> rusqlite::Result<Chosen> {
    let mut page = Page::new(ask.limit);
    let mut since = view.prepare_cached(&shape.sql.node_since)?;
    for_each_node(view, shape, |node| {
        let name = Text::from(node);
        let Some(floor) = text_floor(ask.seen.get(&name)).filter(|_| !ask.skip.contains(&name))
        else {
            return Ok(());
        };
        let mut rows = since.query([node, &floor])?;
        while let Some(row) = rows.next()? {
            match time(row, 1)? {
                Some((hlc, Digits::Usual)) if ask.wants(&hlc) => {
                    if !page.admits(&hlc) {
                        break;
                    }
                    page.offer(hlc, row.get(0)?);
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    let mut odd = view.prepare_cached(&shape.sql.odd_rows)?;
    let mut rows = odd.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((hlc, _)) = time(row, 1)?.filter(|(hlc, _)| ask.wants(hlc)) {
            page.offer(hlc, row.get(0)?);
        }
    }
    Ok(page.finish())
}

/// Visits every node once, by jumping from each to the next in the index.
fn for_each_node(
    view: &Connection,
    shape: &Shape,
    mut visit: impl FnMut(&str) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut next = view.prepare_cached(&shape.sql.next_node)?;
    let mut node: Option<String> = view
        .prepare_cached(&shape.sql.first_node)?
        .query_row([], |row| row.get(0))
        .optional()?;
    while let Some(current) = node {
        visit(&current)?;
        node = next.query_row([current], |row| row.get(0)).optional()?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digits {
    Usual,
    Odd,
}

/// The timestamp in a column. One that is none belongs to no node and is never exchanged.
fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<(Hlc, Digits)>> {
    let Some(text) = row
        .get_ref(column)?
        .as_bytes()
        .ok()
        .and_then(|text| str::from_utf8(text).ok())
    else {
        return Ok(None);
    };
    let digits = if is_usual(text.as_bytes()) {
        Digits::Usual
    } else {
        Digits::Odd
    };
    Ok(Hlc::parse(text).ok().map(|hlc| (hlc, digits)))
}

/// The opposite of what the index of odd times asks for.
fn is_usual(text: &[u8]) -> bool {
    let digits = |range| {
        text.get::<std::ops::Range<usize>>(range)
            .is_some_and(|digits| {
                digits
                    .iter()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            })
    };
    digits(0..12) && text.get(12) == Some(&b':') && digits(13..17) && text.get(17) == Some(&b':')
}

fn item(shape: &Shape, hlc: Hlc, stored: &Stored) -> Item<Json> {
    let text = |name| stored.text(shape, name).map(Text::from);
    let mime_type = text("mime_type").filter(|mime_type| !mime_type.is_empty());
    let is_deleted = text("deleted_at").is_some();
    Item {
        hlc,
        kind: ItemKind::Record(text("id").unwrap_or_else(|| Text::from(""))),
        blob: record_blob(text("object_storage_key"), is_deleted, mime_type),
        body: stored.json(shape),
    }
}
