//! A page in several transactions, if the server takes no larger ones, and an item by itself, if no part of a transaction can be
//! undone.
//!
//! What is taken in twice comes to the same, so that a page of which only the beginning lasts is sent once more.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::dialect::Dialect;
use super::fault::{code_of, is_of_one_row};
use super::intake::Pace;
use crate::error::{Error, Result};
use crate::protocol::hlc::NodeId;
use crate::protocol::item::Item;
use crate::store::{Json, Later, Taken};

/// The parts of a page, each of which fits a transaction. A page without items has one, too.
pub(super) fn of(items: &[Item<Json>]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, item) in items.iter().enumerate() {
        let size = item.body.len();
        if at > from && (at - from >= Dialect::ROWS || bytes + size > Dialect::BYTES) {
            parts.push(from..at);
            (from, bytes) = (at, 0);
        }
        bytes += size;
    }
    parts.push(from..items.len());
    parts
}

/// Takes a page in by `take`: at once, and row by row if the database refuses one of its rows; in parts if the server takes no
/// whole pages.
pub(super) fn take_page(
    dialect: Dialect,
    (items, strict): (Vec<Item<Json>>, bool),
    take: impl Fn(&Arc<[Item<Json>]>, Pace) -> Later<'static, Vec<Taken>> + Send + Sync + 'static,
) -> Later<'static, Vec<Taken>> {
    if !dialect.takes_whole_pages() {
        let take = move |part: Vec<_>| take(&part.into(), Pace::AtOnce);
        return Box::pin(async move { in_parts(&items, strict, take).await });
    }
    let items: Arc<[Item<Json>]> = items.into();
    let at_once = take(&items, Pace::AtOnce);
    let one_by_one = take(&items, Pace::OneByOne);
    Box::pin(async move {
        match at_once.await {
            Err(error) if is_of_one_row(&error) => one_by_one.await,
            answer => answer,
        }
    })
}

/// Takes a page in by `take`, part by part, and item by item where the database refuses a row of a part. `strict` stops a node
/// at its first item that fails.
pub(super) async fn in_parts(
    items: &[Item<Json>],
    strict: bool,
    take: impl Fn(Vec<Item<Json>>) -> Later<'static, Vec<Taken>> + Send + Sync,
) -> Result<Vec<Taken>> {
    let mut all: Vec<Option<Taken>> = items.iter().map(|_| None).collect();
    let mut stopped: HashSet<&NodeId> = HashSet::new();
    for part in of(items) {
        let is_open = |at: &usize| {
            let node = items.get(*at).map(|item| &item.hlc.node_id);
            !strict || node.is_none_or(|node| !stopped.contains(node))
        };
        let open: Vec<usize> = part.filter(is_open).collect();
        let of_part: Vec<_> = open
            .iter()
            .filter_map(|at| items.get(*at).cloned())
            .collect();
        let taken = match take(of_part.clone()).await {
            Err(error) if is_of_one_row(&error) => one_by_one(&of_part, strict, &take).await?,
            taken => taken?,
        };
        for (at, taken) in open.into_iter().zip(taken) {
            if let (Taken::Failed(_), Some(item)) = (&taken, items.get(at)) {
                stopped.insert(&item.hlc.node_id);
            }
            if let Some(place) = all.get_mut(at) {
                *place = Some(taken);
            }
        }
    }
    let told = all.into_iter().map(|taken| taken.unwrap_or(Taken::Behind));
    Ok(told.collect())
}

async fn one_by_one(
    items: &[Item<Json>],
    strict: bool,
    take: &(impl Fn(Vec<Item<Json>>) -> Later<'static, Vec<Taken>> + Send + Sync),
) -> Result<Vec<Taken>> {
    let mut stopped: HashSet<&NodeId> = HashSet::new();
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let node = &item.hlc.node_id;
        if strict && stopped.contains(node) {
            all.push(Taken::Behind);
            continue;
        }
        let one = || take(vec![item.clone()]);
        let taken = match one().await {
            // Another process may have inserted the row meanwhile.
            Err(error) if is_there_already(&error) => one().await,
            taken => taken,
        };
        all.push(match taken {
            Ok(mut taken) => taken.pop().unwrap_or(Taken::Stale),
            Err(error) if is_of_one_row(&error) => {
                stopped.insert(node);
                Taken::Failed(error)
            }
            Err(error) => return Err(error),
        });
    }
    Ok(all)
}

/// Whether another process may have inserted the row meanwhile.
pub(super) fn is_there_already(error: &Error) -> bool {
    code_of(error).is_some_and(|code| code.code() == "23505")
}
