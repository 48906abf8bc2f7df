//! Stores of items: shared records, and rows of apps.

use std::collections::HashMap;

use super::clock::Clock;
use crate::engine::change_log::ChangeLog;
use crate::engine::outcome::Outcome;
use crate::error::Result;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// What a store is able to do beside what every store does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It can say per node which timestamp is the greatest that it holds.
    pub coverage: bool,
    /// It finds what an asker has not seen by an index.
    pub index: bool,
    /// It takes a page in at once.
    pub pages: bool,
}

/// Whether anything of a node may be taken in after an item of it that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Nothing is.
    Strict,
    /// Each item stands by itself.
    Loose,
}

/// One page of a scan.
#[derive(Debug)]
pub struct Scanned<B, C> {
    /// The wanted items, unless they lie behind the horizon that the scan was given.
    pub items: Vec<Item<B>>,
    /// The others that are unseen, by timestamp and id; the id of a row may be empty.
    pub others: Vec<(Hlc, Text)>,
    /// Whether each of the items and the others can be asked for by its id.
    pub has_ids: bool,
    /// What has no valid timestamp, each with its fault.
    pub unorderable: Vec<Item<B>>,
    /// The greatest timestamp that was met, if the scan is in the order of timestamps.
    pub reached: Option<Hlc>,
    /// How many records there are on the page, wanted or not.
    pub met: usize,
    /// Where the next page begins, if there is one.
    pub next: Option<C>,
}

impl<B, C> Default for Scanned<B, C> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            others: Vec::new(),
            has_ids: true,
            unorderable: Vec::new(),
            reached: None,
            met: 0,
            next: None,
        }
    }
}

impl<B, C> Scanned<B, C> {
    /// Adds an item that the scan met, if `ask` does not leave it out.
    pub fn sort_in(
        &mut self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        item: Item<B>,
        id: impl Fn(&Item<B>) -> Text,
    ) {
        match ask.place_of(&item.hlc, horizon) {
            Some(true) => self.items.push(item),
            Some(false) => {
                let id = id(&item);
                self.others.push((item.hlc, id));
            }
            None => {}
        }
    }
}

/// A store of shared records.
pub trait Records<B>: ChangeLog<B> {
    /// Where a page of a scan begins.
    type Cursor;

    /// What the store is able to do, for the length of a round.
    ///
    /// # Errors
    /// What finding out failed with.
    fn capabilities(&self) -> Result<Capabilities>;

    /// Per node the greatest timestamp held, tombstones included. Asked only if the store has
    /// [`coverage`](Capabilities::coverage).
    async fn coverage(&self) -> Result<Watermarks>;

    /// Per node of `marks` the greatest timestamp held that is not later than its entry; `None` if the store has no
    /// way to find that.
    async fn newest_upto(&self, _marks: &Watermarks) -> Result<Option<Watermarks>> {
        Ok(None)
    }

    /// What the store was given late, after the first `known` times.
    fn late(&self, _known: u64) -> Late {
        Late::default()
    }

    /// What `ask` wants, by the store's index. `None` if the records have to be scanned after all. Asked only if
    /// the store has an [`index`](Capabilities::index).
    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<B>>>>;

    /// One page of all records, from `after` on, in any order. Nothing is wanted behind `horizon`.
    async fn scan(
        &self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        after: Option<Self::Cursor>,
    ) -> Result<Scanned<B, Self::Cursor>>;

    /// Those of the `wanted` whose stored version still has the timestamp that is wanted.
    async fn fetch(&self, wanted: &[(Hlc, Text)]) -> Result<Fetched<B>>;

    /// At most `limit` records that have no place in the order, because what stands as their time is no
    /// timestamp: each with a fault that says so.
    async fn unorderable(&self, _limit: usize) -> Result<Vec<Item<B>>> {
        Ok(Vec::new())
    }

    /// The timestamp of the stored version of `id`.
    async fn stored(&self, id: &Text) -> Result<Option<Hlc>>;

    /// Stores this version, whatever was stored before.
    async fn put(&self, item: &Item<B>) -> Result<()>;

    /// Stores records of which there is no version here, one after the other, each once the side's `clock` has heard of
    /// it. Ends before the first that there is a version of, or that fails.
    async fn add(&self, items: &[&Item<B>], clock: &impl Clock) -> Added {
        for (stored, item) in items.iter().enumerate() {
            let Some(id) = item.kind.record_id() else {
                return Added { stored, end: None };
            };
            let added = async {
                let found = self.stored(id).await?;
                if found.is_none() {
                    clock.receive(&item.hlc).await?;
                    self.put(item).await?;
                }
                Ok(found)
            };
            match added.await {
                Ok(None) => {}
                end => {
                    let end = Some(end);
                    return Added { stored, end };
                }
            }
        }
        let stored = items.len();
        Added { stored, end: None }
    }

    /// Takes in a page in the order of timestamps, last writer wins, and returns what became of each item. An error
    /// means that none was taken in. Asked only if the store takes [`pages`](Capabilities::pages).
    async fn apply(&self, items: Vec<Item<B>>, order: Order) -> Result<Vec<Outcome>>;
}

/// What became of records that were to be [added](Records::add).
#[derive(Debug, Default)]
pub struct Added {
    /// How many were stored, from the first on.
    pub stored: usize,
    /// What is known of the one after them: the timestamp of the version that there is, if it has one, or what failed.
    pub end: Option<Result<Option<Hlc>>>,
}

/// Items by timestamp and id.
pub type Fetched<B> = HashMap<(Hlc, Text), Item<B>>;

/// The app rows of a channel.
pub trait AppRows<B>: ChangeLog<B> {
    /// Where a page of a scan begins.
    type Cursor;

    /// What the store is able to do, for the length of a round.
    ///
    /// # Errors
    /// What finding out failed with.
    fn capabilities(&self) -> Result<Capabilities>;

    /// Every table of every registered app.
    async fn tables(&self) -> Result<Vec<Table>>;

    /// Whether the app is registered.
    async fn knows(&self, app: &Text) -> Result<bool>;

    /// Per node the greatest timestamp that the table holds. Asked only if the store has
    /// [`coverage`](Capabilities::coverage).
    async fn coverage(&self, table: &Table) -> Result<Watermarks>;

    /// As [`Records::newest_upto`], of one table.
    async fn newest_upto(&self, _table: &Table, _marks: &Watermarks) -> Result<Option<Watermarks>> {
        Ok(None)
    }

    /// As [`Records::late`].
    fn late(&self, _known: u64) -> Late {
        Late::default()
    }

    /// The rows of `table` that `ask` wants, by an index. Asked only if the store has an
    /// [`index`](Capabilities::index).
    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<B>>>;

    /// One page of the rows of `table` that are later than a timestamp, from a cursor on, in the order of the text
    /// of their timestamps. Nothing is wanted behind `horizon`.
    async fn scan(
        &self,
        table: &Table,
        from: (&Hlc, Option<Self::Cursor>),
        ask: &Ask,
        horizon: Option<&Hlc>,
    ) -> Result<Scanned<B, Self::Cursor>>;

    /// At most `limit` rows of `table` that have no place in the order, as
    /// [`Records::unorderable`] are.
    async fn unorderable(&self, _table: &Table, _limit: usize) -> Result<Vec<Item<B>>> {
        Ok(Vec::new())
    }

    /// Applies this version of a row, last writer wins.
    async fn apply_one(&self, item: &Item<B>) -> Result<()>;

    /// Takes in a page in the order of timestamps, as [`Records::apply`] does. Asked only if the store takes
    /// [`pages`](Capabilities::pages).
    async fn apply(&self, items: Vec<Item<B>>, order: Order) -> Result<Vec<Outcome>>;
}

/// Timestamps of the own node that a store was given although it held a later one: a pass that goes by
/// watermarks does not meet their items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Late {
    /// How many there were since the store was opened, these included.
    pub count: u64,
    /// Those that are asked for.
    pub stamps: Vec<Hlc>,
    /// The nodes of which nothing was told yet.
    pub untold: Vec<NodeId>,
}
