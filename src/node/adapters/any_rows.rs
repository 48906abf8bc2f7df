//! The app rows of a channel, of the app or of this package.

use std::sync::Arc;

use super::direct::{Direct, OffThread, ask, store_of};
use super::rows::JsRows;
use crate::engine::ports::{AppRows, Capabilities, Order, Outcome, Scanned};
use crate::error::Result;
use crate::node::convert::Body;
use crate::node::runtime::JsObject;
use crate::node::value::Persistent;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::RowPort;
use crate::store::{AppRowStore, Holder};

/// See the [module page](self).
pub struct AnyRows {
    js: JsRows,
    namespaces: Direct<dyn AppRowStore>,
    applier: Direct<dyn AppRowStore>,
}

impl AnyRows {
    /// The two objects of an `appSyncableSource`, scanned in pages of `scan_page_size`.
    pub fn new([namespaces, applier]: [JsObject; 2], scan_page_size: f64) -> Self {
        Self {
            js: JsRows {
                namespaces,
                applier,
                scan_page_size,
            },
            namespaces: Direct::new(),
            applier: Direct::new(),
        }
    }

    /// Finds out whose rows they are. Once a round.
    pub fn look(&self) -> Result<()> {
        self.namespaces.look(&self.js.namespaces)?;
        self.applier.look(&self.js.applier)
    }

    /// The store that is behind both objects: an app may have put one of its own beside one of ours.
    pub fn native(&self) -> Option<Arc<dyn AppRowStore>> {
        let (listing, applying) = (self.namespaces.get()?, self.applier.get()?);
        Arc::ptr_eq(&listing, &applying).then_some(applying)
    }

    pub(super) fn port(&self) -> Option<RowPort<OffThread>> {
        self.native()
            .and_then(|_| self.applier.port(self.js.applier.env()))
    }

    /// The transaction that has the turn of a store of this package, as the applier is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let store = store_of::<dyn AppRowStore>(&self.js.applier)?;
        Ok(store.and_then(|store| store.held_by()))
    }
}

impl AppRows<Body> for AnyRows {
    type Cursor = Persistent;

    fn capabilities(&self) -> Result<Capabilities> {
        match self.port() {
            Some(port) => port.capabilities(),
            None => self.js.capabilities(),
        }
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        ask!(self.tables())
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        ask!(self.knows(app))
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        ask!(self.coverage(table))
    }

    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<Body>>> {
        ask!(self.changes(table, ask))
    }

    async fn scan(
        &self,
        table: &Table,
        from: (&Hlc, Option<Persistent>),
        ask: &Ask,
        horizon: Option<&Hlc>,
    ) -> Result<Scanned<Body, Persistent>> {
        self.js.scan(table, from, ask, horizon).await
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Body>>> {
        ask!(self.unorderable(table, limit))
    }

    async fn apply_one(&self, item: &Item<Body>) -> Result<()> {
        ask!(self.apply_one(item))
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        ask!(self.apply(items, order))
    }
}
