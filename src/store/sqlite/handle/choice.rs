//! Which rows make a page, of those that an app's own statements find: they are known by the order in which they are
//! offered.

use crate::protocol::delta::{Ask, Selection};
use crate::protocol::hlc::{Hlc, NodeId, text_floor};
use crate::protocol::watermarks::Watermarks;

/// A page that is being chosen.
#[derive(Debug)]
pub struct Choice {
    ask: Ask,
    page: Selection<u32>,
    offered: u32,
}

impl Choice {
    /// A page of at most `limit` rows, of those that were not seen.
    pub fn new(seen: Watermarks, limit: usize) -> Self {
        let ask = Ask {
            seen,
            limit,
            ..Ask::default()
        };
        Self {
            ask,
            page: Selection::new(limit),
            offered: 0,
        }
    }

    /// Where in text order the usual rows of a node begin that were not seen, if there can be any.
    pub fn floor(&self, node: Option<&NodeId>) -> Option<String> {
        text_floor(node.and_then(|node| self.ask.seen.get(node)))
    }

    /// Offers rows. Whether a later row could still get a place, if they come in the order of timestamps.
    pub fn offer(&mut self, times: Vec<Option<Hlc>>, in_order: bool) -> bool {
        let first = self.offered;
        self.offered += u32::try_from(times.len()).unwrap_or(u32::MAX);
        for (row, hlc) in (first..).zip(times) {
            let Some(hlc) = hlc.filter(|hlc| self.ask.wants(hlc)) else {
                continue;
            };
            if self.page.admits(&hlc) {
                self.page.offer(hlc, row);
            } else if in_order {
                return false;
            }
        }
        true
    }

    /// The rows of the page, and whether there are more.
    pub fn finish(&mut self) -> (Vec<u32>, bool) {
        let page = std::mem::replace(&mut self.page, Selection::new(1));
        let (chosen, more) = page.finish().into_items();
        (chosen.into_iter().map(|(_, row)| row).collect(), more)
    }
}

/// Which of these timestamps, in their order, are later than `since` and in a later moment than `after`, and in no later
/// moment than `upto`. A moment is a wall time and a counter.
pub fn rows_between(
    times: Vec<Option<Hlc>>,
    since: Option<&Hlc>,
    after: Option<&Hlc>,
    upto: Option<&Hlc>,
) -> Vec<u32> {
    let moment = |hlc: &Hlc| (hlc.wall_time, hlc.counter);
    let mut found: Vec<(Hlc, u32)> = (0u32..)
        .zip(times)
        .filter_map(|(row, hlc)| Some((hlc?, row)))
        .filter(|(hlc, _)| since.is_none_or(|since| hlc > since))
        .filter(|(hlc, _)| {
            after.is_none_or(|after| moment(hlc) > moment(after))
                && upto.is_none_or(|upto| moment(hlc) <= moment(upto))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, row)| row).collect()
}
