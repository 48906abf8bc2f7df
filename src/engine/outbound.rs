//! Gathering what the other side has not seen: one page over all streams together.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::protocol::delta::{Ask, Backlog, Page};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::ports::{AppRows, Log, Records, Side};

/// A page of unseen items.
#[derive(Debug)]
pub struct Gathered<B> {
    /// In the order of timestamps.
    pub items: Vec<Item<B>>,
    /// Whether unseen items were left out because of the limit.
    pub more: bool,
    /// A table could not be scanned, and nobody knows of which nodes it has rows: any may be missing.
    pub blind: Option<Error>,
}

/// The page that `ask` wants from `side`.
///
/// A table whose scan fails is left out. Where it can say which nodes it is ahead of, those nodes are
/// left out as a whole: their other items would carry a watermark past the rows that were not read.
pub async fn gather<S: Side>(
    side: &S,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
) -> Result<Gathered<S::Body>> {
    let mut ask = ask.clone();
    loop {
        let mut unread = HashSet::new();
        let page = gather_once(side, &ask, backlog, &mut unread).await?;
        if unread.is_empty() {
            return Ok(page);
        }
        ask.skip.extend(unread);
    }
}

async fn gather_once<S: Side>(
    side: &S,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
    unread: &mut HashSet<NodeId>,
) -> Result<Gathered<S::Body>> {
    let mut page = Page::new(ask.limit);
    if let Some(records) = side.records() {
        let coverage = records.coverage().await.unwrap_or_else(|error| {
            side.log().warn("getNodeWatermarks of the records failed; they are scanned", Some(&error));
            None
        });
        if coverage.is_none_or(|coverage| ask.is_behind(&coverage)) {
            records.unseen(ask, backlog, &mut page).await?;
        }
    }
    let mut blind = None;
    if let Some(rows) = side.rows() {
        for table in rows.tables().await? {
            let coverage = table_coverage(side, rows, &table).await;
            let floor = match &coverage {
                Some(coverage) if !ask.is_behind(coverage) => continue,
                Some(coverage) => ask.scan_floor(coverage),
                None => Hlc::zero(),
            };
            let mut rows_page = Page::new(ask.limit);
            match rows.unseen(&table, &floor, ask, &mut rows_page).await {
                Ok(()) => pour(rows_page, &mut page),
                Err(error) => {
                    let message = format!("{}/{} could not be scanned and is left out", table.app, table.name);
                    side.log().warn(&message, Some(&error));
                    match coverage {
                        Some(coverage) => unread.extend(ask.ahead(&coverage).cloned()),
                        None => blind = Some(error),
                    }
                }
            }
        }
    }
    let (items, more) = page.finish();
    let items = items.into_iter().map(|(_, item)| item).collect();
    Ok(Gathered { items, more, blind })
}

async fn table_coverage<S: Side>(side: &S, rows: &S::Rows, table: &Table) -> Option<Watermarks> {
    if !rows.knows_coverage() {
        return None;
    }
    match rows.coverage(table).await {
        Ok(coverage) => Some(coverage),
        Err(error) => {
            let message = format!("getNodeWatermarks of {}/{} failed", table.app, table.name);
            side.log().warn(&message, Some(&error));
            None
        }
    }
}

fn pour<T>(from: Page<T>, into: &mut Page<T>) {
    let (items, more) = from.finish();
    for (hlc, item) in items {
        into.offer(hlc, item);
    }
    if more {
        into.left_out_more();
    }
}

/// Per node the greatest timestamp that `side` holds, over the planes that it carries; `None` where a
/// capability is missing. A table that cannot say only lacks its nodes: the peer then sends what it may
/// have sent before.
pub async fn coverage<S: Side>(side: &S) -> Result<Option<Watermarks>> {
    let mut held = Watermarks::default();
    if let Some(records) = side.records() {
        match records.coverage().await? {
            Some(coverage) => held.merge(&coverage),
            None => return Ok(None),
        }
    }
    if let Some(rows) = side.rows() {
        if !rows.knows_coverage() {
            return Ok(None);
        }
        for table in rows.tables().await? {
            if let Some(coverage) = table_coverage(side, rows, &table).await {
                held.merge(&coverage);
            }
        }
    }
    Ok(Some(held))
}
