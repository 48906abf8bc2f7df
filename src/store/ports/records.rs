//! Stores of records and of app rows, as ports.

use std::convert::Infallible;

use super::port::{Here, Port, Threading};
use crate::engine::ports::{
    AppRows, Capabilities, Fetched, Late, Order, Outcome, Records, Scanned,
};
use crate::error::Result;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::{AppRowStore, RecordStore};

/// Shared records, as a port.
pub type RecordPort<P = Here> = Port<dyn RecordStore, P>;
/// App rows, as a port.
pub type RowPort<P = Here> = Port<dyn AppRowStore, P>;

const ABLE: Capabilities = Capabilities {
    coverage: true,
    index: true,
    pages: true,
};

impl<P: Threading> Records<P::Body> for RecordPort<P> {
    type Cursor = Infallible;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(ABLE)
    }

    async fn coverage(&self) -> Result<Watermarks> {
        self.ask(|store| store.node_watermarks()).await
    }

    async fn newest_upto(&self, marks: &Watermarks) -> Result<Option<Watermarks>> {
        let marks = marks.clone();
        self.ask(move |store| store.newest_upto(marks)).await
    }

    fn late(&self, known: u64) -> Late {
        self.store.late(known)
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<P::Body>>>> {
        let asked = ask.clone();
        let found = self.ask(|store| store.unseen(asked)).await?;
        Ok(Some(self.stretch(ask, found)))
    }

    async fn scan(
        &self,
        _ask: &Ask,
        _horizon: Option<&Hlc>,
        _after: Option<Infallible>,
    ) -> Result<Scanned<P::Body, Infallible>> {
        Ok(Scanned::default())
    }

    async fn fetch(&self, _wanted: &[(Hlc, Text)]) -> Result<Fetched<P::Body>> {
        Ok(Fetched::new())
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<P::Body>>> {
        let found = self.ask(move |store| store.unorderable(limit)).await?;
        Ok(found.into_iter().map(|item| self.own(item)).collect())
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        let id = id.clone();
        self.ask(move |store| store.stored(&id)).await
    }

    async fn put(&self, item: &Item<P::Body>) -> Result<()> {
        let record = self.place.json(&item.body)?;
        self.ask(|store| store.put(record)).await
    }

    async fn apply(&self, items: Vec<Item<P::Body>>, order: Order) -> Result<Vec<Outcome>> {
        self.apply_page(items, order, |store, items, strict| {
            store.take_in(items, strict)
        })
        .await
    }
}

impl<P: Threading> AppRows<P::Body> for RowPort<P> {
    type Cursor = Infallible;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(ABLE)
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        self.ask(|store| store.tables()).await
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        let app = app.clone();
        let found = self.ask(move |store| store.namespace(&app)).await?;
        Ok(found.is_some())
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        let table = table.clone();
        self.ask(move |store| store.node_watermarks(&table)).await
    }

    async fn newest_upto(&self, table: &Table, marks: &Watermarks) -> Result<Option<Watermarks>> {
        let (table, marks) = (table.clone(), marks.clone());
        self.ask(move |store| store.newest_upto(&table, marks))
            .await
    }

    fn late(&self, known: u64) -> Late {
        self.store.late(known)
    }

    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<P::Body>>> {
        let (table, asked) = (table.clone(), ask.clone());
        let found = self.ask(move |store| store.unseen(&table, asked)).await?;
        Ok(self.stretch(ask, found))
    }

    async fn scan(
        &self,
        _table: &Table,
        _from: (&Hlc, Option<Infallible>),
        _ask: &Ask,
        _horizon: Option<&Hlc>,
    ) -> Result<Scanned<P::Body, Infallible>> {
        Ok(Scanned::default())
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<P::Body>>> {
        let table = table.clone();
        let found = self.ask(move |store| store.unorderable(&table, limit));
        let found = found.await?.into_iter();
        Ok(found.map(|item| self.own(item)).collect())
    }

    async fn apply_one(&self, item: &Item<P::Body>) -> Result<()> {
        let item = item.with_body(|body| self.place.json(body))?;
        self.ask(|store| store.apply(item)).await
    }

    async fn apply(&self, items: Vec<Item<P::Body>>, order: Order) -> Result<Vec<Outcome>> {
        self.apply_page(items, order, |store, items, strict| {
            store.take_in(items, strict)
        })
        .await
    }
}
