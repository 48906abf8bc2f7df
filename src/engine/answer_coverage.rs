//! What an answering side says that it holds, for its caller to know what is to be sent again.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::protocol::delta::ContiguousPrefix;
use crate::protocol::hlc::NodeId;
use crate::protocol::watermarks::Watermarks;

use super::arrival::{Arrival, Fate};
use super::outbound::coverage;
use super::ports::{Log, Side};

/// The nodes of which this side holds less than the caller was told before. Something was lost here
/// then, or a newer version of another node has taken the place of what was held; the caller finds
/// out by the answer's coverage, and sends again what follows on that. A side whose stores know no
/// coverage cannot check anything.
pub(super) async fn nodes_behind<S: Side>(
    side: &S,
    shipped_after: &Watermarks,
) -> Result<HashSet<NodeId>> {
    if shipped_after.is_empty() {
        return Ok(HashSet::new());
    }
    let Some(held) = coverage(side).await? else {
        return Ok(HashSet::new());
    };
    let behind = shipped_after.iter().filter(|(_, hlc)| !held.covers(hlc));
    Ok(behind.map(|(node, _)| node.clone()).collect())
}

/// What the answer reports, given what was there `before` the request and what became of its items; `None` if the stores
/// do not say what they hold.
pub(super) async fn reported<S: Side>(
    side: &S,
    before: &Watermarks,
    arrivals: &[Arrival<S::Body>],
) -> Option<Watermarks> {
    let held = coverage(side).await.unwrap_or_else(|error| {
        let message = "getNodeWatermarks failed; the answer reports no coverage";
        side.log().warn(message, Some(&error));
        None
    });
    held.map(|held| without_failed(held, before, arrivals))
}

/// Why a request cannot be answered without a report: its caller would take what is not here for acknowledged. `loses`
/// says whether this side holds less than it held.
pub(super) fn needs_report<B>(arrivals: &[Arrival<B>], loses: bool) -> Option<Error> {
    let mut failures = arrivals.iter().filter_map(Arrival::failure);
    let failed = failures.next().cloned();
    failed.or_else(|| loses.then(not_taken_in))
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
