//! Shared records.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use super::body::Body;
use super::faults::{Faults, Operation, pause};
use super::log::{Journal, Shelf, key_of};
use crate::engine::ports::{Capabilities, Fetched, Order, Outcome, Records, Scanned};
use crate::engine::purge::{Purge, Purged};
use crate::error::Result;
use crate::protocol::delta::{Ask, Selection, Stretch};
use crate::protocol::hlc::{Hlc, wins};
use crate::protocol::item::Item;
use crate::protocol::log::{Key, Stream};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// How unseen records are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// By a scan of all of them; it cannot say what is held.
    Scanned,
    /// By a pass over all of them, which what is held can spare.
    Covered,
    /// By an index, all at one moment.
    Indexed,
}

/// Records by their ids.
pub(super) type Items = BTreeMap<Text, Item<Body>>;

/// A store of shared records. All clones are one store.
#[derive(Debug, Clone)]
pub struct MemoryRecords {
    pub(super) items: Rc<RefCell<Items>>,
    pub(super) journal: Rc<RefCell<Option<Journal>>>,
    access: Access,
    scan_page_size: usize,
    keeps_newer: bool,
    pub(super) faults: Faults,
}

impl MemoryRecords {
    /// An empty store, scanned in pages of `scan_page_size`.
    pub fn new(access: Access, scan_page_size: usize, faults: Faults) -> Self {
        Self {
            items: Rc::default(),
            journal: Rc::default(),
            access,
            scan_page_size: scan_page_size.max(1),
            keeps_newer: false,
            faults,
        }
    }

    /// The same store, which puts no version in the place of a newer one: what the app writes between an
    /// engine's look and its put is safe then.
    #[must_use]
    pub fn keeping_newer(self) -> Self {
        Self {
            keeps_newer: true,
            ..self
        }
    }

    /// The same store with a change log, which begins with all that is there.
    #[must_use]
    pub fn keeping_a_log(self) -> Self {
        let mut journal = Journal::default();
        journal.verify(&*self.items.borrow());
        *self.journal.borrow_mut() = Some(journal);
        self
    }

    /// Writes as the app does: at once.
    pub fn write(&self, item: Item<Body>) {
        let before = self.time_of(&item.body.id);
        if let Some(journal) = &mut *self.journal.borrow_mut() {
            journal.note_written(key_of(&item), &item, before.as_ref());
        }
        self.write_behind(item);
    }

    /// Writes without the change log seeing it.
    pub fn write_behind(&self, item: Item<Body>) {
        self.items.borrow_mut().insert(item.body.id.clone(), item);
    }

    /// Removes a record, as by hand; the change log sees it if `is_seen`.
    pub fn remove(&self, id: &Text, is_seen: bool) {
        let removed = self.items.borrow_mut().remove(id);
        let mut journal = self.journal.borrow_mut();
        if let (Some(item), Some(journal), true) = (removed, &mut *journal, is_seen) {
            journal.forget(&key_of(&item));
        }
    }

    /// Removes tombstones, after the rules of [`purge`](crate::engine::purge). Nothing where there is no change log.
    pub fn purge(&self, purge: &Purge) -> Option<Purged> {
        let purged = {
            let mut journal = self.journal.borrow_mut();
            journal.as_mut()?.purge(purge, &*self.items.borrow())
        };
        for (key, _) in &purged.removed {
            self.remove(&key.id, true);
        }
        Some(purged)
    }

    /// What lies in the change log.
    pub fn journal(&self) -> Option<Journal> {
        self.journal.borrow().clone()
    }

    /// Puts this in the place of the change log.
    pub fn put_journal(&self, journal: Option<Journal>) {
        *self.journal.borrow_mut() = journal;
    }

    /// The file is opened again.
    pub fn open(&self) {
        if let Some(journal) = &mut *self.journal.borrow_mut() {
            journal.open();
        }
    }

    /// Everything that is stored, in the order of ids.
    pub fn all(&self) -> Vec<Item<Body>> {
        self.items.borrow().values().cloned().collect()
    }

    /// Puts these in the place of everything that is stored.
    pub fn replace(&self, items: Vec<Item<Body>>) {
        let items = items.into_iter().map(|item| (item.body.id.clone(), item));
        *self.items.borrow_mut() = items.collect();
    }

    fn time_of(&self, id: &Text) -> Option<Hlc> {
        self.items.borrow().get(id).map(|item| item.hlc.clone())
    }

    /// The record with this id.
    async fn get(&self, id: &Text) -> Result<Option<Item<Body>>> {
        self.faults.meet(Operation::GetRecord, Some(id)).await?;
        let found = self.items.borrow().get(id).cloned();
        pause().await;
        Ok(found)
    }
}

impl Shelf for Items {
    fn streams(&self) -> Vec<Stream> {
        vec![Stream::Records]
    }

    fn get(&self, key: &Key) -> Option<Item<Body>> {
        Self::get(self, &key.id).cloned()
    }

    fn keys(&self) -> Vec<Key> {
        self.values().map(key_of).collect()
    }
}

impl Records<Body> for MemoryRecords {
    type Cursor = Text;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            coverage: self.access != Access::Scanned,
            index: self.access == Access::Indexed,
            pages: false,
        })
    }

    async fn coverage(&self) -> Result<Watermarks> {
        self.faults.meet(Operation::CoverRecords, None).await?;
        let mut held = Watermarks::default();
        for item in self.items.borrow().values() {
            held.advance(&item.hlc);
        }
        pause().await;
        Ok(held)
    }

    async fn newest_upto(&self, marks: &Watermarks) -> Result<Option<Watermarks>> {
        if self.access != Access::Indexed {
            return Ok(None);
        }
        let items = self.items.borrow();
        let held = items.values().map(|item| &item.hlc);
        let mut newest = Watermarks::default();
        held.filter(|hlc| marks.covers(hlc))
            .for_each(|hlc| newest.advance(hlc));
        Ok(Some(newest))
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<Body>>>> {
        self.faults.meet(Operation::ScanRecords, None).await?;
        let mut selection = Selection::new(ask.limit);
        selection.begin_read();
        for item in self.items.borrow().values() {
            if selection.meets(ask, &item.hlc) {
                selection.offer(item.hlc.clone(), item.clone());
            }
        }
        pause().await;
        Ok(Some(selection.finish()))
    }

    /// A page is in the order of ids and begins behind one.
    async fn scan(
        &self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        after: Option<Text>,
    ) -> Result<Scanned<Body, Text>> {
        self.faults.meet(Operation::ScanRecords, None).await?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page: Vec<_> = self
            .items
            .borrow()
            .range((from, Bound::Unbounded))
            .take(self.scan_page_size)
            .map(|(_, item)| item.clone())
            .collect();
        pause().await;
        let mut scanned = Scanned {
            met: page.len(),
            next: page.last().map(|item| item.body.id.clone()),
            ..Scanned::default()
        };
        for item in page {
            scanned.sort_in(ask, horizon, item, |item| item.body.id.clone());
        }
        Ok(scanned)
    }

    async fn fetch(&self, wanted: &[(Hlc, Text)]) -> Result<Fetched<Body>> {
        let mut fetched = Fetched::new();
        for known in wanted {
            let found = self.get(&known.1).await?;
            fetched.extend(
                found
                    .filter(|item| item.hlc == known.0)
                    .map(|item| (known.clone(), item)),
            );
        }
        Ok(fetched)
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        Ok(self.get(id).await?.map(|item| item.hlc))
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        let id = Some(&item.body.id);
        self.faults.meet(Operation::PutRecord, id).await?;
        if !self.keeps_newer || wins(&item.hlc, self.time_of(&item.body.id).as_ref()) {
            self.write(item.clone());
        }
        pause().await;
        Ok(())
    }

    async fn apply(&self, _items: Vec<Item<Body>>, _order: Order) -> Result<Vec<Outcome>> {
        Ok(Vec::new())
    }
}
