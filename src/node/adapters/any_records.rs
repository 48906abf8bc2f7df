//! A store of shared records, of the app's or of this package.

use std::sync::Arc;

use super::direct::{Direct, OffThread, ask, store_of};
use super::records::JsRecords;
use crate::engine::ports::{Capabilities, Fetched, Order, Outcome, Records, Scanned};
use crate::error::Result;
use crate::node::convert::Body;
use crate::node::runtime::JsObject;
use crate::node::value::Persistent;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::RecordPort;
use crate::store::{Holder, RecordStore};

/// See the [module page](self).
pub struct AnyRecords {
    js: JsRecords,
    direct: Direct<dyn RecordStore>,
}

impl AnyRecords {
    /// The adapter, scanned in pages of `scan_page_size`.
    pub fn new(adapter: JsObject, scan_page_size: f64) -> Self {
        Self {
            js: JsRecords::new(adapter, scan_page_size),
            direct: Direct::new(),
        }
    }

    /// Finds out whose store it is. Once a round.
    pub fn look(&self) -> Result<()> {
        self.direct.look(&self.js.adapter)
    }

    /// The store that is behind it, if it is this package's own.
    pub fn native(&self) -> Option<Arc<dyn RecordStore>> {
        self.direct.get()
    }

    pub(super) fn port(&self) -> Option<RecordPort<OffThread>> {
        self.direct.port(self.js.adapter.env())
    }

    /// The transaction that has the turn of a store of this package, as the adapter is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let store = store_of::<dyn RecordStore>(&self.js.adapter)?;
        Ok(store.and_then(|store| store.held_by()))
    }
}

impl Records<Body> for AnyRecords {
    type Cursor = Persistent;

    fn capabilities(&self) -> Result<Capabilities> {
        match self.port() {
            Some(port) => port.capabilities(),
            None => self.js.capabilities(),
        }
    }

    async fn coverage(&self) -> Result<Watermarks> {
        ask!(self.coverage())
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<Body>>>> {
        ask!(self.changes(ask))
    }

    async fn scan(
        &self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        after: Option<Persistent>,
    ) -> Result<Scanned<Body, Persistent>> {
        self.js.scan(ask, horizon, after).await
    }

    async fn fetch(&self, wanted: &[(Hlc, Text)]) -> Result<Fetched<Body>> {
        self.js.fetch(wanted).await
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<Body>>> {
        ask!(self.unorderable(limit))
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        ask!(self.stored(id))
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        ask!(self.put(item))
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        ask!(self.apply(items, order))
    }
}
