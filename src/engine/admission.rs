//! Which of the items that came are shown to a store at all.

use std::collections::HashMap;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{NodeId, too_far_ahead};
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;

use super::arrival::{Arrival, Fate};
use super::node_ids::{NodeIds, one_too_many};
use super::ports::{AppRows, Clock, Log, Outcome, Side};

/// The arrivals that `items` are: those that no store is to see have their fates, all others wait. Also returns the nodes
/// of what is refused because its timestamp is of the future.
pub(super) async fn admit<S: Side>(
    side: &S,
    items: Vec<Item<S::Body>>,
    (max_clock_skew_ms, nodes): (Option<u64>, &NodeIds),
) -> (Vec<Arrival<S::Body>>, Vec<NodeId>) {
    let mut arrivals: Vec<_> = items.into_iter().map(Arrival::new).collect();
    drop_foreign_planes(side, &mut arrivals);
    refuse_what_is_barred(side, &mut arrivals);
    refuse_too_many_nodes(side, nodes, &mut arrivals).await;
    let mut ahead = Vec::new();
    if max_clock_skew_ms.is_some() && arrivals.iter().any(Arrival::is_waiting) {
        ahead = refuse_the_future(&mut arrivals, side.clock().app_ms(), max_clock_skew_ms);
    }
    (arrivals, ahead)
}

/// Which apps are registered, as far as it was asked.
pub(super) type KnownApps = HashMap<Text, Result<bool>>;

/// What becomes of a row whose app is not registered; `None` if it is.
pub(super) async fn unless_known<B, R: AppRows<B>>(
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

pub(super) fn no_store() -> Outcome {
    Outcome::Failed(Error::new(
        ErrorKind::UnknownApp,
        "take in an app row",
        "this side has no app rows; give it an `appSyncableSource`",
    ))
}

/// What the side bars stands by itself: it is not for its node that it is refused, so nothing waits behind it.
fn refuse_what_is_barred<S: Side>(side: &S, arrivals: &mut [Arrival<S::Body>]) {
    for arrival in arrivals.iter_mut().filter(|arrival| arrival.is_waiting()) {
        if let Some(error) = side.bars(&arrival.item) {
            arrival.fate = Fate::Settled(Outcome::Failed(error));
        }
    }
}

/// Items of nodes that are too many are refused as such.
async fn refuse_too_many_nodes<S: Side>(
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
fn refuse_the_future<B>(
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

fn drop_foreign_planes<S: Side>(side: &S, arrivals: &mut [Arrival<S::Body>]) {
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
