//! The answering side: take in, then answer what the caller has not seen. It never touches objects.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::protocol::delta::{Ask, Backlog, Runs};
use crate::protocol::hlc::NodeId;
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::intake::{Arrival, Line, Outcome, take_in};
use super::outbound::{Writers, coverage, gather};
use super::ports::{Log, Side};

/// Answers requests over a side's stores.
pub struct Responder<S: Side> {
    /// The stores.
    pub side: S,
    /// How far ahead of the system's clock a timestamp may lie, in milliseconds.
    pub max_clock_skew_ms: Option<u64>,
    backlog: RefCell<Backlog<Text>>,
    /// Per node a timestamp up to which everything was there already. It spares a second reading.
    known: RefCell<Watermarks>,
}

/// So many nodes are remembered; a hostile caller's are not remembered for ever.
const KNOWN_NODES: usize = 4096;

impl<S: Side> Responder<S> {
    /// A responder over `side`.
    pub fn new(side: S, max_clock_skew_ms: Option<u64>) -> Self {
        Self {
            side,
            max_clock_skew_ms,
            backlog: RefCell::default(),
            known: RefCell::default(),
        }
    }

    /// Answers one request. Requests do not overlap; the caller sees to that.
    ///
    /// # Errors
    /// What the stores failed with while saying what they hold, where that decides what may be taken in.
    /// What they failed with while gathering; a table that could not be scanned would otherwise be
    /// passed by the caller's watermarks. Also the error of the first item that could not be
    /// taken in, where this side cannot report its coverage: without the report the caller would take
    /// the item for acknowledged.
    pub async fn answer(&self, request: Request<S::Body>) -> Result<Answer<S::Body>> {
        let lost = self.nodes_behind(&request.shipped_after).await?;
        let loses = !lost.is_empty();
        let mut line = Line::of_responder(lost);
        let arrivals = take_in(&self.side, request.items, self.max_clock_skew_ms, &mut line).await;
        let coverage = match coverage(&self.side).await {
            Ok(coverage) => coverage.map(|held| without_failed(held, &arrivals)),
            Err(error) => {
                self.side.log().warn(
                    "getNodeWatermarks failed; the answer reports no coverage",
                    Some(&error),
                );
                None
            }
        };
        self.note_taken_in(&arrivals);
        let failed: Option<Error> = arrivals
            .into_iter()
            .find_map(|arrival| match arrival.outcome {
                Outcome::Failed(error) => Some(error),
                _ => None,
            })
            .or_else(|| loses.then(not_taken_in));
        if let (Some(error), None) = (failed, &coverage) {
            return Err(error);
        }
        let ask = Ask {
            seen: request.watermarks,
            limit: request.limit,
            ..Ask::default()
        };
        let (mut backlog, known) = (self.backlog.take(), self.known.take());
        let page = gather(
            &self.side,
            &ask,
            &mut backlog,
            Writers::Anyone(Some(&known)),
        )
        .await;
        self.backlog.replace(backlog);
        self.known.replace(known);
        let page = page?;
        if let Some(error) = page.blind {
            return Err(error);
        }
        self.known.borrow_mut().merge(&page.met);
        Ok(Answer {
            items: page.items,
            has_more: page.more,
            coverage,
        })
    }

    /// The nodes of which this side holds less than the caller was told before. Something was lost here
    /// then, or a newer version of another node has taken the place of what was held; the caller finds
    /// out by the answer's coverage, and sends again what follows on that. A side whose stores know no
    /// coverage cannot check anything.
    async fn nodes_behind(&self, shipped_after: &Watermarks) -> Result<HashSet<NodeId>> {
        if shipped_after.is_empty() {
            return Ok(HashSet::new());
        }
        let Some(held) = coverage(&self.side).await? else {
            return Ok(HashSet::new());
        };
        let behind = shipped_after.iter().filter(|(_, hlc)| !held.covers(hlc));
        Ok(behind.map(|(node, _)| node.clone()).collect())
    }

    /// What was taken in is there before anything is gathered. A record that is new belongs among those
    /// that a backlog remembers.
    fn note_taken_in(&self, arrivals: &[Arrival<S::Body>]) {
        let mut known = self.known.borrow_mut();
        if known.len() > KNOWN_NODES {
            *known = Watermarks::default();
        }
        for arrival in arrivals.iter().filter(|arrival| arrival.is_here()) {
            known.advance(&arrival.item.hlc);
            if matches!(arrival.outcome, Outcome::Applied) {
                self.backlog.borrow_mut().forget();
            }
        }
    }
}

fn not_taken_in() -> Error {
    let message = "this side lost what the items follow on, and cannot say what it still holds; \
                   see the warnings of its `getNodeWatermarks`";
    Error::sync("exchange", message)
}

/// What is held, but of no node past an item that could not be taken in: two items may share a timestamp,
/// and the one that is here must not answer for the other.
fn without_failed<B>(mut held: Watermarks, arrivals: &[Arrival<B>]) -> Watermarks {
    let mut runs = Runs::default();
    for arrival in arrivals
        .iter()
        .filter(|arrival| !matches!(arrival.outcome, Outcome::Dropped))
    {
        runs.note(&arrival.item.hlc, arrival.is_here());
    }
    let reached = runs.unbroken();
    for (node, gap) in runs.gaps() {
        if held.get(node).is_some_and(|hlc| hlc >= gap) {
            held.set(node.clone(), reached.get(node).cloned());
        }
    }
    held
}
