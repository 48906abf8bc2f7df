//! Which of the unseen items go next: a selection from one stream, and the stretch that comes of it.

use std::collections::BTreeMap;

use super::ask::{Ask, Standing};
use crate::protocol::hlc::Hlc;
use crate::protocol::watermarks::Watermarks;

/// At most this many items without a timestamp are told of.
pub const MOST_UNORDERABLE: usize = 100;

/// The smallest timestamps of everything that is offered to it, at most `limit` of them.
///
/// Items with one and the same timestamp are never parted: a watermark at that timestamp covers them
/// all. A group that does not fit waits for the next page; only a group that is larger than a whole
/// page makes the page larger.
#[derive(Debug)]
pub struct Selection<T> {
    limit: usize,
    groups: BTreeMap<Hlc, Vec<T>>,
    len: usize,
    more: bool,
    /// The first that was left out because there was no room.
    before: Option<Hlc>,
    /// Nothing later may stay: a stream left out what follows.
    end: Option<Hlc>,
    survey: Survey,
    unorderable: Unorderable<T>,
}

/// What was met that has no timestamp, and so no place.
#[derive(Debug, Clone)]
pub struct Unorderable<T> {
    /// The items, at most [`MOST_UNORDERABLE`].
    pub items: Vec<T>,
    /// Whether a store was read as a whole: there are no others then.
    pub is_all: bool,
}

impl<T> Default for Unorderable<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            is_all: false,
        }
    }
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

impl<T> Selection<T> {
    /// An empty page for `limit` items.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            groups: BTreeMap::new(),
            len: 0,
            more: false,
            before: None,
            end: None,
            survey: Survey::default(),
            unorderable: Unorderable::default(),
        }
    }

    /// Notes something that has no timestamp: it gets no place, and is told apart.
    pub fn note_unorderable(&mut self, item: T) {
        if self.unorderable.items.len() < MOST_UNORDERABLE {
            self.unorderable.items.push(item);
        }
    }

    /// Notes that a store was read as a whole.
    pub fn read_all(&mut self) {
        self.unorderable.is_all = true;
    }

    /// Whether an item with this timestamp would get a place. If not, something was left out.
    pub fn admits(&mut self, hlc: &Hlc) -> bool {
        let admitted = self.len < self.limit
            || self
                .groups
                .last_key_value()
                .is_none_or(|(last, _)| hlc <= last);
        if !admitted {
            self.leave_out(hlc.clone());
        }
        admitted
    }

    /// Notes that a store is asked. What one reading returns, it saw at one moment.
    pub fn begin_read(&mut self) {
        self.survey.reads += 1;
    }

    /// Meets an item of a store: whether `ask` wants it and it would get a place.
    pub fn meets(&mut self, ask: &Ask, hlc: &Hlc) -> bool {
        match ask.standing(hlc) {
            Standing::Unwanted => false,
            Standing::TooLate => {
                self.more = true;
                if self
                    .survey
                    .too_late
                    .as_ref()
                    .is_none_or(|first| hlc < first)
                {
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

    /// Offers what one reading of a store returns: the smallest timestamps that are wanted of it, in order,
    /// and whether it left out `more`, all of it later.
    pub fn offer_reading(&mut self, wanted: impl IntoIterator<Item = (Hlc, T)>, more: bool) {
        self.begin_read();
        for (hlc, item) in wanted {
            self.survey.newest.advance(&hlc);
            self.offer(hlc, item);
        }
        if more {
            self.left_out_more();
        }
    }

    /// Notes that the stream that offered last has more, all of it later than what it offered. What
    /// other streams have beyond that has to wait, even if there is room: a page that ends before equal
    /// timestamps is shorter than its limit.
    pub fn left_out_more(&mut self) {
        self.more = true;
        let last = self.groups.last_key_value().map(|(hlc, _)| hlc.clone());
        self.end = earlier(self.end.take(), last);
    }

    /// Notes that a stream has more, all of it later than `upto`, whether or not what it offered up to
    /// there got a place.
    pub fn left_out_after(&mut self, upto: Hlc) {
        self.more = true;
        self.end = earlier(self.end.take(), Some(upto));
    }

    /// Once the page is full and something was left out: the greatest timestamp that can still get a
    /// place. Nothing later needs to be looked at.
    pub fn horizon(&self) -> Option<&Hlc> {
        if !self.more || self.len < self.limit {
            return None;
        }
        self.groups.last_key_value().map(|(hlc, _)| hlc)
    }

    /// What was selected, in the order of timestamps.
    pub fn finish(mut self) -> Stretch<T> {
        if self.len > self.limit && self.groups.len() > 1 {
            self.drop_last_group();
        }
        while self
            .groups
            .last_key_value()
            .is_some_and(|(hlc, _)| self.is_behind(hlc))
        {
            self.drop_last_group();
        }
        let items = self
            .groups
            .into_iter()
            .flat_map(|(hlc, group)| group.into_iter().map(move |item| (hlc.clone(), item)))
            .collect();
        Stretch {
            items,
            more: self.more,
            before: self.before,
            end: self.end,
            survey: self.survey,
            unorderable: self.unorderable,
        }
    }

    fn last_group(&self) -> usize {
        self.groups
            .last_key_value()
            .map_or(0, |(_, group)| group.len())
    }

    fn drop_last_group(&mut self) {
        if let Some((hlc, group)) = self.groups.pop_last() {
            self.len -= group.len();
            self.leave_out(hlc);
        }
    }

    fn leave_out(&mut self, hlc: Hlc) {
        self.more = true;
        self.before = earlier(self.before.take(), Some(hlc));
    }

    /// Whether something may have been left out that is no later than `hlc`.
    fn is_behind(&self, hlc: &Hlc) -> bool {
        self.end.as_ref().is_some_and(|end| hlc > end)
            || self.before.as_ref().is_some_and(|before| hlc >= before)
    }
}

/// What was selected of one stream, or of several that were [joined](Stretch::join).
///
/// It says itself how far it is complete: nothing that lies between its items was left out, and what lies behind its
/// end is not known. So streams can only be joined by a rule that keeps to the earliest end.
#[derive(Debug)]
pub struct Stretch<T> {
    items: Vec<(Hlc, T)>,
    more: bool,
    /// The first item that is known to have been left out.
    before: Option<Hlc>,
    /// What is later is not known.
    end: Option<Hlc>,
    survey: Survey,
    unorderable: Unorderable<T>,
}

impl<T> Default for Stretch<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            more: false,
            before: None,
            end: None,
            survey: Survey::default(),
            unorderable: Unorderable::default(),
        }
    }
}

impl<T> Stretch<T> {
    /// What one reading of an index returns: the smallest timestamps that are wanted, in order, and whether it left
    /// out `more`, all of it later.
    pub fn of_reading(
        limit: usize,
        wanted: impl IntoIterator<Item = (Hlc, T)>,
        more: bool,
    ) -> Self {
        let mut selection = Selection::new(limit);
        selection.offer_reading(wanted, more);
        selection.finish()
    }

    /// The `limit` smallest of all of them. What one stream has behind the end of another has to wait: something
    /// earlier may follow there.
    pub fn join(limit: usize, stretches: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Selection::new(limit);
        for stretch in stretches {
            joined.survey.reads += stretch.survey.reads;
            joined.survey.newest.merge(&stretch.survey.newest);
            let too_late = joined.survey.too_late.take();
            joined.survey.too_late = earlier(too_late, stretch.survey.too_late);
            joined.more |= stretch.more;
            joined.unorderable.items.extend(stretch.unorderable.items);
            joined.unorderable.is_all |= stretch.unorderable.is_all;
            joined.end = earlier(joined.end.take(), stretch.end);
            joined.before = earlier(joined.before.take(), stretch.before);
            for (hlc, item) in stretch.items {
                joined.offer(hlc, item);
            }
        }
        joined.finish()
    }

    /// The same with other items in place of these.
    pub fn map<U>(self, change: impl Fn(T) -> U) -> Stretch<U> {
        let items = self.items.into_iter();
        let unorderable = self.unorderable.items.into_iter();
        Stretch {
            items: items.map(|(hlc, item)| (hlc, change(item))).collect(),
            more: self.more,
            before: self.before,
            end: self.end,
            survey: self.survey,
            unorderable: Unorderable {
                items: unorderable.map(&change).collect(),
                is_all: self.unorderable.is_all,
            },
        }
    }

    /// What the reading of the stores met.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// What was met without a timestamp.
    pub fn take_unorderable(&mut self) -> Unorderable<T> {
        std::mem::take(&mut self.unorderable)
    }

    /// The items in the order of their timestamps, and whether any were left out.
    pub fn into_items(self) -> (Vec<(Hlc, T)>, bool) {
        (self.items, self.more)
    }
}

fn earlier(a: Option<Hlc>, b: Option<Hlc>) -> Option<Hlc> {
    [a, b].into_iter().flatten().min()
}
