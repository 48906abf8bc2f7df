//! What an answering side says of items that do not travel, in its answers and in its log.

use crate::error::Error;
use crate::protocol::delta::Unorderable;
use crate::protocol::grant::Grant;
use crate::protocol::item::Item;
use crate::protocol::message::Refusal;

use super::arrival::Arrival;
use super::held::refusal;
use super::named::Naming;
use super::outbound::unorderable;
use super::ports::{Clock, Log, Side};
use super::responder::Responder;

/// What has no valid timestamp is looked up again after this long.
const LOOK_AGAIN_MS: u64 = 60_000;

impl<S: Side> Responder<S> {
    /// What has no valid timestamp: what the stores can name, and what their reading `met`.
    pub(super) async fn unordered(
        &self,
        grant: &Grant,
        met: Unorderable<Item<S::Body>>,
    ) -> Vec<Refusal> {
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
}
