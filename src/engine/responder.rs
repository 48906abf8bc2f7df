//! The answering side: take in, then answer what the caller has not seen. It never touches objects.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::protocol::delta::Ask;
use crate::protocol::grant::Grant;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::Seen;
use crate::protocol::message::{Answer, Refusal, Request, Traffic};
use crate::protocol::watermarks::Watermarks;

use super::answer_coverage::{needs_report, nodes_behind, reported};
use super::answer_room::Room;
use super::apply::apply_all;
use super::beside::{Beside, Deed};
use super::granted::Granted;
use super::guards::{hear, late_of};
use super::left_behind::LeftBehind;
use super::memory::Memory;
use super::node_ids::NodeIds;
use super::order_guard::OrderGuard;
use super::outbound::{Gathered, Writers, coverage};
use super::overtaken::{answer_of, brought, overtaken_in, questions};
use super::pair::Planes;
use super::planes::{hear_of_plain, keeps_logs};
use super::ports::{Clock, Log, Side};
use super::resting::{echo, is_scanned};
use super::shipment::{Sendable, gather_sendable};

/// Answers requests over a side's stores. Requests may run [beside](super::beside) each other.
pub struct Responder<S: Side> {
    /// The stores.
    pub side: S,
    /// How far ahead of the system's clock a timestamp may lie, in milliseconds.
    pub max_clock_skew_ms: Option<u64>,
    /// What is known of the stores, for all callers. It is never held while something else is waited for.
    known: Mutex<LeftBehind<S::Body>>,
    /// What runs now.
    pub(super) beside: Arc<Beside>,
    /// What is in memory of the log of the records, and of that of the rows.
    pub(super) memory: Arc<[Memory; 2]>,
    /// Whether the clock has heard of what the stores hold.
    clock_has_heard: Arc<AtomicBool>,
    /// The nodes that items came of.
    pub(super) nodes: Arc<NodeIds>,
}

impl<S: Side> Responder<S> {
    /// A responder over `side`.
    pub fn new(side: S, max_clock_skew_ms: Option<u64>) -> Self {
        Self {
            side,
            max_clock_skew_ms,
            known: Mutex::default(),
            beside: Arc::default(),
            memory: Arc::default(),
            clock_has_heard: Arc::default(),
            nodes: Arc::default(),
        }
    }

    /// The same as one answering side with `other`, which is over the same stores and by the same clock: requests of both
    /// run beside each other by one rule, and what one of them has in memory the other one has.
    #[must_use]
    pub fn as_one_with<T: Side>(self, other: &Responder<T>) -> Self {
        Self {
            beside: Arc::clone(&other.beside),
            memory: Arc::clone(&other.memory),
            clock_has_heard: Arc::clone(&other.clock_has_heard),
            nodes: Arc::clone(&other.nodes),
            ..self
        }
    }

    /// What is remembered, for one statement: what else asks for it meanwhile waits for the end of that.
    pub(super) fn known(&self) -> MutexGuard<'_, LeftBehind<S::Body>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request does that not every other one may do beside it.
    fn deed_of(&self, request: &Request<S::Body>) -> Deed {
        let nodes = request.items.iter().map(|item| &item.hlc.node_id);
        if self.nodes.has_to_ask(nodes) {
            return Deed::Alone;
        }
        let is_logged = request.log.as_ref().is_some_and(|log| log.seen.is_none());
        if is_logged && keeps_logs(&self.side) {
            let record = |item: &Item<S::Body>| match &item.kind {
                ItemKind::Record(id) => Some(id.clone()),
                ItemKind::Row(_) => None,
            };
            return Deed::Brings(request.items.iter().filter_map(record).collect());
        }
        if request.items.is_empty() {
            Deed::Reads
        } else {
            Deed::Alone
        }
    }

    /// Answers one request of a caller that gets the items as they are.
    ///
    /// # Errors
    /// As [`answer_packed`](Self::answer_packed).
    pub async fn answer(&self, request: Request<S::Body>) -> Result<Answer<S::Body>> {
        self.answer_packed(request, &|_| Ok(1)).await
    }

    /// Answers one request, when those that it may not run [beside](super::beside) are over. `packed` brings an item into the
    /// form in which it travels and returns its size there, in bytes; an item for which it fails is named in
    /// the answer, and its node ends before it.
    ///
    /// # Errors
    /// What the stores failed with while saying what they hold, if that decides what may be taken in.
    /// What they failed with while gathering; a table that could not be scanned would otherwise be
    /// passed by the caller's watermarks. Also the error of the first item that could not be
    /// taken in, if this side cannot report its coverage: without the report the caller would take
    /// the item for acknowledged.
    pub async fn answer_packed(
        &self,
        mut request: Request<S::Body>,
        packed: &impl Fn(&mut Item<S::Body>) -> Result<usize>,
    ) -> Result<Answer<S::Body>> {
        let _running = match self.deed_of(&request) {
            Deed::Brings(_) if request.items.is_empty() => None,
            deed => Some(self.beside.begin(deed).await),
        };
        let grant = Arc::clone(&request.grant);
        let side = &Granted::new(&self.side, &grant, &request.items).await;
        match request.log.take().filter(|_| keeps_logs(&self.side)) {
            Some(asked) if asked.seen.is_none() => {
                self.clock_hears().await;
                self.answer_logged(side, request, *asked, packed).await
            }
            asked => {
                let seen = asked.and_then(|asked| asked.seen).unwrap_or_default();
                self.answer_by_watermarks(side, request, &seen, packed)
                    .await
            }
        }
    }

    async fn answer_by_watermarks(
        &self,
        side: &Granted<'_, S>,
        request: Request<S::Body>,
        seen: &Seen,
        packed: &impl Fn(&mut Item<S::Body>) -> Result<usize>,
    ) -> Result<Answer<S::Body>> {
        let room = Room::of(&request);
        let lost = nodes_behind(side, &request.shipped_after).await?;
        let loses = !lost.is_empty();
        let pass = self.pass_for(&request);
        let mut guard = OrderGuard::of_responder(lost);
        let rules = (self.max_clock_skew_ms, &*self.nodes);
        let arrivals = apply_all(side, request.items, rules, &mut guard).await;
        let coverage = reported(side, &request.shipped_after, &arrivals).await;
        self.clock_hears_of(side.grant, coverage.as_ref()).await;
        late_of(&self.side, (u64::MAX, u64::MAX));
        let taken_in = self.known().note_taken_in(&arrivals);
        let refused = room.cut(self.refused(&arrivals));
        if coverage.is_none()
            && let Some(error) = needs_report(&arrivals, loses)
        {
            return Err(error);
        }
        let told = if keeps_logs(&self.side) {
            hear_of_plain(side).await?;
            let views = self.look(side, questions(seen), Planes::default()).await?;
            let brought = brought(&arrivals, &Watermarks::default());
            Some(overtaken_in(&views, (&request.watermarks, seen), brought))
        } else {
            None
        };
        let ask = Ask {
            seen: request.watermarks,
            limit: request.limit,
            ..Ask::default()
        };
        let again = told.as_ref().map(|told| &told.again);
        let most = room.for_items(&[coverage.as_ref(), again]);
        let known = pass.and_then(|began_ms| echo(&arrivals, &ask, began_ms));
        let (page, withheld) = self.page(side, &ask, (packed, most), known).await?;
        Ok(Answer {
            items: page.items,
            has_more: page.more,
            coverage,
            refused,
            withheld: room.cut(withheld),
            log: told.map(answer_of),
            taken_in,
            traffic: Traffic::default(),
        })
    }

    pub(super) fn has_clock_heard(&self) -> bool {
        self.clock_has_heard.load(Ordering::Relaxed)
    }

    /// The clock hears of what an answer by watermarks reports, or of everything, whatever of it this caller is shown.
    async fn clock_hears_of(&self, grant: &Grant, reported: Option<&Watermarks>) {
        if grant.apps.is_some() {
            self.clock_hears().await;
        } else if let Some(held) = reported
            && !self.clock_has_heard.swap(true, Ordering::Relaxed)
        {
            hear(&self.side, [held].into_iter(), self.max_clock_skew_ms).await;
        }
    }

    /// Before the first answer by logs the clock hears of what the stores hold.
    async fn clock_hears(&self) {
        if self.has_clock_heard() {
            return;
        }
        match coverage(&self.side).await {
            Ok(held) => {
                self.clock_has_heard.store(true, Ordering::Relaxed);
                hear(&self.side, held.iter(), self.max_clock_skew_ms).await;
            }
            Err(error) => {
                let message =
                    "getNodeWatermarks failed; the next answer asks again what is held here";
                self.side.log().warn(message, Some(&error));
            }
        }
    }

    /// When the pass began that shows nothing for this caller but what it brings.
    fn pass_for(&self, request: &Request<S::Body>) -> Option<u64> {
        let ask = Ask {
            seen: request.watermarks.clone(),
            ..Ask::default()
        };
        let may_rest = request.goes_on && request.grant.is_whole() && is_scanned(&self.side);
        let now_ms = self.side.clock().app_ms();
        let known = self.known();
        let pass = || known.backlog.pass.shows_nothing_for(&ask, now_ms);
        may_rest.then(pass).flatten()
    }

    async fn page(
        &self,
        side: &Granted<'_, S>,
        ask: &Ask,
        packing: (&impl Fn(&mut Item<S::Body>) -> Result<usize>, usize),
        page: Option<Gathered<S::Body>>,
    ) -> Result<(Gathered<S::Body>, Vec<Refusal>)> {
        let (mut backlog, forgotten, there) = {
            let mut known = self.known();
            let backlog = std::mem::take(&mut known.backlog);
            (backlog, known.forgotten, known.there.clone())
        };
        let writers = Writers::Anyone(Some(&there));
        let found = gather_sendable(side, ask, (&mut backlog, writers), packing, page).await;
        {
            let mut known = self.known();
            if known.forgotten == forgotten {
                known.backlog = backlog;
            }
        }
        let Sendable { mut page, withheld } = found?;
        if let Some(error) = page.blind.take() {
            return Err(error);
        }
        self.known().there.merge(&page.met);
        let mut named = Vec::new();
        for (refusal, error) in withheld {
            self.warn_once(&refusal, "cannot be sent to a caller", Some(&error));
            named.push(refusal);
        }
        let met = std::mem::take(&mut page.unorderable);
        named.extend(self.unordered(side.grant, met).await);
        Ok((page, named))
    }
}
