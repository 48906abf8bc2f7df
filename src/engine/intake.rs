//! Taking items in: one line per node, in the order of timestamps, records and rows together.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{NodeId, too_far_ahead, wins};
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::text::Text;

pub use super::arrival::{Arrival, Line, Outcome};
use super::ports::{AppRows, Clock, Log, Records, Side};

/// Takes records in, each on its own: for a store that knows no pages.
pub async fn take_in_one_by_one<B, R: Records<B> + ?Sized>(
    records: &R,
    run: &mut [Arrival<B>],
    clock: &impl Clock,
    line: &mut Line,
) {
    for arrival in run {
        if line.holds_back(&arrival.item.hlc.node_id) {
            arrival.settle(Outcome::Behind, line);
            continue;
        }
        let outcome = match take_in_record(records, &arrival.item, clock).await {
            Ok(true) => Outcome::Applied,
            Ok(false) => Outcome::Stale,
            Err(error) => Outcome::Failed(error),
        };
        arrival.settle(outcome, line);
    }
}

async fn take_in_record<B, R: Records<B> + ?Sized>(
    records: &R,
    item: &Item<B>,
    clock: &impl Clock,
) -> Result<bool> {
    let ItemKind::Record(id) = &item.kind else {
        return Ok(false);
    };
    let stored = records.stored(id).await?;
    if !wins(&item.hlc, stored.as_ref()) {
        return Ok(false);
    }
    clock.receive(&item.hlc).await?;
    records.put(item).await?;
    Ok(true)
}

/// Applies rows, each on its own: for a store that knows no pages.
pub async fn apply_one_by_one<B, R: AppRows<B> + ?Sized>(
    rows: &R,
    run: &mut [Arrival<B>],
    clock: &impl Clock,
    line: &mut Line,
) {
    for arrival in run {
        if line.holds_back(&arrival.item.hlc.node_id) {
            arrival.settle(Outcome::Behind, line);
            continue;
        }
        let applied = apply_row(rows, &arrival.item, clock, line).await;
        arrival.settle(
            applied.map_or_else(Outcome::Failed, |()| Outcome::Applied),
            line,
        );
    }
}

async fn apply_row<B, R: AppRows<B> + ?Sized>(
    rows: &R,
    item: &Item<B>,
    clock: &impl Clock,
    line: &Line,
) -> Result<()> {
    if let ItemKind::Row(table) = &item.kind
        && line.known_apps_only()
    {
        must_know(rows, &table.app).await?;
    }
    clock.receive(&item.hlc).await?;
    rows.apply(item).await
}

/// Fails where the app is not registered.
///
/// # Errors
/// `UnknownApp`, or what the store fails with.
pub async fn must_know<B, R: AppRows<B> + ?Sized>(rows: &R, app: &Text) -> Result<()> {
    if rows.knows(app).await? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::UnknownApp,
        "apply an app row",
        format!("the app {app:?} is not registered on this side"),
    ))
}

/// Takes items in as one page, but for those that have to wait: see [`store_page`].
pub async fn take_in_as_page<B, J>(
    run: &mut [Arrival<B>],
    clock: &impl Clock,
    line: &mut Line,
    body: impl Fn(&B) -> Result<J>,
    store: impl AsyncFn(Vec<Item<J>>, bool) -> Result<Vec<Outcome>>,
) {
    let (waiting, free): (Vec<_>, Vec<_>) = run
        .iter_mut()
        .partition(|arrival| line.holds_back(&arrival.item.hlc.node_id));
    for arrival in waiting {
        arrival.settle(Outcome::Behind, line);
    }
    store_page(free, clock, line, body, store).await;
}

/// Takes items in as one page: for a store that does so at once. `store` says of each item what became of
/// it; its error means that it took in none. It is told whether order is strict.
///
/// An item whose body cannot be brought into the store's form fails alone. If the app's own code threw at the page
/// as a whole, its items are tried one by one: the error may be about one of them.
///
/// The clock hears the greatest timestamp of the page before anything is written: it is past all of them
/// then.
pub async fn store_page<B, J>(
    page: Vec<&mut Arrival<B>>,
    clock: &impl Clock,
    line: &mut Line,
    body: impl Fn(&B) -> Result<J>,
    store: impl AsyncFn(Vec<Item<J>>, bool) -> Result<Vec<Outcome>>,
) {
    let strict = line.is_strict();
    let mut stopped: HashSet<NodeId> = HashSet::new();
    let mut free = Vec::with_capacity(page.len());
    let mut items = Vec::with_capacity(page.len());
    for arrival in page {
        if strict && stopped.contains(&arrival.item.hlc.node_id) {
            arrival.settle(Outcome::Behind, line);
            continue;
        }
        match arrival.item.with_body(&body) {
            Ok(item) => {
                items.push(item);
                free.push(arrival);
            }
            Err(error) => {
                stopped.insert(arrival.item.hlc.node_id.clone());
                arrival.settle(Outcome::Failed(error), line);
            }
        }
    }
    let Some(greatest) = items.iter().map(|item| &item.hlc).max() else {
        return;
    };
    let taken = match clock.receive(greatest).await {
        Ok(()) => store(items, strict).await,
        Err(error) => Err(error),
    };
    match taken {
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for arrival in free {
                arrival.settle(outcomes.next().unwrap_or(Outcome::Waiting), line);
            }
        }
        Err(error) if error.kind() == ErrorKind::Foreign && free.len() > 1 => {
            for arrival in free {
                let node = &arrival.item.hlc.node_id;
                let outcome = if strict && stopped.contains(node) {
                    Outcome::Behind
                } else {
                    store_one(&arrival.item, strict, &body, &store).await
                };
                if matches!(outcome, Outcome::Failed(_)) {
                    stopped.insert(node.clone());
                }
                arrival.settle(outcome, line);
            }
        }
        Err(error) => {
            for arrival in free {
                arrival.settle(Outcome::Failed(error.clone()), line);
            }
        }
    }
}

async fn store_one<B, J>(
    item: &Item<B>,
    strict: bool,
    body: impl Fn(&B) -> Result<J>,
    store: &impl AsyncFn(Vec<Item<J>>, bool) -> Result<Vec<Outcome>>,
) -> Outcome {
    let stored = match item.with_body(body) {
        Ok(item) => store(vec![item], strict).await,
        Err(error) => Err(error),
    };
    match stored {
        Ok(outcomes) => outcomes.into_iter().next().unwrap_or(Outcome::Waiting),
        Err(error) => Outcome::Failed(error),
    }
}

/// Takes in `items`. Every arrival that comes back has its outcome.
pub async fn take_in<S: Side>(
    side: &S,
    mut items: Vec<Item<S::Body>>,
    max_clock_skew_ms: Option<u64>,
    line: &mut Line,
) -> Vec<Arrival<S::Body>> {
    items.sort_by(|a, b| a.hlc.cmp(&b.hlc));
    let mut arrivals: Vec<_> = items.into_iter().map(Arrival::new).collect();
    drop_foreign_planes(side, &mut arrivals);
    let mut refused = Vec::new();
    if max_clock_skew_ms.is_some() && arrivals.iter().any(is_waiting) {
        refused = refuse_the_future(&mut arrivals, side.clock().app_ms(), max_clock_skew_ms);
    }
    let same_store = |a: &Arrival<S::Body>, b: &Arrival<S::Body>| {
        is_record(a) == is_record(b) && is_waiting(a) == is_waiting(b)
    };
    for run in arrivals.chunk_by_mut(same_store) {
        if !run.first().is_some_and(is_waiting) {
            continue;
        }
        match (
            run.first().is_some_and(is_record),
            side.records(),
            side.rows(),
        ) {
            (true, Some(records), _) => records.take_in(run, side.clock(), line).await,
            (false, _, Some(rows)) => rows.take_in(run, side.clock(), line).await,
            _ => run
                .iter_mut()
                .for_each(|arrival| arrival.settle(no_store(), line)),
        }
    }
    // Whatever a refused node sends later is later still: it waits only from here on.
    for node in &refused {
        line.failed(node);
    }
    arrivals
}

fn is_record<B>(arrival: &Arrival<B>) -> bool {
    matches!(arrival.item.kind, ItemKind::Record(_))
}

fn is_waiting<B>(arrival: &Arrival<B>) -> bool {
    matches!(arrival.outcome, Outcome::Waiting)
}

fn no_store() -> Outcome {
    Outcome::Failed(Error::new(
        ErrorKind::UnknownApp,
        "take in an app row",
        "this side has no app rows; give it an `appSyncableSource`",
    ))
}

/// A timestamp of the future is refused before anything is written or heard by the clock. It is never
/// brought down to the present: two replicas would then disagree about it.
fn refuse_the_future<B>(
    arrivals: &mut [Arrival<B>],
    now_ms: u64,
    max_skew_ms: Option<u64>,
) -> Vec<NodeId> {
    let mut refused = Vec::new();
    for arrival in arrivals.iter_mut().filter(|arrival| is_waiting(arrival)) {
        if too_far_ahead(&arrival.item.hlc, now_ms, max_skew_ms) {
            let message = format!(
                "the timestamp {} of node {} lies more than {} ms ahead of this machine's clock; \
                 set that node's clock right, or raise `maxClockSkewMs`",
                arrival.item.hlc.wall_time,
                arrival.item.hlc.node_id,
                max_skew_ms.unwrap_or_default(),
            );
            let error = Error::new(ErrorKind::ClockAhead, "take in an item", message);
            arrival.outcome = Outcome::Failed(error);
            refused.push(arrival.item.hlc.node_id.clone());
        }
    }
    refused
}

fn drop_foreign_planes<S: Side>(side: &S, arrivals: &mut [Arrival<S::Body>]) {
    if side.records().is_some() {
        return;
    }
    let mut dropped = 0usize;
    for arrival in arrivals.iter_mut().filter(|arrival| is_record(arrival)) {
        arrival.outcome = Outcome::Dropped;
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
        if let (Outcome::Failed(error), ItemKind::Row(table)) =
            (&arrival.outcome, &arrival.item.kind)
        {
            side.log().warn(
                &format!(
                    "a row of {}/{} of node {:?} could not be applied; it is tried again in a later sweep",
                    table.app, table.name, arrival.item.hlc.node_id
                ),
                Some(error),
            );
        }
    }
}
