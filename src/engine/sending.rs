//! Sending a page, and getting one.

use std::collections::HashSet;

use crate::error::{ErrorKind, Result};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::Item;
use crate::protocol::log::{LogRequest, Seen};
use crate::protocol::message::{Answer, Request};
use crate::protocol::watermarks::Watermarks;

use super::caller::Engine;
use super::carry::Outbound;
use super::outbound::{Gathered, gather};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::resting::nothing;
use super::shipment::{fitting, oversized, pack};
use super::sweep::Sweep;

/// A page that went out, without its items, and the one that came back.
pub(super) struct Sent<B> {
    /// Nothing of the page went out: what the other side holds must be known before.
    pub(super) only_hears: bool,
    /// When the pass began that spared this round one of its own.
    pub(super) rests: Option<u64>,
    pub(super) page: Gathered<B>,
    pub(super) refused: HashSet<NodeId>,
    pub(super) horizon: Option<Hlc>,
    pub(super) outbound: Outbound<B>,
    pub(super) advertised: Watermarks,
    pub(super) shipped_after: Watermarks,
    pub(super) answer: Answer<B>,
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Sends a page, and gets one. If either is too large for its receiver, the pages become smaller for
    /// the rest of the sweep: how many bytes a receiver takes is not known before.
    pub(super) async fn send(
        &self,
        sweep: &mut Sweep<S::Body>,
        (own, seen): (&Watermarks, &Seen),
        peer: &Watermarks,
        replaces: bool,
    ) -> Result<Sent<S::Body>> {
        loop {
            let rests = self.rests(sweep, peer);
            let (mut page, refused) = match rests {
                Some(_) => (nothing(), HashSet::new()),
                None => self.select(sweep, peer, self.options.page_limit).await?,
            };
            sweep.unordered.met(std::mem::take(&mut page.unorderable));
            self.hold_unordered(sweep);
            let items = self.fit(sweep, &mut page);
            let end = items.last().map(|item| item.hlc.clone());
            let (lost, items): (Vec<_>, Vec<_>) = items
                .into_iter()
                .partition(|item| sweep.superseded.was_known(item));
            let replaces = replaces.then_some(&sweep.not_stored);
            let brought = self.bring_over(items, replaces).await;
            let only_hears = brought.is_none();
            let horizon = end.filter(|_| !only_hears);
            let mut outbound = brought.unwrap_or_default();
            for item in lost.iter().filter(|_| !only_hears) {
                outbound.runs.note(&item.hlc, true);
                sweep.superseded.note_left_out(item);
            }
            let advertised = sweep.advertised(own);
            let shipped_after = sweep.floor_of(&outbound.shipped, peer);
            let limit = sweep.answer_limit.unwrap_or(self.options.page_limit);
            let request = Request {
                watermarks: advertised.clone(),
                shipped_after: shipped_after.clone(),
                items: outbound.shipped.clone(),
                limit,
                goes_on: page.more && !only_hears,
                log: told_of(seen),
                ..Request::default()
            };
            let answer = match self.ask(request).await {
                Err(error) => {
                    let is_smaller = match error.kind() {
                        ErrorKind::TooLarge => self.ship_less(sweep, &outbound.shipped),
                        ErrorKind::AnswerTooLarge => sweep.ask_for_less(limit),
                        _ => false,
                    };
                    if is_smaller {
                        continue;
                    }
                    return Err(error);
                }
                Ok(answer) => answer,
            };
            sweep.peer_has_more = answer.has_more;
            return Ok(Sent {
                only_hears,
                rests,
                page,
                refused,
                horizon,
                outbound,
                advertised,
                shipped_after,
                answer,
            });
        }
    }

    /// The items of a page in the form in which they travel, as many as fit into a request.
    fn fit(&self, sweep: &Sweep<S::Body>, page: &mut Gathered<S::Body>) -> Vec<Item<S::Body>> {
        let mut items = std::mem::take(&mut page.items);
        let weights = pack(&mut items, |item| self.peer.pack(item));
        let fits = fitting(&items, &weights, sweep.most_weight.unwrap_or(usize::MAX));
        page.more |= fits < items.len();
        items.truncate(fits);
        for group in items.chunk_by_mut(|a, b| a.hlc == b.hlc) {
            let count = group.len();
            for item in group
                .iter_mut()
                .filter(|item| sweep.oversized.contains(&item.hlc))
            {
                item.fault
                    .get_or_insert_with(|| oversized(count, "what the peer takes in one message"));
            }
        }
        items
    }

    /// The peer takes less than what was shipped. Returns whether less can be shipped: half of it, or, of items
    /// with one timestamp, nothing.
    fn ship_less(&self, sweep: &mut Sweep<S::Body>, shipped: &[Item<S::Body>]) -> bool {
        let (Some(first), Some(last)) = (shipped.first(), shipped.last()) else {
            return false;
        };
        if first.hlc == last.hlc {
            return sweep.oversized.insert(first.hlc.clone());
        }
        let mut again = shipped.to_vec();
        let weight: usize = pack(&mut again, |item| self.peer.pack(item)).iter().sum();
        sweep.most_weight = Some((weight / 2).max(1));
        true
    }

    /// The page to offer, and the nodes that are left out of it because the peer has not taken in what
    /// it was sent of them in this sweep. What follows would hide the gap from the peer's own peers.
    ///
    /// A version that lost to a newer one leaves the peer behind too, but only until that newer version
    /// has come in here and replaced ours. So a node counts as refused only while its items still stand.
    pub(super) async fn select(
        &self,
        sweep: &mut Sweep<S::Body>,
        peer: &Watermarks,
        limit: usize,
    ) -> Result<(Gathered<S::Body>, HashSet<NodeId>)> {
        let mut ask = sweep.ask(peer, limit);
        let mut refused = HashSet::new();
        loop {
            let page = gather(&self.side, &ask, &mut sweep.backlog, self.writers()).await?;
            let shipped = page
                .items
                .iter()
                .filter(|item| sweep.shipped.covers(&item.hlc));
            let (lost, again): (Vec<_>, Vec<_>) =
                shipped.partition(|item| sweep.superseded.is_known(item));
            if lost.is_empty() && again.is_empty() {
                return Ok((page, refused));
            }
            let again: HashSet<NodeId> = again
                .into_iter()
                .map(|item| item.hlc.node_id.clone())
                .collect();
            for item in lost {
                ask.seen.advance(&item.hlc);
            }
            ask.skip.extend(again.iter().cloned());
            refused.extend(again);
        }
    }
}

/// How far the peer's logs were seen. A peer that has told of none hears nothing of it.
fn told_of(seen: &Seen) -> Option<Box<LogRequest>> {
    let knows_any = seen.records.is_some() || seen.rows.is_some();
    knows_any.then(|| {
        Box::new(LogRequest {
            seen: Some(seen.clone()),
            ..LogRequest::default()
        })
    })
}
