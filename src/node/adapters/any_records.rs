//! A store of shared records, of the app's or of this package.

use std::rc::Rc;
use std::sync::Arc;

use super::direct::Direct;
use super::handle_items::Logged;
use super::handle_sql::LogAt;
use super::off_thread::OffThread;
use super::records::JsRecords;
use crate::engine::ports::{Capabilities, Fetched, Late, Order, Outcome, Records, Scanned};
use crate::error::Result;
use crate::node::convert::Body;
use crate::node::stores::NativeRecords;
use crate::node::value::{Handle, Persistent};
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::{Port, RecordPort};
use crate::store::{Holder, RecordStore};

/// See the [module page](self).
pub struct AnyRecords {
    adapter: Handle,
    js: JsRecords,
    log: Logged,
    direct: Direct<NativeRecords>,
}

impl AnyRecords {
    /// The adapter that came in as `option`, scanned in pages of `scan_page_size`.
    pub fn new(adapter: Handle, option: &'static str, scan_page_size: f64) -> Self {
        Self {
            js: JsRecords::new(adapter.clone(), option, scan_page_size),
            log: Logged::new(LogAt::new(adapter.clone(), None)),
            adapter,
            direct: Direct::new(),
        }
    }

    /// Finds out whose store it is. Once a round.
    pub fn look(&self) -> Result<()> {
        self.direct.look(&self.adapter)?;
        match self.direct.get() {
            Some(_) => Ok(()),
            None => self.js.look().and_then(|()| self.log.look()),
        }
    }

    /// The store that is behind it, if it is this package's own.
    pub fn native(&self) -> Option<Arc<dyn RecordStore>> {
        self.direct.get().map(|native| Arc::clone(&native.0))
    }

    /// The same as a port, whose work is done off this thread.
    pub(super) fn port(&self) -> Option<RecordPort<OffThread>> {
        let place = OffThread(Rc::clone(self.adapter.env()));
        self.native().map(|store| Port { store, place })
    }

    /// The log of the app's own database, if it is wrapped.
    pub(super) fn logged(&self) -> &Logged {
        &self.log
    }

    /// The transaction that has the turn of a store of this package, as the adapter is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let native = self.adapter.native::<NativeRecords>()?;
        Ok(native.and_then(|native| native.0.held_by()))
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
        match self.port() {
            Some(port) => port.coverage().await,
            None => self.js.coverage().await,
        }
    }

    async fn newest_upto(&self, marks: &Watermarks) -> Result<Option<Watermarks>> {
        match self.port() {
            Some(port) => port.newest_upto(marks).await,
            None => Ok(None),
        }
    }

    fn late(&self, known: u64) -> Late {
        self.port()
            .map_or_else(Late::default, |port| port.late(known))
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<Body>>>> {
        match self.port() {
            Some(port) => port.changes(ask).await,
            None => self.js.changes(ask).await,
        }
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
        match self.port() {
            Some(port) => port.unorderable(limit).await,
            None => self.js.unorderable(limit).await,
        }
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        match self.port() {
            Some(port) => port.stored(id).await,
            None => self.js.stored(id).await,
        }
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        match self.port() {
            Some(port) => port.put(item).await,
            None => self.js.put(item).await,
        }
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        match self.port() {
            Some(port) => port.apply(items, order).await,
            None => self.js.apply(items, order).await,
        }
    }
}
