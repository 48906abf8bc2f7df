//! The answering side: take in, then answer what the caller has not seen. It never touches objects.

use std::cell::RefCell;

use crate::error::{Error, Result};
use crate::protocol::delta::{Ask, Backlog};
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;

use super::intake::{Line, Outcome, take_in};
use super::outbound::{Writers, coverage, gather};
use super::ports::{Log, Side};

/// Answers requests over a side's stores.
pub struct Responder<S: Side> {
    /// The stores.
    pub side: S,
    /// How far ahead of the system's clock a timestamp may lie, in milliseconds.
    pub max_clock_skew_ms: Option<u64>,
    backlog: RefCell<Backlog<Text>>,
}

impl<S: Side> Responder<S> {
    /// A responder over `side`.
    pub fn new(side: S, max_clock_skew_ms: Option<u64>) -> Self {
        Self {
            side,
            max_clock_skew_ms,
            backlog: RefCell::default(),
        }
    }

    /// Answers one request. Requests do not overlap; the caller sees to that.
    ///
    /// # Errors
    /// What the stores failed with while gathering; a table that could not be scanned would otherwise be
    /// passed by the caller's watermarks. Also the error of the first item that could not be
    /// taken in, where this side cannot report its coverage: without the report the caller would take
    /// the item for acknowledged.
    pub async fn answer(&self, request: Request<S::Body>) -> Result<Answer<S::Body>> {
        let mut line = Line::of_responder();
        let arrivals = take_in(&self.side, request.items, self.max_clock_skew_ms, &mut line).await;
        let coverage = match coverage(&self.side).await {
            Ok(coverage) => coverage,
            Err(error) => {
                self.side.log().warn(
                    "getNodeWatermarks failed; the answer reports no coverage",
                    Some(&error),
                );
                None
            }
        };
        let took_in = arrivals
            .iter()
            .any(|arrival| matches!(arrival.outcome, Outcome::Applied));
        let failed: Option<Error> =
            arrivals
                .into_iter()
                .find_map(|arrival| match arrival.outcome {
                    Outcome::Failed(error) => Some(error),
                    _ => None,
                });
        if let (Some(error), None) = (failed, &coverage) {
            return Err(error);
        }
        let ask = Ask {
            seen: request.watermarks,
            limit: request.limit,
            ..Ask::default()
        };
        let mut backlog = self.backlog.take();
        if took_in {
            backlog.forget();
        }
        let page = gather(&self.side, &ask, &mut backlog, Writers::Anyone).await;
        self.backlog.replace(backlog);
        let page = page?;
        if let Some(error) = page.blind {
            return Err(error);
        }
        Ok(Answer {
            items: page.items,
            has_more: page.more,
            coverage,
        })
    }
}
