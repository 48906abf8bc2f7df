//! Finding unseen records where no index helps: one full pass, and the backlog that it leaves.

#![allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::protocol::delta::{Ask, Backlog, Page, Standing};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;

/// What was fetched of a backlog, by timestamp and id.
pub type Fetched<B> = HashMap<(Hlc, Text), Item<B>>;

/// A store of records that is read through page by page, or asked for single ones.
pub trait Passable<B> {
    /// Where a page begins.
    type Place;

    /// Meets the records of the page at `place`, the first where there is none; answers where the next one
    /// begins.
    async fn meet(
        &self,
        place: Option<Self::Place>,
        meeting: &mut Meeting<'_, B>,
    ) -> Result<Option<Self::Place>>;

    /// Adds to `fetched` those records of the `wanted` that still stand as they are wanted.
    async fn fetch(&self, wanted: &[(Hlc, Text)], fetched: &mut Fetched<B>) -> Result<()>;
}

/// What a pass makes of the records that it meets.
pub struct Meeting<'a, B> {
    ask: &'a Ask,
    page: &'a mut Page<Item<B>>,
    found: Page<Text>,
    remembers: bool,
}

impl<B> Meeting<'_, B> {
    /// Whether a record with this timestamp has to be met: one that was seen need not be.
    pub fn may_want(&self, hlc: &Hlc) -> bool {
        self.ask.standing(hlc) != Standing::Unwanted
    }

    /// Meets a record by its timestamp; `None` if it is not wanted, else whether it gets a place on the page.
    pub fn place_of(&mut self, hlc: &Hlc) -> Option<bool> {
        let has_place = self.page.meets(self.ask, hlc);
        (has_place || self.ask.wants(hlc)).then_some(has_place)
    }

    /// Remembers a record that is wanted.
    pub fn note(&mut self, hlc: Hlc, id: Text) {
        self.found.offer(hlc, id);
    }

    /// One of the wanted records cannot be asked for by its id: what this pass found is not remembered.
    pub fn remember_nothing(&mut self) {
        self.remembers = false;
    }

    /// Notes a record that has no timestamp.
    pub fn note_unorderable(&mut self, item: Item<B>) {
        self.page.note_unorderable(item);
    }

    /// Gives a record its place.
    pub fn offer(&mut self, item: Item<B>) {
        self.page.offer(item.hlc.clone(), item);
    }
}

/// Offers what `ask` wants to the page, from the backlog where that knows of a whole page.
pub async fn unseen<B>(
    store: &impl Passable<B>,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
    page: &mut Page<Item<B>>,
) -> Result<()> {
    if fetch(store, ask, backlog, page).await? {
        return Ok(());
    }
    scan(store, ask, backlog, page).await
}

/// One full pass: keeps the page, and remembers the ids of what did not fit.
pub async fn scan<B>(
    store: &impl Passable<B>,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
    page: &mut Page<Item<B>>,
) -> Result<()> {
    let mut meeting = Meeting {
        ask,
        page,
        found: Page::new(Backlog::<Text>::CAPACITY),
        remembers: true,
    };
    let mut place = None;
    loop {
        meeting.page.begin_read();
        place = store.meet(place, &mut meeting).await?;
        if place.is_none() {
            break;
        }
    }
    meeting.page.read_all();
    let remembers = meeting.remembers;
    let (found, _) = meeting.found.finish();
    if remembers && found.len() > ask.limit {
        backlog.remember(ask, page.survey().newest.clone(), found);
    } else {
        backlog.forget();
    }
    Ok(())
}

/// Fetches the page that an earlier pass knows of, or answers `false` where none does. What changed since
/// has a later timestamp and is found by a later pass; what follows it takes its place, for items of other
/// streams must find the page as full as it was meant.
pub async fn fetch<B>(
    store: &impl Passable<B>,
    ask: &Ask,
    backlog: &mut Backlog<Text>,
    page: &mut Page<Item<B>>,
) -> Result<bool> {
    let mut fetched = Fetched::new();
    while let Some(known) = backlog.next_page(ask) {
        let missing = missing_of(&known, &fetched);
        store.fetch(&missing, &mut fetched).await?;
        let gone: HashSet<_> = missing_of(&missing, &fetched).into_iter().collect();
        if gone.is_empty() {
            for item in known.iter().filter_map(|known| fetched.remove(known)) {
                page.offer(item.hlc.clone(), item);
            }
            page.left_out_more();
            return Ok(true);
        }
        backlog.gone(&gone);
    }
    Ok(false)
}

/// Those of the wanted that were not fetched yet.
pub fn missing_of<B>(wanted: &[(Hlc, Text)], fetched: &Fetched<B>) -> Vec<(Hlc, Text)> {
    let missing = wanted.iter().filter(|one| !fetched.contains_key(one));
    missing.cloned().collect()
}
