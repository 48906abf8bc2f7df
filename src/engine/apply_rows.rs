//! Taking in rows of apps: of two versions of one row the later one wins, which the store decides.

use crate::error::Result;
use crate::protocol::item::{Item, ItemKind};

use super::admission::{KnownApps, unless_known};
use super::apply_page::apply_page;
use super::arrival::Arrival;
use super::order_guard::OrderGuard;
use super::ports::{AppRows, Clock, Log, Outcome, Side};

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
            match unless_shown(rows, arrival, guard, &mut apps).await {
                Some(outcome) => arrival.settle(outcome, guard),
                None => free.push(arrival),
            }
        }
        return apply_page(free, clock, guard, |items, order| rows.apply(items, order)).await;
    }
    for arrival in run {
        let outcome = match unless_shown(rows, arrival, guard, &mut apps).await {
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
        return Ok(Outcome::of_one(taken));
    }
    rows.apply_one(item).await?;
    Ok(Outcome::Applied)
}

/// What becomes of a row that is not shown to its store: it waits behind another, or its app is not registered.
async fn unless_shown<B, R: AppRows<B>>(
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
    unless_known(rows, table, apps).await
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
