//! The app rows of a channel, of the app or of this package.

use std::rc::Rc;
use std::sync::Arc;

use super::direct::Direct;
use super::handle_items::Logged;
use super::handle_sql::LogAt;
use super::off_thread::OffThread;
use super::rows::JsRows;
use crate::engine::ports::{AppRows, Capabilities, Late, Order, Outcome, Scanned};
use crate::error::Result;
use crate::node::convert::Body;
use crate::node::options::Options;
use crate::node::stores::NativeRows;
use crate::node::value::{Handle, Persistent, Value};
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::{Port, RowPort};
use crate::store::{AppRowStore, Holder};

/// The `appSyncableSource` of `options`, scanned in pages of `scan_page_size`. `lists` is as in
/// [`Options::rows`].
pub fn app_rows<'s>(
    options: &Options<'s>,
    scan_page_size: f64,
    lists: impl FnOnce(Value<'s>) -> Result<bool>,
) -> Result<Option<AnyRows>> {
    let source = options.rows(lists)?;
    Ok(source.map(|[namespaces, applier]| AnyRows::new(namespaces, applier, scan_page_size)))
}

/// See the [module page](self).
pub struct AnyRows {
    namespaces: Handle,
    applier: Handle,
    js: JsRows,
    log: Logged,
    direct: [Direct<NativeRows>; 2],
}

impl AnyRows {
    /// The two objects of an `appSyncableSource`, scanned in pages of `scan_page_size`.
    pub fn new(namespaces: Handle, applier: Handle, scan_page_size: f64) -> Self {
        Self {
            js: JsRows::new(namespaces.clone(), applier.clone(), scan_page_size),
            log: Logged::new(LogAt::new(applier.clone(), Some(namespaces.clone()))),
            namespaces,
            applier,
            direct: [Direct::new(), Direct::new()],
        }
    }

    /// Finds out whose rows they are. Once a round.
    pub fn look(&self) -> Result<()> {
        let [namespaces, applier] = &self.direct;
        namespaces.look(&self.namespaces)?;
        applier.look(&self.applier)?;
        self.log.look()
    }

    /// The store that is behind both objects: an app may have put one of its own beside one of ours.
    pub fn native(&self) -> Option<Arc<dyn AppRowStore>> {
        let [namespaces, applier] = &self.direct;
        let (listing, applying) = (namespaces.get()?, applier.get()?);
        Rc::ptr_eq(&listing, &applying).then(|| Arc::clone(&applying.0))
    }

    /// The same as a port, whose work is done off this thread.
    pub(super) fn port(&self) -> Option<RowPort<OffThread>> {
        let place = OffThread(Rc::clone(self.applier.env()));
        self.native().map(|store| Port { store, place })
    }

    /// The log of the app's own database, if it is wrapped.
    pub(super) fn logged(&self) -> &Logged {
        &self.log
    }

    /// The transaction that has the turn of a store of this package, as the applier is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let native = self.applier.native::<NativeRows>()?;
        Ok(native.and_then(|native| native.0.held_by()))
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
        match self.port() {
            Some(port) => port.tables().await,
            None => self.js.tables().await,
        }
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        match self.port() {
            Some(port) => port.knows(app).await,
            None => self.js.knows(app).await,
        }
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        match self.port() {
            Some(port) => port.coverage(table).await,
            None => self.js.coverage(table).await,
        }
    }

    async fn newest_upto(&self, table: &Table, marks: &Watermarks) -> Result<Option<Watermarks>> {
        match self.port() {
            Some(port) => port.newest_upto(table, marks).await,
            None => Ok(None),
        }
    }

    fn late(&self, known: u64) -> Late {
        self.port()
            .map_or_else(Late::default, |port| port.late(known))
    }

    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<Body>>> {
        match self.port() {
            Some(port) => port.changes(table, ask).await,
            None => self.js.changes(table, ask).await,
        }
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
        match self.port() {
            Some(port) => port.unorderable(table, limit).await,
            None => self.js.unorderable(table, limit).await,
        }
    }

    async fn apply_one(&self, item: &Item<Body>) -> Result<()> {
        match self.port() {
            Some(port) => port.apply_one(item).await,
            None => self.js.apply_one(item).await,
        }
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        match self.port() {
            Some(port) => port.apply(items, order).await,
            None => self.js.apply(items, order).await,
        }
    }
}
