//! Taking items in: per node in the order of timestamps, records and rows together.
//!
//! How a store takes them in, a page at once or one by one, is decided by what it is able to do
//! ([`apply_records`](super::apply_records), [`apply_rows`](super::apply_rows)).

use crate::protocol::item::Item;

use super::admission::{admit, no_store};
use super::apply_records::apply_records;
use super::apply_rows::apply_rows;
use super::arrival::Arrival;
use super::node_ids::NodeIds;
use super::order_guard::OrderGuard;
use super::ports::Side;

/// Takes in `items`, by how far ahead of the system's clock a timestamp may lie, in milliseconds, and the nodes that are
/// known. Every arrival that comes back has its outcome.
pub async fn apply_all<S: Side>(
    side: &S,
    mut items: Vec<Item<S::Body>>,
    rules: (Option<u64>, &NodeIds),
    guard: &mut OrderGuard,
) -> Vec<Arrival<S::Body>> {
    items.sort_by(|a, b| a.hlc.cmp(&b.hlc));
    let (mut arrivals, ahead) = admit(side, items, rules).await;
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
    for node in &ahead {
        guard.failed(node);
    }
    arrivals
}
