//! What of a gathered page may go into one message.
//!
//! An item that cannot travel keeps its place and stops its node there; everything else goes on. Items with one
//! timestamp are never parted, here as on the page itself.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::{Ask, Backlog, ContiguousPrefix, Selection};
use crate::protocol::hlc::NodeId;
use crate::protocol::item::Item;
use crate::protocol::message::Refusal;
use crate::protocol::text::Text;

use super::held::refusal;
use super::outbound::{Gathered, Writers, gather};
use super::ports::Side;

/// Brings the items into the form in which they travel, and returns the weight of each. One that cannot travel
/// says why in its `fault`.
pub fn pack<B>(items: &mut [Item<B>], pack: impl Fn(&mut Item<B>) -> Result<usize>) -> Vec<usize> {
    let weigh = |item: &mut Item<B>| {
        if item.fault.is_some() {
            return 0;
        }
        pack(item).unwrap_or_else(|error| {
            item.fault = Some(error);
            0
        })
    };
    items.iter_mut().map(weigh).collect()
}

/// How many items of the beginning weigh at most `most`; at least those of the first timestamp.
pub fn fitting<B>(items: &[Item<B>], weights: &[usize], most: usize) -> usize {
    let mut fits = 0;
    let mut total = 0usize;
    for group in items.chunk_by(|a, b| a.hlc == b.hlc) {
        let end = fits + group.len();
        total = total.saturating_add(weight_of(weights, fits..end));
        if fits > 0 && total > most {
            break;
        }
        fits = end;
    }
    fits
}

fn weight_of(weights: &[usize], range: std::ops::Range<usize>) -> usize {
    weights.get(range).unwrap_or_default().iter().sum()
}

/// Why items with one timestamp cannot travel: together they are larger than `limit`.
pub fn oversized(count: usize, limit: &str) -> Error {
    let what = if count == 1 {
        "it is".to_owned()
    } else {
        format!(
            "it is one of {count} items with one timestamp, which are not parted and are together"
        )
    };
    Error::new(
        ErrorKind::ItemTooLarge,
        "exchange",
        format!("{what} larger than {limit}; raise that limit, or keep large content in a file"),
    )
}

/// A page of an answer.
#[derive(Debug)]
pub struct Sendable<B> {
    /// The page, without what cannot be sent.
    pub page: Gathered<B>,
    /// What cannot be sent, the first item of each node, and why.
    pub withheld: Vec<(Refusal, Error)>,
}

/// The page that `ask` wants from `side`, with at most `most` bytes of items. A node is left out from its first
/// item on that cannot be sent; the page is filled with what other nodes wrote. If the page is `known`, the side is not
/// read for it.
pub async fn gather_sendable<S: Side>(
    side: &S,
    ask: &Ask,
    (backlog, writers): (&mut Backlog<Text>, Writers<'_>),
    (packed, most): (&impl Fn(&mut Item<S::Body>) -> Result<usize>, usize),
    mut known: Option<Gathered<S::Body>>,
) -> Result<Sendable<S::Body>> {
    let mut ask = ask.clone();
    let mut before_stops = Vec::new();
    let mut withheld = Vec::new();
    loop {
        let mut page = match known.take() {
            Some(page) => page,
            None => gather(side, &ask, backlog, writers).await?,
        };
        let weights = pack(&mut page.items, packed);
        let faults = faults_of(&mut page.items, &weights, most);
        if !faults.gaps().is_empty() {
            let stopped: HashSet<NodeId> = faults.gaps().keys().cloned().collect();
            for (item, weight) in page.items.into_iter().zip(weights) {
                if faults.is_before_gap(&item.hlc) {
                    if stopped.contains(&item.hlc.node_id) {
                        before_stops.push((item, weight));
                    }
                } else if faults.gaps().get(&item.hlc.node_id) == Some(&item.hlc)
                    && let Some(error) = &item.fault
                {
                    let named = refusal(&item, error);
                    // One of those that share a timestamp speaks for all of them.
                    if withheld
                        .iter()
                        .all(|(other, _): &(Refusal, Error)| other.hlc != named.hlc)
                    {
                        withheld.push((named, error.clone()));
                    }
                }
            }
            ask.skip.extend(stopped);
            continue;
        }
        let mut weights = weights;
        if !before_stops.is_empty() {
            let rest = std::mem::take(&mut page.items).into_iter().zip(weights);
            let (items, left_out) = joined(ask.limit, before_stops.into_iter().chain(rest));
            (page.items, weights) = items.into_iter().unzip();
            page.more |= left_out;
        }
        let fits = fitting(&page.items, &weights, most);
        page.more |= fits < page.items.len();
        page.items.truncate(fits);
        return Ok(Sendable { page, withheld });
    }
}

/// Of each node the first timestamp with an item that cannot be sent. Those that are too large get their fault.
fn faults_of<B>(items: &mut [Item<B>], weights: &[usize], most: usize) -> ContiguousPrefix {
    let mut faults = ContiguousPrefix::default();
    let mut from = 0;
    for group in items.chunk_by_mut(|a, b| a.hlc == b.hlc) {
        let weight = weight_of(weights, from..from + group.len());
        from += group.len();
        if weight > most {
            let error = oversized(
                group.len(),
                &format!("the {most} bytes that the caller takes"),
            );
            for item in group.iter_mut() {
                item.fault.get_or_insert_with(|| error.clone());
            }
        }
        for item in group.iter().filter(|item| item.fault.is_some()) {
            faults.gap(&item.hlc);
        }
    }
    faults
}

/// The `limit` smallest of these items, each with its weight, and whether any were left out.
fn joined<B>(
    limit: usize,
    items: impl Iterator<Item = (Item<B>, usize)>,
) -> (Vec<(Item<B>, usize)>, bool) {
    let mut page = Selection::new(limit);
    for (item, weight) in items {
        page.offer(item.hlc.clone(), (item, weight));
    }
    let (items, left_out) = page.finish().into_items();
    (items.into_iter().map(|(_, item)| item).collect(), left_out)
}
