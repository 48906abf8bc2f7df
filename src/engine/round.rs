//! The caller's round.
//!
//! Read the watermarks, gather a page of what the peer lacks, bring its objects over, exchange, take in
//! what came, fetch its objects, persist how far both sides got. How far that is, is decided in
//! [`Sweep::learn`]; the round only does things.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::Runs;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::message::{Answer, DEFAULT_PAGE_LIMIT, Refusal, Request};
use crate::protocol::watermarks::Watermarks;

use super::blobs::{How, transfer_all};
use super::held::{Direction, Held};
use super::inbound::{Inbound, first_held};
use super::intake::{Arrival, Line, Outcome, take_in, warn_of_failed_rows};
use super::outbound::{Gathered, Writers, gather, unorderable};
use super::ports::{Blobs, Events, Exchange, Side, State};
use super::shipment::{fitting, oversized, pack};
use super::sweep::{Known, Learned, Sweep};

/// How far ahead a timestamp may lie where nobody says otherwise: 24 hours, in milliseconds.
pub const DEFAULT_MAX_CLOCK_SKEW_MS: u64 = 24 * 60 * 60 * 1000;

/// How many objects are on their way at one time where nobody says otherwise.
pub const DEFAULT_BLOB_CONCURRENCY: usize = 8;

/// What an engine may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Items in a page, of either direction.
    pub page_limit: usize,
    /// Objects on their way at one time.
    pub blob_concurrency: usize,
    /// Whether the bytes of objects are checked against the hashes that their items name.
    pub verify_content_hash: bool,
    /// Whether an item that could not be applied stops its node until it lands; for a node that others
    /// pull from.
    pub strict_order: bool,
    /// How far ahead of the system's clock a timestamp may lie, in milliseconds.
    pub max_clock_skew_ms: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_limit: DEFAULT_PAGE_LIMIT,
            blob_concurrency: DEFAULT_BLOB_CONCURRENCY,
            verify_content_hash: false,
            strict_order: false,
            max_clock_skew_ms: Some(DEFAULT_MAX_CLOCK_SKEW_MS),
        }
    }
}

/// What a round did.
#[derive(Debug)]
pub struct Report<B> {
    /// Shared records that are new here, with their objects.
    pub applied: usize,
    /// Items sent, without those that the peer says it did not take in.
    pub shipped: usize,
    /// Whether another round has something to do at once.
    pub has_more: bool,
    /// What is held in this sweep, the first item of each node and direction.
    pub held: Vec<Held<B>>,
}

impl<B> Report<B> {
    /// Whether the round brought anything over, as far as it says.
    fn has_work(&self) -> bool {
        self.applied > 0 || self.shipped > 0
    }
}

/// At most this many rounds follow on trying again what is held, as long as they bring nothing over.
const MOST_RETRIES: usize = 1000;

/// What trying again what is held on its way in came to.
struct Retried {
    /// Shared records that are new here, with their objects.
    applied: usize,
    /// Whether another round has something to do.
    begins_again: bool,
}

/// A caller: its side, its peer, and what it remembers.
pub struct Engine<S: Side, O, X, T, E> {
    /// The own stores.
    pub side: S,
    /// The own objects.
    pub local: O,
    /// The objects of the other side.
    pub remote: O,
    /// The way to the other side.
    pub peer: X,
    /// What is persisted; without it every sweep begins at nothing.
    pub state: Option<T>,
    /// Who hears of what was applied.
    pub events: E,
    /// See [`Options`].
    pub options: Options,
    /// See [`Sweep`].
    pub sweep: RefCell<Sweep<S::Body>>,
}

/// A page on its way out: what may go, and what stopped each node that may not go on.
struct Outbound<B> {
    shipped: Vec<Item<B>>,
    runs: Runs,
    held: Vec<Held<B>>,
}

/// A page that went out, without its items, and the one that came back.
struct Sent<B> {
    page: Gathered<B>,
    refused: HashSet<NodeId>,
    horizon: Option<Hlc>,
    outbound: Outbound<B>,
    advertised: Watermarks,
    shipped_after: Watermarks,
    answer: Answer<B>,
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// One round. Rounds of one engine do not overlap; the caller sees to that.
    ///
    /// # Errors
    /// What the stores, the state or the peer failed with: no watermark moved then, and the sweep stands
    /// where it stood. Also the error of a record that could not be stored, if nothing at all was taken
    /// in; the round is complete then, and the record is held.
    pub async fn round(&self) -> Result<Report<S::Body>> {
        let mut sweep = self.sweep.take();
        let result = self.round_in(&mut sweep).await;
        self.sweep.replace(sweep);
        result
    }

    /// A round that has nothing to do, while something is held that it did not try, tries that: an app that stops
    /// at a round without work has stopped after everything was tried in that round.
    async fn round_in(&self, sweep: &mut Sweep<S::Body>) -> Result<Report<S::Body>> {
        let has_untried = sweep.has_untried();
        let (mut report, mut fatal) = self.round_of(sweep).await?;
        if has_untried && fatal.is_none() && !report.has_more && !report.has_work() {
            let retried = self.retry_held(sweep).await?;
            for _ in 0..MOST_RETRIES {
                if !retried.begins_again {
                    break;
                }
                (report, fatal) = self.round_of(sweep).await?;
                if fatal.is_some() || !report.has_more || report.has_work() {
                    break;
                }
            }
            report.applied += retried.applied;
        }
        if !report.has_more {
            sweep.end();
        }
        fatal.map_or(Ok(report), Err)
    }

    /// Tries again what is held on its way in: the items themselves, which are at hand, so that the peer need not
    /// send what follows them again. What is held on its way out goes with a round.
    async fn retry_held(&self, sweep: &mut Sweep<S::Body>) -> Result<Retried> {
        let items: Vec<_> = sweep
            .held
            .iter()
            .filter(|held| held.direction == Direction::Inbound)
            .filter_map(Held::item)
            .collect();
        let mut line = Line::of_caller(self.options.strict_order, HashSet::new());
        let skew = self.options.max_clock_skew_ms;
        let arrivals = take_in(&self.side, items, skew, &mut line).await;
        let inbound = self.fetch(arrivals).await;
        self.announce(&inbound).await?;
        let applied = inbound.applied();
        if inbound.has_whole() {
            // The watermarks move in a sweep from where they stand.
            sweep.end();
            return Ok(Retried {
                applied,
                begins_again: true,
            });
        }
        Ok(Retried {
            applied,
            begins_again: sweep.try_outbound_again(),
        })
    }

    /// Also returns the error of a record that could not be stored, if nothing at all was taken in.
    async fn round_of(
        &self,
        sweep: &mut Sweep<S::Body>,
    ) -> Result<(Report<S::Body>, Option<Error>)> {
        let (own, peer) = self.read_state().await?;
        self.note_unorderable(sweep).await;
        let Sent {
            page,
            refused,
            horizon,
            outbound,
            advertised,
            shipped_after,
            answer,
        } = self.send(sweep, &own, &peer).await?;
        sweep.begun = true;
        let news = answer
            .items
            .iter()
            .any(|item| !advertised.covers(&item.hlc));

        let mut line = Line::of_caller(self.options.strict_order, sweep.gapped.clone());
        let skew = self.options.max_clock_skew_ms;
        let arrivals = take_in(&self.side, answer.items, skew, &mut line).await;
        warn_of_failed_rows(&self.side, &arrivals);
        let inbound = self.fetch(arrivals).await;

        sweep.superseded.extend(inbound.not_stored());
        sweep.held.extend(outbound.held);
        let not_taken = self.note_refused(sweep, &outbound.shipped, &answer.refused);
        self.note_withheld(sweep, answer.withheld);
        inbound.note_held(sweep, self.side.log());
        let learned = Learned {
            shipped: outbound.runs,
            received: inbound
                .arrivals
                .iter()
                .map(|a| a.item.hlc.clone())
                .collect(),
            taken_in: inbound.runs(),
            gapped: line.into_stopped(),
            coverage: answer.coverage,
            shipped_after,
            horizon,
            more: page.more,
            blind: page.blind.is_some(),
        };
        let Known {
            own: own_after,
            peer: peer_after,
            peer_lost,
        } = sweep.learn(&own, &peer, learned);
        if let Err(error) = self
            .write_state((&own, &own_after), (&peer, &peer_after))
            .await
        {
            sweep.end();
            return Err(error);
        }
        self.announce(&inbound).await?;

        let has_more = page.more || peer_lost || (news && (answer.has_more || !refused.is_empty()));
        if !has_more {
            self.hold_what_the_peer_refused(sweep).await?;
        }
        let report = Report {
            applied: inbound.applied(),
            shipped: outbound.shipped.len() - not_taken,
            has_more,
            held: sweep.held.clone(),
        };
        Ok((report, inbound.fatal()))
    }

    /// What the own stores hold without a valid timestamp is named in every sweep.
    async fn note_unorderable(&self, sweep: &mut Sweep<S::Body>) {
        if !sweep.begun {
            let told = unorderable(&self.side).await;
            sweep.unordered.told(told);
            self.hold_unordered(sweep);
        }
    }

    fn hold_unordered(&self, sweep: &mut Sweep<S::Body>) {
        let items: Vec<_> = sweep.unordered.iter().cloned().collect();
        for item in &items {
            self.hold(sweep, item, "it has no valid timestamp");
        }
    }

    fn hold(&self, sweep: &mut Sweep<S::Body>, item: &Item<S::Body>, what: &str) {
        let malformed = || Error::new(ErrorKind::MalformedItem, "read an item", what);
        let error = item.fault.clone().unwrap_or_else(malformed);
        let held = Held::new(item, Direction::Outbound, error);
        if sweep.hold(held.clone()) {
            held.warn(self.side.log());
        }
    }

    /// What the peer did not take in stops its node here as it did there. Returns how many of the shipped items
    /// are not at the peer because of that.
    fn note_refused(
        &self,
        sweep: &mut Sweep<S::Body>,
        shipped: &[Item<S::Body>],
        refused: &[Refusal],
    ) -> usize {
        let mut runs = Runs::default();
        for refusal in refused {
            let of = |item: &&Item<S::Body>| {
                item.kind == refusal.kind && refusal.hlc.as_ref() == Some(&item.hlc)
            };
            let Some(item) = shipped.iter().find(of) else {
                continue;
            };
            runs.gap(&item.hlc);
            let first = sweep
                .stopped
                .entry(item.hlc.node_id.clone())
                .or_insert_with(|| item.hlc.clone());
            if item.hlc < *first {
                *first = item.hlc.clone();
            }
            let held = Held::refused(item, refusal);
            if sweep.hold(held.clone()) {
                held.warn(self.side.log());
            }
        }
        let not_taken = shipped.iter().filter(|item| !runs.is_before_gap(&item.hlc));
        not_taken.count()
    }

    fn note_withheld(&self, sweep: &mut Sweep<S::Body>, withheld: Vec<Refusal>) {
        for refusal in withheld {
            let held = Held::withheld(refusal);
            if sweep.hold(held.clone()) {
                held.warn(self.side.log());
            }
        }
    }

    /// Sends a page, and gets one. If either is too large for its receiver, the pages become smaller for
    /// the rest of the sweep: how many bytes a receiver takes is not known before.
    async fn send(
        &self,
        sweep: &mut Sweep<S::Body>,
        own: &Watermarks,
        peer: &Watermarks,
    ) -> Result<Sent<S::Body>> {
        loop {
            let (mut page, refused) = self.select(sweep, peer, self.options.page_limit).await?;
            sweep.unordered.met(std::mem::take(&mut page.unorderable));
            self.hold_unordered(sweep);
            let items = self.fit(sweep, &mut page);
            let horizon = items.last().map(|item| item.hlc.clone());
            let outbound = self.bring_over(items).await;
            let advertised = sweep.advertised(own);
            let shipped_after = sweep.floor_of(&outbound.shipped, peer);
            let limit = sweep.answer_limit.unwrap_or(self.options.page_limit);
            let request = Request {
                watermarks: advertised.clone(),
                shipped_after: shipped_after.clone(),
                items: outbound.shipped.clone(),
                limit,
                max_answer_bytes: None,
            };
            let answer = match self.peer.exchange(request).await {
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
            return Ok(Sent {
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

    async fn read_state(&self) -> Result<(Watermarks, Watermarks)> {
        match &self.state {
            Some(state) => Ok((state.watermarks().await?, state.peer_watermarks().await?)),
            None => Ok((Watermarks::default(), Watermarks::default())),
        }
    }

    /// Writes what changed: a quiet round leaves the disk alone.
    async fn write_state(
        &self,
        own: (&Watermarks, &Watermarks),
        peer: (&Watermarks, &Watermarks),
    ) -> Result<()> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        if own.0 != own.1 {
            state.set_watermarks(own.1).await?;
        }
        if peer.0 != peer.1 {
            state.set_peer_watermarks(peer.1).await?;
        }
        Ok(())
    }

    /// The page to offer, and the nodes that are left out of it because the peer has not taken in what
    /// it was sent of them in this sweep. What follows would hide the gap from the peer's own peers.
    ///
    /// A version that lost to a newer one leaves the peer behind too, but only until that newer version
    /// has come in here and replaced ours. So a node counts as refused only while its items still stand.
    async fn select(
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
                shipped.partition(|item| sweep.is_superseded(item));
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

    /// A node that others pull from is one that others write to.
    fn writers(&self) -> Writers<'static> {
        if self.options.strict_order {
            Writers::Anyone(None)
        } else {
            Writers::App
        }
    }

    fn how(&self, stop_nodes: bool) -> How {
        How {
            window: self.options.blob_concurrency,
            stop_nodes,
            verify: self.options.verify_content_hash,
        }
    }

    /// Brings the objects of a page to the other side. Per node, what may be shipped ends before the
    /// first item whose object is not there.
    async fn bring_over(&self, items: Vec<Item<S::Body>>) -> Outbound<S::Body> {
        let mut runs = Runs::default();
        for item in items.iter().filter(|item| item.fault.is_some()) {
            runs.gap(&item.hlc);
        }
        let may_go = items.iter().filter(|item| runs.is_before_gap(&item.hlc));
        let sent = transfer_all(&self.local, &self.remote, may_go, self.how(true)).await;
        for item in &items {
            let is_there = matches!(sent.of(item), Some(Ok(())));
            runs.note(&item.hlc, item.fault.is_none() && is_there);
        }
        let held = first_held(&items, &runs, self.side.log(), |item| {
            let failed = || sent.of(item).and_then(Result::err);
            item.fault.clone().or_else(failed)
        });
        let shipped = items
            .into_iter()
            .filter(|item| runs.is_before_gap(&item.hlc))
            .collect();
        Outbound {
            shipped,
            runs,
            held,
        }
    }

    /// Fetches the objects of what is here now.
    async fn fetch(&self, arrivals: Vec<Arrival<S::Body>>) -> Inbound<S::Body> {
        let here = arrivals
            .iter()
            .filter(|arrival| arrival.is_here())
            .map(|arrival| &arrival.item);
        let fetched = transfer_all(&self.remote, &self.local, here, self.how(false)).await;
        Inbound { arrivals, fetched }
    }

    async fn announce(&self, inbound: &Inbound<S::Body>) -> Result<()> {
        let ids: Vec<_> = inbound
            .arrivals
            .iter()
            .filter(|arrival| matches!(arrival.outcome, Outcome::Applied))
            .filter_map(|arrival| match &arrival.item.kind {
                ItemKind::Record(id) => Some(id.clone()),
                ItemKind::Row(_) => None,
            })
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.events.records_applied(ids).await
    }

    /// At the end of a sweep, when every newer version has come in: whatever was shipped, still stands
    /// here and is not reported by the peer was refused there.
    async fn hold_what_the_peer_refused(&self, sweep: &mut Sweep<S::Body>) -> Result<()> {
        let Some(ask) = sweep.ask_for_refused(self.options.page_limit) else {
            return Ok(());
        };
        let page = gather(&self.side, &ask, &mut sweep.backlog, self.writers()).await?;
        let mut runs = Runs::default();
        for item in page.items.iter().filter(|item| sweep.looks_refused(item)) {
            runs.gap(&item.hlc);
        }
        let refused = first_held(&page.items, &runs, self.side.log(), |_| {
            Some(Error::new(
                ErrorKind::Sync,
                "exchange",
                "the peer did not take it in and gave no reason; a peer of this version gives one",
            ))
        });
        sweep.held.extend(refused);
        Ok(())
    }
}
