//! What a store was given late: a version of the own node that is stamped at or before what the store holds of that
//! node already. An engine that goes by watermarks does not meet it, unless it is told.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::ports::Late;
use crate::error::Result;
use crate::protocol::hlc::{Hlc, NodeId};

/// At most this many are told apart. Of more, the earliest of each node stands for all of them.
const REMEMBERED: usize = 1024;

/// The late timestamps of a store since it was opened. All clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct LateStamps(Arc<Mutex<KnownLate>>);

#[derive(Debug, Default)]
struct KnownLate {
    count: u64,
    /// Each with the count when it came.
    stamps: VecDeque<(u64, Hlc)>,
    told: HashSet<NodeId>,
    untold: Vec<NodeId>,
}

impl LateStamps {
    /// Notes what was stored late.
    pub(super) fn note(&self, late: impl IntoIterator<Item = Hlc>) {
        let mut known = self.known();
        for hlc in late {
            if known.told.len() < REMEMBERED && known.told.insert(hlc.node_id.clone()) {
                known.untold.push(hlc.node_id.clone());
            }
            known.count += 1;
            let count = known.count;
            known.stamps.push_back((count, hlc));
            known.shorten();
        }
    }

    /// What came after the first `after` times.
    pub(super) fn since(&self, after: u64) -> Late {
        let mut known = self.known();
        let later = known.stamps.iter().filter(|(count, _)| *count > after);
        let stamps = later.map(|(_, hlc)| hlc.clone()).collect();
        Late {
            count: known.count,
            stamps,
            untold: std::mem::take(&mut known.untold),
        }
    }

    fn known(&self) -> MutexGuard<'_, KnownLate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownLate {
    fn shorten(&mut self) {
        if self.stamps.len() <= REMEMBERED {
            return;
        }
        let Some((_, first)) = self.stamps.pop_front() else {
            return;
        };
        // Whoever knows of the one that stays offers what is behind the earlier one too.
        let mut same_node = self.stamps.iter_mut();
        match same_node.find(|(_, hlc)| hlc.node_id == first.node_id) {
            Some((_, next)) => *next = first.min(next.clone()),
            None => self.stamps.push_back((self.count, first)),
        }
    }
}

/// The check for one transaction: what is stored within it is late only against what was there before.
#[derive(Debug, Default)]
pub(super) struct LateCheck {
    before: HashMap<NodeId, Option<Hlc>>,
    /// What was found.
    pub(super) found: Vec<Hlc>,
}

impl LateCheck {
    /// Looks at a version of the app's. Before it, the newest one of its node was `newest`, and the version that it replaces
    /// was written at `stored`: the same version once more is not late.
    pub(super) fn look(
        &mut self,
        hlc: &Hlc,
        newest: impl FnOnce() -> Result<Option<Hlc>>,
        stored: impl FnOnce() -> Result<Option<Hlc>>,
    ) -> Result<()> {
        if !self.before.contains_key(&hlc.node_id) {
            self.before.insert(hlc.node_id.clone(), newest()?);
        }
        let newest = self.before.get(&hlc.node_id).and_then(Option::as_ref);
        if newest.is_some_and(|newest| hlc <= newest) && stored()?.as_ref() != Some(hlc) {
            self.found.push(hlc.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::text::Text;

    fn at(wall: u64) -> Hlc {
        Hlc::new(wall, 0, Text::from("n"))
    }

    #[test]
    fn each_who_asks_gets_what_is_new_to_him_and_the_node_is_told_once() {
        let late = LateStamps::default();
        late.note([at(5)]);
        let first = late.since(0);
        assert_eq!((first.count, first.stamps), (1, vec![at(5)]));
        assert_eq!(first.untold, [Text::from("n")]);
        late.note([at(3)]);
        let second = late.since(1);
        assert_eq!((second.count, second.stamps), (2, vec![at(3)]));
        assert!(second.untold.is_empty());
        assert_eq!(late.since(0).stamps, [at(5), at(3)]);
    }

    #[test]
    fn of_more_than_are_remembered_the_earliest_stays() {
        let late = LateStamps::default();
        late.note([at(1)]);
        late.note((0..5000).map(|wall| at(9000 - wall)));
        let all = late.since(0).stamps;
        assert!(all.len() <= REMEMBERED);
        assert_eq!(all.iter().min(), Some(&at(1)));
    }
}
