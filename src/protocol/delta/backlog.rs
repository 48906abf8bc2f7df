//! A backlog that is drained page by page without a full pass for each.

use std::collections::HashSet;
use std::hash::Hash;

use super::ask::Ask;
use super::last_pass::LastPass;
use super::selection::Selection;
use crate::protocol::hlc::Hlc;
use crate::protocol::watermarks::Watermarks;

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
    /// The last full pass, which outlasts what is remembered of it.
    pub pass: LastPass,
}

impl<I> Default for Backlog<I> {
    fn default() -> Self {
        Self {
            known_from: None,
            known_upto: Watermarks::default(),
            rest: Vec::new(),
            pass: LastPass::default(),
        }
    }
}

impl<I: Clone + Eq + Hash> Backlog<I> {
    /// At most this many pairs are remembered; more is found by another pass.
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
        known.is_some_and(|known| {
            ask.seen.covers_all(&known.seen) && known.skip.is_subset(&ask.skip)
        })
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

    /// The next page for `ask`, if the last pass covers it and knows of more than that page: then
    /// nothing before the page's end can be missing.
    pub fn next_page(&mut self, ask: &Ask) -> Option<Vec<(Hlc, I)>> {
        if !self.may_answer(ask) {
            self.forget();
            return None;
        }
        self.rest.retain(|(hlc, _)| ask.wants(hlc));
        self.known_from = Some(ask.clone());
        let mut page = Selection::new(ask.limit);
        for (hlc, id) in &self.rest {
            if !page.admits(hlc) {
                break;
            }
            page.offer(hlc.clone(), id.clone());
        }
        let (page, more) = page.finish().into_items();
        if more {
            return Some(page);
        }
        self.forget();
        None
    }
}
