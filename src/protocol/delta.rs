//! The page and the unbroken run: the two rules that keep a watermark from passing an item.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use super::hlc::{Hlc, NodeId};
use super::watermarks::Watermarks;

/// What one side asks a store for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// What is newer than this is unseen.
    pub seen: Watermarks,
    /// Nodes whose items stay out, seen or not.
    pub skip: HashSet<NodeId>,
    /// Where given, what is newer than this stays out: it was written while the stores were being read.
    pub upto: Option<Watermarks>,
    /// At most so many items.
    pub limit: usize,
}

/// Where an item stands to an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It belongs in the answer, if there is room.
    Wanted,
    /// It was written too late for this answer.
    TooLate,
    /// It was seen, or its node stays out.
    Unwanted,
}

impl Ask {
    /// Where an item with this timestamp stands.
    pub fn standing(&self, hlc: &Hlc) -> Standing {
        if !self.is_unseen(hlc) {
            Standing::Unwanted
        } else if self.upto.as_ref().is_none_or(|upto| upto.covers(hlc)) {
            Standing::Wanted
        } else {
            Standing::TooLate
        }
    }

    /// Whether an item with this timestamp belongs in the answer, if there is room.
    pub fn wants(&self, hlc: &Hlc) -> bool {
        self.standing(hlc) == Standing::Wanted
    }

    fn is_unseen(&self, hlc: &Hlc) -> bool {
        !self.seen.covers(hlc) && (self.skip.is_empty() || !self.skip.contains(&hlc.node_id))
    }

    /// The nodes that a store with this `coverage` holds something wanted of.
    pub fn ahead<'a>(&'a self, coverage: &'a Watermarks) -> impl Iterator<Item = &'a NodeId> {
        coverage.iter().filter(|(_, hlc)| self.is_unseen(hlc)).map(|(node, _)| node)
    }

    /// Whether a store with this `coverage` holds anything wanted.
    pub fn is_behind(&self, coverage: &Watermarks) -> bool {
        self.ahead(coverage).next().is_some()
    }

    /// Where a scan in timestamp order may begin without missing anything wanted: at the smallest entry
    /// of the nodes that `coverage` shows ahead, or at zero where one of them has no entry.
    pub fn scan_floor(&self, coverage: &Watermarks) -> Hlc {
        self.ahead(coverage)
            .map(|node| self.seen.get(node).cloned().unwrap_or_else(Hlc::zero))
            .min()
            .unwrap_or_else(Hlc::zero)
    }
}

/// The smallest timestamps of everything that is offered to it, at most `limit` of them.
///
/// Items with one and the same timestamp are never parted: a watermark at that timestamp covers them
/// all. A group that does not fit waits for the next page; only a group that is larger than a whole
/// page makes the page larger.
#[derive(Debug)]
pub struct Page<T> {
    limit: usize,
    groups: BTreeMap<Hlc, Vec<T>>,
    len: usize,
    more: bool,
    survey: Survey,
}

/// What the reading of the stores met, beside what got a place.
#[derive(Debug, Default)]
pub struct Survey {
    /// How often a store was asked.
    pub reads: usize,
    /// Per node the greatest wanted timestamp.
    pub newest: Watermarks,
    /// The smallest timestamp that came too late.
    pub too_late: Option<Hlc>,
}

impl<T> Page<T> {
    /// An empty page for `limit` items.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            groups: BTreeMap::new(),
            len: 0,
            more: false,
            survey: Survey::default(),
        }
    }

    /// Whether an item with this timestamp would get a place. Where not, something was left out.
    pub fn admits(&mut self, hlc: &Hlc) -> bool {
        let admitted = self.len < self.limit
            || self.groups.last_key_value().is_none_or(|(last, _)| hlc <= last);
        self.more |= !admitted;
        admitted
    }

    /// Notes that a store is asked. What one reading answers, it saw at one moment.
    pub fn begin_read(&mut self) {
        self.survey.reads += 1;
    }

    /// What the reading met.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// Meets an item of a store: whether `ask` wants it and it would get a place.
    pub fn meets(&mut self, ask: &Ask, hlc: &Hlc) -> bool {
        match ask.standing(hlc) {
            Standing::Unwanted => false,
            Standing::TooLate => {
                self.more = true;
                if self.survey.too_late.as_ref().is_none_or(|first| hlc < first) {
                    self.survey.too_late = Some(hlc.clone());
                }
                false
            }
            Standing::Wanted => {
                self.survey.newest.advance(hlc);
                self.admits(hlc)
            }
        }
    }

    /// Takes over what another page holds and met.
    pub fn absorb(&mut self, other: Self) {
        self.survey.reads += other.survey.reads;
        self.survey.newest.merge(&other.survey.newest);
        let earlier = [self.survey.too_late.take(), other.survey.too_late];
        self.survey.too_late = earlier.into_iter().flatten().min();
        self.more |= other.more;
        for (hlc, group) in other.groups {
            for item in group {
                self.offer(hlc.clone(), item);
            }
        }
    }

    /// Offers an item.
    pub fn offer(&mut self, hlc: Hlc, item: T) {
        if !self.admits(&hlc) {
            return;
        }
        self.groups.entry(hlc).or_default().push(item);
        self.len += 1;
        while self.len - self.last_group() >= self.limit {
            self.drop_last_group();
        }
    }

    /// Notes that whoever offered had more than it offered.
    pub fn left_out_more(&mut self) {
        self.more = true;
    }

    /// Once the page is full and something was left out: the greatest timestamp that can still get a
    /// place. Nothing later needs to be looked at.
    pub fn horizon(&self) -> Option<&Hlc> {
        if !self.more || self.len < self.limit {
            return None;
        }
        self.groups.last_key_value().map(|(hlc, _)| hlc)
    }

    /// The items in the order of their timestamps, and whether any were left out.
    pub fn finish(mut self) -> (Vec<(Hlc, T)>, bool) {
        if self.len > self.limit && self.groups.len() > 1 {
            self.drop_last_group();
        }
        let items = self
            .groups
            .into_iter()
            .flat_map(|(hlc, group)| group.into_iter().map(move |item| (hlc.clone(), item)))
            .collect();
        (items, self.more)
    }

    fn last_group(&self) -> usize {
        self.groups.last_key_value().map_or(0, |(_, group)| group.len())
    }

    fn drop_last_group(&mut self) {
        if let Some((_, group)) = self.groups.pop_last() {
            self.len -= group.len();
            self.more = true;
        }
    }
}

/// How far each node's items were taken in (or shipped) without a gap.
#[derive(Debug, Default)]
pub struct Runs {
    whole: Vec<Hlc>,
    first_gap: HashMap<NodeId, Hlc>,
}

impl Runs {
    /// Notes one item and whether it was taken in whole. Any order will do.
    pub fn note(&mut self, hlc: &Hlc, whole: bool) {
        if whole {
            self.whole.push(hlc.clone());
        } else {
            self.gap(hlc);
        }
    }

    /// Notes that `hlc` was not taken in.
    pub fn gap(&mut self, hlc: &Hlc) {
        self.first_gap
            .entry(hlc.node_id.clone())
            .and_modify(|first| {
                if hlc < first {
                    *first = hlc.clone();
                }
            })
            .or_insert_with(|| hlc.clone());
    }

    /// Per node the first item that was not taken in.
    pub fn gaps(&self) -> &HashMap<NodeId, Hlc> {
        &self.first_gap
    }

    /// Whether `hlc` comes before its node's first gap.
    pub fn is_before_gap(&self, hlc: &Hlc) -> bool {
        self.first_gap.get(&hlc.node_id).is_none_or(|gap| hlc < gap)
    }

    /// Per node the greatest timestamp before its first gap.
    pub fn unbroken(&self) -> Watermarks {
        let mut reached = Watermarks::default();
        for hlc in &self.whole {
            if self.is_before_gap(hlc) {
                reached.advance(hlc);
            }
        }
        reached
    }
}

/// The timestamps and ids that one full pass over a store found unseen, so that the next pages of a
/// backlog are fetched by id instead of by another pass.
///
/// What is written after the pass is not in it. That is sound: a node's items arrive in order, so the
/// newcomers of a node lie behind what the backlog knows of it, and a fresh pass follows when the
/// backlog runs out.
#[derive(Debug)]
pub struct Backlog<I> {
    known_from: Option<Ask>,
    known_upto: Watermarks,
    rest: Vec<(Hlc, I)>,
}

impl<I> Default for Backlog<I> {
    fn default() -> Self {
        Self {
            known_from: None,
            known_upto: Watermarks::default(),
            rest: Vec::new(),
        }
    }
}

impl<I: Clone + Eq + Hash> Backlog<I> {
    /// So many pairs are remembered at most; more is found by another pass.
    pub const CAPACITY: usize = 100_000;

    /// Remembers what a pass for `ask` found, in the order of timestamps. `upto` is what the pass met.
    pub fn remember(&mut self, ask: &Ask, upto: Watermarks, found: Vec<(Hlc, I)>) {
        self.known_from = Some(ask.clone());
        self.known_upto = ask.upto.clone().unwrap_or(upto);
        self.rest = found;
    }

    /// Per node how far the backlog is complete, if it may answer `ask`. Nothing newer may go with it.
    pub fn complete_upto(&self, ask: &Ask) -> Option<&Watermarks> {
        self.may_answer(ask).then_some(&self.known_upto)
    }

    fn may_answer(&self, ask: &Ask) -> bool {
        let known = self.known_from.as_ref();
        known.is_some_and(|known| ask.seen.covers_all(&known.seen) && known.skip.is_subset(&ask.skip))
    }

    /// Forgets items that are not what the pass found any more.
    pub fn gone(&mut self, items: &HashSet<(Hlc, I)>) {
        self.rest.retain(|item| !items.contains(item));
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.known_from = None;
        self.rest = Vec::new();
    }

    /// The next page for `ask`, if the last pass answers it and knows of more than that page: then
    /// nothing before the page's end can be missing.
    pub fn next_page(&mut self, ask: &Ask) -> Option<Vec<(Hlc, I)>> {
        if !self.may_answer(ask) {
            self.forget();
            return None;
        }
        self.rest.retain(|(hlc, _)| ask.wants(hlc));
        self.known_from = Some(ask.clone());
        let mut page = Page::new(ask.limit);
        for (hlc, id) in &self.rest {
            if !page.admits(hlc) {
                break;
            }
            page.offer(hlc.clone(), id.clone());
        }
        let (page, more) = page.finish();
        if more {
            return Some(page);
        }
        self.forget();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::text::Text;
    use proptest::prelude::*;

    fn at(wall: u64) -> Hlc {
        Hlc::new(wall, 0, Text::from("n"))
    }

    fn select(limit: usize, walls: &[u64]) -> (Vec<u64>, bool) {
        let mut page = Page::new(limit);
        for wall in walls {
            page.offer(at(*wall), *wall);
        }
        let (items, more) = page.finish();
        (items.into_iter().map(|(_, wall)| wall).collect(), more)
    }

    #[test]
    fn a_page_never_parts_equal_timestamps() {
        assert_eq!(select(2, &[1, 2, 2]), (vec![1], true));
        assert_eq!(select(1, &[2, 2, 3]), (vec![2, 2], true));
        assert_eq!(select(1, &[2, 2]), (vec![2, 2], false));
        assert_eq!(select(3, &[3, 2, 2]), (vec![2, 2, 3], false));
    }

    proptest! {
        #[test]
        fn a_page_is_a_prefix_of_the_sorted_items(limit in 1usize..6, walls in prop::collection::vec(0u64..8, 0..24)) {
            let (page, more) = select(limit, &walls);
            let mut sorted = walls.clone();
            sorted.sort_unstable();
            prop_assert_eq!(&page[..], &sorted[..page.len()]);
            prop_assert_eq!(more, page.len() < sorted.len());
            if more {
                prop_assert!(page.last() < sorted.get(page.len()));
                prop_assert!(!page.is_empty());
            }
            let first_group = sorted.iter().take_while(|w| **w == sorted[0]).count();
            prop_assert!(page.len() <= limit.max(first_group));
        }

        #[test]
        fn pages_from_a_backlog_equal_pages_from_fresh_passes(limit in 1usize..5, walls in prop::collection::vec(0u64..40, 0..30)) {
            let mut ask = Ask { limit, ..Ask::default() };
            let mut backlog = Backlog::default();
            let mut all: Vec<_> = walls.iter().map(|w| (at(*w), *w)).collect();
            all.sort();
            backlog.remember(&ask, Watermarks::default(), all);
            while let Some(page) = backlog.next_page(&ask) {
                let unseen: Vec<_> = walls.iter().copied().filter(|w| ask.wants(&at(*w))).collect();
                let (fresh, more) = select(limit, &unseen);
                prop_assert!(more);
                prop_assert_eq!(page.iter().map(|(_, w)| *w).collect::<Vec<_>>(), fresh);
                for (hlc, _) in page { ask.seen.advance(&hlc); }
            }
            let unseen: Vec<_> = walls.iter().copied().filter(|w| ask.wants(&at(*w))).collect();
            prop_assert!(!select(limit, &unseen).1);
        }

        #[test]
        fn a_backlog_answers_nobody_who_has_seen_less_than_its_last_asker(walls in prop::collection::vec(0u64..40, 4..30)) {
            let mut ask = Ask { limit: 1, ..Ask::default() };
            let mut backlog = Backlog::default();
            let mut all: Vec<_> = walls.iter().map(|w| (at(*w), *w)).collect();
            all.sort();
            backlog.remember(&ask, Watermarks::default(), all.clone());
            ask.seen.advance(&all[0].0);
            if backlog.next_page(&ask).is_some() {
                prop_assert!(backlog.next_page(&Ask { limit: 1, ..Ask::default() }).is_none());
            }
        }

        #[test]
        fn an_unbroken_run_ends_before_the_first_gap(outcomes in prop::collection::vec((0u64..10, any::<bool>()), 0..20)) {
            let mut runs = Runs::default();
            for (wall, whole) in &outcomes { runs.note(&at(*wall), *whole); }
            if let Some(reached) = runs.unbroken().get(&Text::from("n")) {
                prop_assert!(outcomes.iter().all(|(wall, whole)| *whole || *wall > reached.wall_time));
            }
        }
    }

    #[test]
    fn a_scan_may_begin_at_the_smallest_entry_of_the_nodes_ahead() {
        let node = |n: &str, wall| (Text::from(n), Hlc::new(wall, 0, Text::from(n)));
        let ask = Ask {
            seen: [node("a", 5), node("b", 3), node("c", 1)].into_iter().collect(),
            ..Ask::default()
        };
        let coverage: Watermarks = [node("a", 9), node("b", 7), node("c", 1)].into_iter().collect();
        assert_eq!(ask.scan_floor(&coverage), Hlc::new(3, 0, Text::from("b")));
        let unknown: Watermarks = [node("d", 1), node("a", 9)].into_iter().collect();
        assert_eq!(ask.scan_floor(&unknown), Hlc::zero());
        assert!(!ask.is_behind(&[node("a", 5)].into_iter().collect()));
    }
}
