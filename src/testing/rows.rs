//! App rows, table by table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::body::Body;
use super::faults::{Faults, Operation, pause};
use super::log::{Journal, Shelf, key_of};
use crate::engine::ports::{AppRows, Capabilities, Order, Outcome, Scanned};
use crate::engine::purge::{Purge, Purged};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::{Hlc, wins};
use crate::protocol::item::{Item, ItemKind, Table};
use crate::protocol::log::{Key, Stream};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

type Rows = BTreeMap<Text, Item<Body>>;

/// Tables in the order in which they were registered.
pub(super) type TableRows = Vec<(Table, Rows)>;

/// The rows of a channel. All clones are one store.
#[derive(Debug, Clone)]
pub struct MemoryRows {
    pub(super) tables: Rc<RefCell<TableRows>>,
    pub(super) journal: Rc<RefCell<Option<Journal>>>,
    knows_coverage: bool,
    scan_page_size: usize,
    pub(super) faults: Faults,
}

impl MemoryRows {
    /// A store without tables, scanned in pages of `scan_page_size`.
    pub fn new(knows_coverage: bool, scan_page_size: usize, faults: Faults) -> Self {
        Self {
            tables: Rc::default(),
            journal: Rc::default(),
            knows_coverage,
            scan_page_size: scan_page_size.max(1),
            faults,
        }
    }

    /// Adds a table, if it is not there, and with it its app.
    pub fn register(&self, table: &Table) {
        let mut tables = self.tables.borrow_mut();
        if tables.iter().all(|(known, _)| known != table) {
            tables.push((table.clone(), Rows::new()));
        }
    }

    /// Removes a table with its rows; the change log sees it.
    pub fn unregister(&self, table: &Table) {
        let of_table = |item: &Item<Body>| item.kind == ItemKind::Row(table.clone());
        for row in self.all().into_iter().filter(of_table) {
            self.remove(&row, true);
        }
        self.tables.borrow_mut().retain(|(known, _)| known != table);
    }

    /// The same store with a change log, which begins with all that is there.
    #[must_use]
    pub fn keeping_a_log(self) -> Self {
        let mut journal = Journal::default();
        journal.verify(&*self.tables.borrow());
        *self.journal.borrow_mut() = Some(journal);
        self
    }

    /// Writes as the app does: at once, whatever stood there. `false` where the table is not there.
    pub fn write(&self, item: &Item<Body>) -> bool {
        let before = self.with_rows_of(&item.kind, |rows| {
            rows.get(&item.body.id).map(|row| row.hlc.clone())
        });
        let Some(before) = before else { return false };
        if let Some(journal) = &mut *self.journal.borrow_mut() {
            journal.note_written(key_of(item), item, before.as_ref());
        }
        self.write_behind(item)
    }

    /// Writes without the change log seeing it.
    pub fn write_behind(&self, item: &Item<Body>) -> bool {
        self.with_rows_of(&item.kind, |rows| {
            rows.insert(item.body.id.clone(), item.clone());
        })
        .is_some()
    }

    /// Removes a row, as by hand; the change log sees it if `is_seen`.
    pub fn remove(&self, item: &Item<Body>, is_seen: bool) {
        self.with_rows_of(&item.kind, |rows| rows.remove(&item.body.id));
        if let (Some(journal), true) = (&mut *self.journal.borrow_mut(), is_seen) {
            journal.forget(&key_of(item));
        }
    }

    /// Removes tombstones, after the rules of [`purge`](crate::engine::purge). Nothing where there is no change log.
    pub fn purge(&self, purge: &Purge) -> Option<Purged> {
        let purged = {
            let mut journal = self.journal.borrow_mut();
            journal.as_mut()?.purge(purge, &*self.tables.borrow())
        };
        for (key, _) in &purged.removed {
            let row = self.tables.borrow().get(key);
            if let Some(row) = row {
                self.remove(&row, true);
            }
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

    /// How many tables there are.
    pub fn tables_len(&self) -> usize {
        self.tables.borrow().len()
    }

    /// Everything that is stored.
    pub fn all(&self) -> Vec<Item<Body>> {
        let tables = self.tables.borrow();
        let rows = tables.iter().flat_map(|(_, rows)| rows.values());
        rows.cloned().collect()
    }

    /// Puts these in the place of everything that is stored; the tables stay.
    pub fn replace(&self, items: &[Item<Body>]) {
        for (_, rows) in self.tables.borrow_mut().iter_mut() {
            rows.clear();
        }
        for item in items {
            self.write_behind(item);
        }
    }

    fn with_rows_of<T>(&self, kind: &ItemKind, act: impl FnOnce(&mut Rows) -> T) -> Option<T> {
        let ItemKind::Row(table) = kind else {
            return None;
        };
        let mut tables = self.tables.borrow_mut();
        let rows = tables.iter_mut().find(|(known, _)| known == table);
        rows.map(|(_, rows)| act(rows))
    }

    /// The rows after `from`, which is a timestamp and an id, in that order, at most a page.
    fn page_after(&self, table: &Table, from: &(Hlc, Option<Text>)) -> Vec<Item<Body>> {
        let tables = self.tables.borrow();
        let rows = tables.iter().filter(|(known, _)| known == table);
        let mut after: Vec<_> = rows
            .flat_map(|(_, rows)| rows.values())
            .filter(|item| match &from.1 {
                None => item.hlc > from.0,
                Some(id) => (&item.hlc, &item.body.id) > (&from.0, id),
            })
            .cloned()
            .collect();
        after.sort_by(|a, b| (&a.hlc, &a.body.id).cmp(&(&b.hlc, &b.body.id)));
        after.truncate(self.scan_page_size);
        after
    }
}

impl Shelf for TableRows {
    fn streams(&self) -> Vec<Stream> {
        let tables = self.iter();
        let mut streams: Vec<_> = tables
            .map(|(table, _)| Stream::Rows(table.clone()))
            .collect();
        streams.sort_by_key(Stream::name);
        streams
    }

    fn get(&self, key: &Key) -> Option<Item<Body>> {
        let table = self
            .iter()
            .find(|(table, _)| Stream::Rows(table.clone()) == key.stream);
        table.and_then(|(_, rows)| rows.get(&key.id).cloned())
    }

    fn keys(&self) -> Vec<Key> {
        let rows = self.iter().flat_map(|(_, rows)| rows.values());
        rows.map(key_of).collect()
    }
}

impl AppRows<Body> for MemoryRows {
    type Cursor = (Hlc, Option<Text>);

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            coverage: self.knows_coverage,
            ..Capabilities::default()
        })
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        self.faults.meet(Operation::ListTables, None).await?;
        let tables = self.tables.borrow();
        Ok(tables.iter().map(|(table, _)| table.clone()).collect())
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        pause().await;
        Ok(self
            .tables
            .borrow()
            .iter()
            .any(|(table, _)| table.app == *app))
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        let name = Some(&table.name);
        self.faults.meet(Operation::CoverRows, name).await?;
        let mut held = Watermarks::default();
        self.with_rows_of(&ItemKind::Row(table.clone()), |rows| {
            for item in rows.values() {
                held.advance(&item.hlc);
            }
        });
        pause().await;
        Ok(held)
    }

    async fn changes(&self, _table: &Table, _ask: &Ask) -> Result<Stretch<Item<Body>>> {
        Ok(Stretch::default())
    }

    async fn scan(
        &self,
        table: &Table,
        (floor, after): (&Hlc, Option<(Hlc, Option<Text>)>),
        ask: &Ask,
        horizon: Option<&Hlc>,
    ) -> Result<Scanned<Body, (Hlc, Option<Text>)>> {
        let from = after.unwrap_or_else(|| (floor.clone(), None));
        let name = Some(&table.name);
        self.faults.meet(Operation::ScanRows, name).await?;
        let rows = self.page_after(table, &from);
        pause().await;
        let last = rows.last().cloned();
        let mut scanned = Scanned {
            reached: last.as_ref().map(|last| last.hlc.clone()),
            next: last.map(|last| (last.hlc, Some(last.body.id))),
            ..Scanned::default()
        };
        for item in rows {
            scanned.sort_in(ask, horizon, item, |_| Text::from(""));
        }
        Ok(scanned)
    }

    async fn apply_one(&self, item: &Item<Body>) -> Result<()> {
        let id = Some(&item.body.id);
        self.faults.meet(Operation::ApplyRow, id).await?;
        let newer = self.with_rows_of(&item.kind, |rows| {
            wins(&item.hlc, rows.get(&item.body.id).map(|row| &row.hlc))
        });
        let applied = newer.map(|is_newer| is_newer.then(|| self.write(item)));
        pause().await;
        applied.map(drop).ok_or_else(|| {
            let message = "the table is not registered on this side";
            Error::new(ErrorKind::UnknownApp, "apply an app row", message)
        })
    }

    async fn apply(&self, _items: Vec<Item<Body>>, _order: Order) -> Result<Vec<Outcome>> {
        Ok(Vec::new())
    }
}
