//! Taking items in: per node in the order of timestamps, records and rows together.
//!
//! How a store takes them in, a page at once or one by one, is decided here, from what it is able to do.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, NodeId, too_far_ahead, wins};
use crate::protocol::item::{Item, ItemKind, Table};
use crate::protocol::log::{Key, Keyed, key_of_record};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::change_log::Look;
use super::node_ids::{NodeIds, one_too_many};
use super::ports::{Added, AppRows, Clock, Log, Order, Outcome, Records, Side};

/// An item on its way in.
#[derive(Debug)]
pub struct Arrival<B> {
    /// The item.
    pub item: Item<B>,
    /// What became of it.
    pub fate: Fate,
    /// The version that it met here, as it was, if that is one that [the other side was not sent](OrderGuard::noting).
    pub met: Option<Item<B>>,
}

/// Where an arrival stands.
#[derive(Debug)]
pub enum Fate {
    /// Nothing was done with it yet.
    Waiting,
    /// The channel does not carry its kind: it is left out, and holds nothing up.
    Dropped,
    /// It was shown to its store, or has to wait behind an item that was.
    Settled(Outcome),
}

impl<B> Arrival<B> {
    /// An item that nothing was done with.
    pub fn new(item: Item<B>) -> Self {
        Self {
            item,
            fate: Fate::Waiting,
            met: None,
        }
    }

    /// Whether it was stored before, or a newer version of it is.
    pub fn is_stale(&self) -> bool {
        matches!(self.fate, Fate::Settled(Outcome::Stale))
    }

    /// Whether the item is new here.
    pub fn is_applied(&self) -> bool {
        matches!(self.fate, Fate::Settled(Outcome::Applied))
    }

    /// Whether the item, or a newer version of it, is stored here.
    pub fn is_here(&self) -> bool {
        matches!(self.fate, Fate::Settled(Outcome::Applied | Outcome::Stale))
    }

    /// Why the item could not be stored, if that was tried.
    pub fn failure(&self) -> Option<&Error> {
        match &self.fate {
            Fate::Settled(Outcome::Failed(error)) => Some(error),
            _ => None,
        }
    }

    fn settle(&mut self, outcome: Outcome, guard: &mut OrderGuard) {
        if matches!(outcome, Outcome::Failed(_)) {
            guard.failed(&self.item.hlc.node_id);
        }
        self.fate = Fate::Settled(outcome);
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.fate, Fate::Waiting)
    }

    pub(super) fn is_record(&self) -> bool {
        matches!(self.item.kind, ItemKind::Record(_))
    }
}

/// Which nodes are stopped, and what stops one.
#[derive(Debug)]
pub struct OrderGuard {
    order: Order,
    known_apps_only: bool,
    stopped: HashSet<NodeId>,
    /// Up to where the other side was sent what is here, if what it was not sent is to be noted where an item meets it.
    sent: Option<Watermarks>,
    /// The records of which that is noted in any case.
    barred: HashSet<Key>,
    /// The versions of records that were read here a moment ago, to be sent.
    went: HashSet<(Hlc, Text)>,
}

impl OrderGuard {
    /// That of a caller: a failure stops its node only if `strict`; `stopped` are stopped already.
    pub fn of_caller(strict: bool, stopped: HashSet<NodeId>) -> Self {
        Self {
            order: if strict { Order::Strict } else { Order::Loose },
            known_apps_only: false,
            stopped,
            sent: None,
            barred: HashSet::new(),
            went: HashSet::new(),
        }
    }

    /// The same, which knows that the records of these items are here: a peer sends them back.
    #[must_use]
    pub fn echoing<B>(mut self, went: &[Item<B>]) -> Self {
        let versions = went.iter().filter_map(version_of);
        self.went = versions
            .map(|(hlc, id)| (hlc.clone(), id.clone()))
            .collect();
        self
    }

    /// The same, which notes of the records that items meet those that the other side was not `sent`, and the `barred`.
    #[must_use]
    pub fn noting(mut self, sent: Watermarks, barred: HashSet<Key>) -> Self {
        self.sent = Some(sent);
        self.barred = barred;
        self
    }

    /// That of an answering side: others pull from it, so nothing may pass a failure; `stopped` are
    /// stopped already.
    pub fn of_responder(stopped: HashSet<NodeId>) -> Self {
        Self {
            order: Order::Strict,
            known_apps_only: true,
            stopped,
            sent: None,
            barred: HashSet::new(),
            went: HashSet::new(),
        }
    }

    fn holds_back(&self, node: &NodeId) -> bool {
        self.stopped.contains(node)
    }

    /// Whether an item meets a version that the other side was not sent, if there is `stored` one.
    fn meets_unsent<B>(&self, item: &Item<B>, stored: Option<&Hlc>) -> bool {
        let (Some(sent), Some(stored)) = (&self.sent, stored) else {
            return false;
        };
        let is_barred = || key_of_record(item).is_some_and(|key| self.barred.contains(&key));
        *stored != item.hlc && (!sent.covers(stored) || is_barred())
    }

    /// Whether the peer sends back what it was sent just now.
    fn is_echo<B>(&self, item: &Item<B>) -> bool {
        let version = version_of(item).filter(|_| !self.went.is_empty());
        version.is_some_and(|(hlc, id)| self.went.contains(&(hlc.clone(), id.clone())))
    }

    fn failed(&mut self, node: &NodeId) {
        if self.order == Order::Strict {
            self.stopped.insert(node.clone());
        }
    }

    /// The nodes that are stopped now.
    pub fn into_stopped(self) -> HashSet<NodeId> {
        self.stopped
    }
}

/// The version of a record that an item is.
fn version_of<B>(item: &Item<B>) -> Option<(&Hlc, &Text)> {
    item.kind.record_id().map(|id| (&item.hlc, id))
}

/// Takes in records that arrive in the order of timestamps, last writer wins.
pub async fn apply_records<B, R: Records<B>>(
    records: &R,
    run: &mut [Arrival<B>],
    clock: &impl Clock,
    guard: &mut OrderGuard,
) where
    B: Clone,
{
    let pages = records.capabilities().is_ok_and(|able| able.pages);
    if pages {
        let mut free = without_stopped(run, guard);
        note_unsent(records, &mut free, guard).await;
        return apply_page(free, clock, guard, |items, order| {
            records.apply(items, order)
        })
        .await;
    }
    for page in run.chunks_mut(ADDED_AT_ONCE) {
        let Added { stored, end } = add_first(records, page, clock, guard).await;
        let mut known = end;
        for (index, arrival) in page.iter_mut().enumerate() {
            let outcome = if index < stored {
                Outcome::Applied
            } else if guard.holds_back(&arrival.item.hlc.node_id) {
                Outcome::Behind
            } else {
                match apply_record(records, arrival, known.take(), (clock, guard)).await {
                    Ok(true) => Outcome::Applied,
                    Ok(false) => Outcome::Stale,
                    Err(error) => Outcome::Failed(error),
                }
            };
            arrival.settle(outcome, guard);
        }
    }
}

/// At most this many new records are added together. Where one is not new, those that follow are taken in one by one.
const ADDED_AT_ONCE: usize = 64;

/// Adds the first of these that are new here.
async fn add_first<B, R: Records<B>>(
    records: &R,
    page: &[Arrival<B>],
    clock: &impl Clock,
    guard: &OrderGuard,
) -> Added {
    let is_free = |item: &&Item<B>| !guard.holds_back(&item.hlc.node_id) && !guard.is_echo(item);
    let items = page.iter().map(|arrival| &arrival.item);
    let free: Vec<_> = items.take_while(is_free).collect();
    if free.is_empty() {
        return Added::default();
    }
    records.add(&free, clock).await
}

/// Takes in one record, of whose stored version something may be `known`. Returns whether it was new.
async fn apply_record<B, R: Records<B>>(
    records: &R,
    arrival: &mut Arrival<B>,
    known: Option<Result<Option<Hlc>>>,
    (clock, guard): (&impl Clock, &OrderGuard),
) -> Result<bool> {
    let Arrival { item, met, .. } = arrival;
    let ItemKind::Record(id) = &item.kind else {
        return Ok(false);
    };
    if guard.is_echo(item) {
        return Ok(false);
    }
    let stored = match known {
        Some(known) => known?,
        None => records.stored(id).await?,
    };
    if guard.meets_unsent(item, stored.as_ref())
        && let Some(hlc) = &stored
    {
        let found = records.fetch(&[(hlc.clone(), id.clone())]).await?;
        *met = found.into_values().next();
    }
    if !wins(&item.hlc, stored.as_ref()) {
        return Ok(false);
    }
    clock.receive(&item.hlc).await?;
    records.put(item).await?;
    Ok(true)
}

/// The same of a whole page. A store that takes one in at once, and has no log to read from, is not asked.
async fn note_unsent<B: Clone, R: Records<B>>(
    records: &R,
    page: &mut [&mut Arrival<B>],
    guard: &OrderGuard,
) {
    let want: Vec<_> = page
        .iter()
        .filter_map(|arrival| key_of_record(&arrival.item))
        .collect();
    if guard.sent.is_none() || want.is_empty() || !records.has_log() {
        return;
    }
    let look = Look {
        want,
        ..Look::default()
    };
    // What cannot be looked at is not noted, and no reason not to take in the page.
    let found = records.look(look).await.map(|view| view.wanted);
    let found = found.unwrap_or_default().into_iter();
    let mut stored: HashMap<Key, Item<B>> = found.map(|Keyed { key, item }| (key, item)).collect();
    for arrival in page {
        let stored = key_of_record(&arrival.item).and_then(|key| stored.remove(&key));
        let is_unsent = |stored: &Item<B>| guard.meets_unsent(&arrival.item, Some(&stored.hlc));
        arrival.met = stored.filter(is_unsent);
    }
}

/// Takes in rows that arrive in the order of timestamps, last writer wins.
pub async fn apply_rows<B, R: AppRows<B>>(
    rows: &R,
    run: &mut [Arrival<B>],
    clock: &impl Clock,
    guard: &mut OrderGuard,
) where
    B: Clone,
{
    let mut apps = KnownApps::default();
    let pages = rows.capabilities().is_ok_and(|able| able.pages);
    if pages {
        let mut free = Vec::with_capacity(run.len());
        for arrival in run {
            match admit(rows, arrival, guard, &mut apps).await {
                Some(outcome) => arrival.settle(outcome, guard),
                None => free.push(arrival),
            }
        }
        return apply_page(free, clock, guard, |items, order| rows.apply(items, order)).await;
    }
    for arrival in run {
        let outcome = match admit(rows, arrival, guard, &mut apps).await {
            Some(outcome) => outcome,
            None => apply_row(rows, &arrival.item, clock)
                .await
                .unwrap_or_else(Outcome::Failed),
        };
        arrival.settle(outcome, guard);
    }
}

async fn apply_row<B: Clone, R: AppRows<B>>(
    rows: &R,
    item: &Item<B>,
    clock: &impl Clock,
) -> Result<Outcome> {
    clock.receive(&item.hlc).await?;
    if rows.has_log() {
        // What is new here is told apart from what comes late into the log: only the log knows it of a row.
        let taken = rows.take_in(vec![item.clone()], None, None).await;
        return Ok(one_of(taken));
    }
    rows.apply_one(item).await?;
    Ok(Outcome::Applied)
}

/// Which apps are registered, as far as it was asked.
pub(super) type KnownApps = HashMap<Text, Result<bool>>;

/// What becomes of a row that is not shown to its store: it waits behind another, or its app is not registered.
async fn admit<B, R: AppRows<B>>(
    rows: &R,
    arrival: &Arrival<B>,
    guard: &OrderGuard,
    apps: &mut KnownApps,
) -> Option<Outcome> {
    if guard.holds_back(&arrival.item.hlc.node_id) {
        return Some(Outcome::Behind);
    }
    let ItemKind::Row(table) = &arrival.item.kind else {
        return None;
    };
    if !guard.known_apps_only {
        return None;
    }
    admitted(rows, table, apps).await
}

/// What becomes of a row whose app is not registered; `None` if it is.
pub(super) async fn admitted<B, R: AppRows<B>>(
    rows: &R,
    table: &Table,
    apps: &mut KnownApps,
) -> Option<Outcome> {
    if !apps.contains_key(&table.app) {
        let known = rows.knows(&table.app).await;
        apps.insert(table.app.clone(), known);
    }
    match apps.get(&table.app)? {
        Ok(true) => None,
        Ok(false) => Some(Outcome::Failed(Error::new(
            ErrorKind::UnknownApp,
            "apply an app row",
            format!("the app {:?} is not registered on this side", table.app),
        ))),
        Err(error) => Some(Outcome::Failed(error.clone())),
    }
}

/// Those that do not have to wait; the others are settled.
fn without_stopped<'a, B>(
    run: &'a mut [Arrival<B>],
    guard: &mut OrderGuard,
) -> Vec<&'a mut Arrival<B>> {
    let mut free = Vec::with_capacity(run.len());
    for arrival in run {
        if guard.holds_back(&arrival.item.hlc.node_id) {
            arrival.settle(Outcome::Behind, guard);
        } else {
            free.push(arrival);
        }
    }
    free
}

/// Takes items in as one page. If the app's own code threw at the page as a whole, its items are tried one by one:
/// the error may be about one of them.
///
/// The clock hears the greatest timestamp of the page before anything is written: it is past all of them
/// then.
async fn apply_page<B: Clone, F>(
    page: Vec<&mut Arrival<B>>,
    clock: &impl Clock,
    guard: &mut OrderGuard,
    apply: impl Fn(Vec<Item<B>>, Order) -> F,
) where
    F: Future<Output = Result<Vec<Outcome>>>,
{
    let Some(greatest) = page.iter().map(|arrival| &arrival.item.hlc).max() else {
        return;
    };
    let order = guard.order;
    let taken = match clock.receive(greatest).await {
        Ok(()) => {
            let items = page.iter().map(|arrival| arrival.item.clone()).collect();
            apply(items, order).await
        }
        Err(error) => Err(error),
    };
    match taken {
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for arrival in page {
                arrival.settle(outcomes.next().unwrap_or_else(no_outcome), guard);
            }
        }
        Err(error) if error.kind() == ErrorKind::Foreign && page.len() > 1 => {
            let mut stopped: HashSet<NodeId> = HashSet::new();
            for arrival in page {
                let node = arrival.item.hlc.node_id.clone();
                let outcome = if order == Order::Strict && stopped.contains(&node) {
                    Outcome::Behind
                } else {
                    one_of(apply(vec![arrival.item.clone()], order).await)
                };
                if matches!(outcome, Outcome::Failed(_)) {
                    stopped.insert(node);
                }
                arrival.settle(outcome, guard);
            }
        }
        Err(error) => {
            for arrival in page {
                arrival.settle(Outcome::Failed(error.clone()), guard);
            }
        }
    }
}

pub(super) fn no_outcome() -> Outcome {
    Outcome::Failed(Error::new(
        ErrorKind::Internal,
        "take in an item",
        "the store did not say what became of it",
    ))
}

/// What became of the one item that was given to a store.
pub(super) fn one_of(taken: Result<Vec<Outcome>>) -> Outcome {
    match taken {
        Ok(outcomes) => outcomes.into_iter().next().unwrap_or_else(no_outcome),
        Err(error) => Outcome::Failed(error),
    }
}

/// Takes in `items`. Every arrival that comes back has its outcome.
pub async fn apply_all<S: Side>(
    side: &S,
    mut items: Vec<Item<S::Body>>,
    (max_clock_skew_ms, nodes): (Option<u64>, &NodeIds),
    guard: &mut OrderGuard,
) -> Vec<Arrival<S::Body>> {
    items.sort_by(|a, b| a.hlc.cmp(&b.hlc));
    let mut arrivals: Vec<_> = items.into_iter().map(Arrival::new).collect();
    drop_foreign_planes(side, &mut arrivals);
    refuse_what_is_barred(side, &mut arrivals);
    refuse_too_many_nodes(side, nodes, &mut arrivals).await;
    let mut refused = Vec::new();
    if max_clock_skew_ms.is_some() && arrivals.iter().any(Arrival::is_waiting) {
        refused = refuse_the_future(&mut arrivals, side.clock().app_ms(), max_clock_skew_ms);
    }
    let same_store = |a: &Arrival<S::Body>, b: &Arrival<S::Body>| {
        a.is_record() == b.is_record() && a.is_waiting() == b.is_waiting()
    };
    for run in arrivals.chunk_by_mut(same_store) {
        if !run.first().is_some_and(Arrival::is_waiting) {
            continue;
        }
        match (
            run.first().is_some_and(Arrival::is_record),
            side.records(),
            side.rows(),
        ) {
            (true, Some(records), _) => apply_records(records, run, side.clock(), guard).await,
            (false, _, Some(rows)) => apply_rows(rows, run, side.clock(), guard).await,
            _ => run
                .iter_mut()
                .for_each(|arrival| arrival.settle(no_store(), guard)),
        }
    }
    // What a refused node sends after this is later still, so its node is stopped only from here on.
    for node in &refused {
        guard.failed(node);
    }
    arrivals
}

pub(super) fn no_store() -> Outcome {
    Outcome::Failed(Error::new(
        ErrorKind::UnknownApp,
        "take in an app row",
        "this side has no app rows; give it an `appSyncableSource`",
    ))
}

/// What the side bars stands by itself: it is not for its node that it is refused, so nothing waits behind it.
pub(super) fn refuse_what_is_barred<S: Side>(side: &S, arrivals: &mut [Arrival<S::Body>]) {
    for arrival in arrivals.iter_mut().filter(|arrival| arrival.is_waiting()) {
        if let Some(error) = side.bars(&arrival.item) {
            arrival.fate = Fate::Settled(Outcome::Failed(error));
        }
    }
}

/// Items of nodes that are too many are refused as such.
pub(super) async fn refuse_too_many_nodes<S: Side>(
    side: &S,
    nodes: &NodeIds,
    arrivals: &mut [Arrival<S::Body>],
) {
    let waiting = arrivals.iter().filter(|arrival| arrival.is_waiting());
    let of = waiting.map(|arrival| &arrival.item.hlc.node_id);
    let refused = nodes.too_many(side, of).await;
    let is_refused = |arrival: &&mut Arrival<S::Body>| refused.contains(&arrival.item.hlc.node_id);
    for arrival in arrivals.iter_mut().filter(is_refused) {
        let error = one_too_many(&arrival.item.hlc.node_id);
        arrival.fate = Fate::Settled(Outcome::Failed(error));
    }
}

/// A timestamp of the future is refused before anything is written or heard by the clock. It is never
/// brought down to the present: two replicas would then disagree about it.
pub(super) fn refuse_the_future<B>(
    arrivals: &mut [Arrival<B>],
    now_ms: u64,
    max_skew_ms: Option<u64>,
) -> Vec<NodeId> {
    let mut refused = Vec::new();
    for arrival in arrivals.iter_mut().filter(|arrival| arrival.is_waiting()) {
        if too_far_ahead(&arrival.item.hlc, now_ms, max_skew_ms) {
            let message = format!(
                "the timestamp {} of node {:?} lies more than {} ms ahead of this machine's clock; \
                 set that node's clock right, or raise `maxClockSkewMs`",
                arrival.item.hlc.wall_time,
                arrival.item.hlc.node_id,
                max_skew_ms.unwrap_or_default(),
            );
            let error = Error::new(ErrorKind::ClockAhead, "take in an item", message);
            arrival.fate = Fate::Settled(Outcome::Failed(error));
            refused.push(arrival.item.hlc.node_id.clone());
        }
    }
    refused
}

pub(super) fn drop_foreign_planes<S: Side>(side: &S, arrivals: &mut [Arrival<S::Body>]) {
    if side.records().is_some() {
        return;
    }
    let mut dropped = 0usize;
    for arrival in arrivals.iter_mut().filter(|arrival| arrival.is_record()) {
        arrival.fate = Fate::Dropped;
        dropped += 1;
    }
    if dropped > 0 {
        side.log().warn(
            &format!("{dropped} shared records came over a channel that carries none (syncSharedRecords: false); they were dropped"),
            None,
        );
    }
}

/// Says which rows could not be applied: an app need not read what is held.
pub(super) fn warn_of_failed_rows<S: Side>(side: &S, arrivals: &[Arrival<S::Body>]) {
    for arrival in arrivals {
        if let (Some(error), ItemKind::Row(table)) = (arrival.failure(), &arrival.item.kind) {
            side.log().warn(
                &format!(
                    "a row of {table} of node {:?} could not be applied; it is tried again in a later sweep",
                    arrival.item.hlc.node_id
                ),
                Some(error),
            );
        }
    }
}
