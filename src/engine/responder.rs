//! The answering side: take in, then answer what the caller has not seen. It never touches objects.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::protocol::delta::{Ask, ContiguousPrefix, Unorderable};
use crate::protocol::grant::Grant;
use crate::protocol::hlc::NodeId;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::message::{Answer, Refusal, Request, Traffic};
use crate::protocol::watermarks::Watermarks;

use super::apply::apply_all;
use super::arrival::{Arrival, Fate};
use super::beside::{Beside, Deed};
use super::granted::Granted;
use super::guards::{hear, late_of};
use super::held::refusal;
use super::left_behind::LeftBehind;
use super::memory::Memory;
use super::named::Naming;
use super::node_ids::NodeIds;
use super::order_guard::OrderGuard;
use super::outbound::{Gathered, Writers, coverage, unorderable};
use super::overtaken::{answer_of, brought, overtaken_in, questions};
use super::pair::Planes;
use super::planes::{hear_of_plain, keeps_logs};
use super::ports::{Clock, Log, Outcome, Side};
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

/// At most this many nodes are remembered; a hostile caller's are not remembered for ever.
const REMEMBERED: usize = 4096;

/// What has no valid timestamp is looked up again after this long.
const LOOK_AGAIN_MS: u64 = 60_000;

/// Refusals of each kind may take this part of an answer that has a limit.
pub(super) const REFUSALS_SHARE: usize = 8;

/// What an answer has room for besides its items, its version vector and its refusals, in bytes.
pub(super) const FRAME_BYTES: usize = 1024;

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

    /// Whether the logs may be held against the tables once more, which reads all that is there.
    pub(super) fn may_verify(&self, now_ms: u64, after_ms: u64) -> bool {
        let is_due = |at: u64| now_ms < at || now_ms - at >= after_ms;
        let mut known = self.known();
        let may = known.verified_ms.is_none_or(is_due);
        if may {
            known.verified_ms = Some(now_ms);
        }
        may
    }

    fn known(&self) -> MutexGuard<'_, LeftBehind<S::Body>> {
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
        let seen = match request.log.take().filter(|_| keeps_logs(&self.side)) {
            Some(asked) if asked.seen.is_none() => {
                self.clock_hears().await;
                return self.answer_logged(side, request, *asked, packed).await;
            }
            asked => asked.and_then(|asked| asked.seen).unwrap_or_default(),
        };
        let lost = nodes_behind(side, &request.shipped_after).await?;
        let loses = !lost.is_empty();
        let pass = self.pass_for(&request);
        let mut guard = OrderGuard::of_responder(lost);
        let rules = (self.max_clock_skew_ms, &*self.nodes);
        let arrivals = apply_all(side, request.items, rules, &mut guard).await;
        let coverage = match coverage(side).await {
            Ok(coverage) => {
                let before = &request.shipped_after;
                coverage.map(|held| without_failed(held, before, &arrivals))
            }
            Err(error) => {
                self.side.log().warn(
                    "getNodeWatermarks failed; the answer reports no coverage",
                    Some(&error),
                );
                None
            }
        };
        if grant.apps.is_some() {
            // The clock hears of everything, whatever of it this caller is shown.
            self.clock_hears().await;
        } else if let Some(held) = &coverage
            && !self.clock_has_heard.swap(true, Ordering::Relaxed)
        {
            hear(&self.side, [held].into_iter(), self.max_clock_skew_ms).await;
        }
        late_of(&self.side, (u64::MAX, u64::MAX));
        let taken_in = self.note_taken_in(&arrivals);
        let budget = request
            .max_answer_bytes
            .map_or(usize::MAX, |most| most / REFUSALS_SHARE);
        let refused = within(budget, self.refused(&arrivals));
        let brought = brought(&arrivals, &Watermarks::default());
        let failed: Option<Error> = arrivals
            .iter()
            .find_map(|arrival| arrival.failure().cloned())
            .or_else(|| loses.then(not_taken_in));
        if let (Some(error), None) = (failed, &coverage) {
            return Err(error);
        }
        let told = if keeps_logs(&self.side) {
            hear_of_plain(side).await?;
            let views = self.look(side, questions(&seen), Planes::default()).await?;
            let marks = &request.watermarks;
            Some(overtaken_in(&views, (marks, &seen), brought))
        } else {
            None
        };
        let ask = Ask {
            seen: request.watermarks,
            limit: request.limit,
            ..Ask::default()
        };
        let most = request.max_answer_bytes.map_or(usize::MAX, |most| {
            let again = told.as_ref().map(|told| &told.again);
            let watermarks = size_of_watermarks(coverage.as_ref()) + size_of_watermarks(again);
            most.saturating_sub(FRAME_BYTES + watermarks + 2 * budget)
        });
        let known = pass.and_then(|began_ms| echo(&arrivals, &ask, began_ms));
        let (page, withheld) = self.page(side, &ask, (packed, most), known).await?;
        let withheld = within(budget, withheld);
        Ok(Answer {
            items: page.items,
            has_more: page.more,
            coverage,
            refused,
            withheld,
            log: told.map(answer_of),
            taken_in,
            traffic: Traffic::default(),
        })
    }

    pub(super) fn has_clock_heard(&self) -> bool {
        self.clock_has_heard.load(Ordering::Relaxed)
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

    /// What has no valid timestamp: what the stores can name, and what their reading `met`.
    async fn unordered(&self, grant: &Grant, met: Unorderable<Item<S::Body>>) -> Vec<Refusal> {
        let now = self.side.clock().system_ms();
        let is_due = |at: u64| now < at || now - at >= LOOK_AGAIN_MS;
        let looked_at_ms = self.known().looked_at_ms;
        let told = if looked_at_ms.is_none_or(is_due) {
            Some(unorderable(&self.side).await)
        } else {
            None
        };
        let mut faults = Vec::new();
        {
            let mut known = self.known();
            if let Some(told) = told {
                known.unordered.told(told);
                known.looked_at_ms = Some(now);
            }
            known.unordered.met(met);
            let all = known.unordered.iter();
            for item in all.filter(|item| grant.shows_item(item)) {
                faults.extend(
                    item.fault
                        .as_ref()
                        .map(|error| (refusal(item, error), error.clone())),
                );
            }
        }
        for (refusal, error) in &faults {
            self.warn_once(refusal, "cannot be exchanged", Some(error));
        }
        faults.into_iter().map(|(refusal, _)| refusal).collect()
    }

    /// What was not taken in, which this side's log names as well.
    pub(super) fn refused(&self, arrivals: &[Arrival<S::Body>]) -> Vec<Refusal> {
        let mut refused = Vec::new();
        for arrival in arrivals {
            let Some(error) = arrival.failure() else {
                continue;
            };
            let refusal = refusal(&arrival.item, error);
            self.warn_once(&refusal, "of a caller was not taken in", Some(error));
            refused.push(refusal);
        }
        refused.truncate(Refusal::MOST);
        refused
    }

    pub(super) fn warn_once(&self, refusal: &Refusal, what: &str, error: Option<&Error>) {
        let now_ms = self.side.clock().system_ms();
        let hlc = refusal.hlc.as_ref();
        let naming = self.known().named.name(&refusal.kind, hlc, now_ms);
        if naming == Naming::Silent {
            return;
        }
        let of_node = match &refusal.hlc {
            Some(hlc) => format!(" of node {:?}, written at {hlc},", hlc.node_id),
            None => String::new(),
        };
        let others = match naming {
            Naming::Last => "; items after it are not named, for a minute",
            _ => "",
        };
        let message = format!("{}{of_node} {what}{others}", refusal.kind);
        self.side.log().warn(&message, error);
    }

    /// What was taken in is there before anything is gathered; what is new of it is returned. A record that is new belongs among those
    /// that a backlog remembers.
    pub(super) fn note_taken_in(&self, arrivals: &[Arrival<S::Body>]) -> Vec<ItemKind> {
        let mut taken_in = Vec::new();
        let mut known = self.known();
        if known.there.len() > REMEMBERED {
            known.there = Watermarks::default();
        }
        for arrival in arrivals.iter().filter(|arrival| arrival.is_here()) {
            known.there.advance(&arrival.item.hlc);
            known.backlog.pass.took_in(&arrival.item.hlc);
            if matches!(arrival.fate, Fate::Settled(Outcome::Applied)) {
                known.backlog.forget();
                known.forgotten += 1;
                taken_in.push(arrival.item.kind.clone());
            }
        }
        taken_in
    }
}

/// The nodes of which this side holds less than the caller was told before. Something was lost here
/// then, or a newer version of another node has taken the place of what was held; the caller finds
/// out by the answer's coverage, and sends again what follows on that. A side whose stores know no
/// coverage cannot check anything.
async fn nodes_behind<S: Side>(side: &S, shipped_after: &Watermarks) -> Result<HashSet<NodeId>> {
    if shipped_after.is_empty() {
        return Ok(HashSet::new());
    }
    let Some(held) = coverage(side).await? else {
        return Ok(HashSet::new());
    };
    let behind = shipped_after.iter().filter(|(_, hlc)| !held.covers(hlc));
    Ok(behind.map(|(node, _)| node.clone()).collect())
}

/// As many of the refusals as have at most `budget` bytes as text.
pub(super) fn within(budget: usize, refusals: Vec<Refusal>) -> Vec<Refusal> {
    const FRAME: usize = 256;
    const UNIT: usize = 6;
    let mut total = 0usize;
    let size = |refusal: &Refusal| {
        let id = match &refusal.kind {
            ItemKind::Record(id) => id.units().len(),
            ItemKind::Row(table) => table.app.units().len() + table.name.units().len(),
        };
        let node = refusal
            .hlc
            .as_ref()
            .map_or(0, |hlc| hlc.node_id.units().len());
        FRAME + UNIT * (id + node + refusal.code.len() + refusal.reason.len())
    };
    let fits = |refusal: &Refusal| {
        total = total.saturating_add(size(refusal));
        total <= budget
    };
    refusals.into_iter().take_while(fits).collect()
}

/// At most how many bytes a version vector has as text.
fn size_of_watermarks(watermarks: Option<&Watermarks>) -> usize {
    const NUMBERS: usize = 96;
    const UNIT: usize = 6;
    let nodes = watermarks.into_iter().flat_map(Watermarks::iter);
    nodes
        .map(|(node, _)| NUMBERS + 2 * UNIT * node.units().len())
        .sum()
}

fn not_taken_in() -> Error {
    let message = "this side lost what the items follow on, and cannot say what it still holds; \
                   see the warnings of its `getNodeWatermarks`";
    Error::sync("exchange", message)
}

/// What is held, but of no node past an item that could not be taken in: two items may share a timestamp,
/// and the one that is here must not answer for the other. What was there `before` the request still is.
fn without_failed<B>(
    mut held: Watermarks,
    before: &Watermarks,
    arrivals: &[Arrival<B>],
) -> Watermarks {
    let mut runs = ContiguousPrefix::default();
    for arrival in arrivals
        .iter()
        .filter(|arrival| !matches!(arrival.fate, Fate::Dropped))
    {
        runs.note(&arrival.item.hlc, arrival.is_here());
    }
    let reached = runs.unbroken();
    for (node, gap) in runs.gaps() {
        if held.get(node).is_some_and(|hlc| hlc >= gap) {
            let before = before.get(node).filter(|before| *before < gap);
            held.set(node.clone(), reached.get(node).max(before).cloned());
        }
    }
    held
}
