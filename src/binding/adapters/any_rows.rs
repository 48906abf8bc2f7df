//! The app rows of a channel, of the app or of this package.

use std::rc::Rc;
use std::sync::Arc;

use super::direct::Direct;
use super::off_thread::OffThread;
use super::rows::JsRows;
use crate::binding::convert::Body;
use crate::binding::js::Handle;
use crate::binding::stores::NativeRows;
use crate::engine::intake::{Arrival, Line};
use crate::engine::ports::{AppRows, Clock};
use crate::error::Result;
use crate::protocol::delta::{Ask, Page};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::{Port, RowPort};
use crate::store::{AppRowStore, Holder};

/// See the [module page](self).
pub struct AnyRows {
    namespaces: Handle,
    applier: Handle,
    js: JsRows,
    direct: [Direct<NativeRows>; 2],
}

impl AnyRows {
    /// The two objects of an `appSyncableSource`, scanned in pages of `scan_page_size`.
    pub fn new(namespaces: Handle, applier: Handle, scan_page_size: f64) -> Self {
        Self {
            js: JsRows::new(namespaces.clone(), applier.clone(), scan_page_size),
            namespaces,
            applier,
            direct: [Direct::new(), Direct::new()],
        }
    }

    /// Finds out whose rows they are. Once a round.
    pub fn look(&self) -> Result<()> {
        let [namespaces, applier] = &self.direct;
        namespaces.look(&self.namespaces)?;
        applier.look(&self.applier)
    }

    /// The store that is behind both objects: an app may have put one of its own beside one of ours.
    pub fn native(&self) -> Option<Arc<dyn AppRowStore>> {
        let [namespaces, applier] = &self.direct;
        let (listing, applying) = (namespaces.get()?, applier.get()?);
        Rc::ptr_eq(&listing, &applying).then(|| Arc::clone(&applying.0))
    }

    /// The same as a port, whose work is done off this thread.
    fn port(&self) -> Option<RowPort<OffThread>> {
        let place = OffThread(Rc::clone(self.applier.realm()));
        self.native().map(|store| Port { store, place })
    }

    /// The transaction that has the turn of a store of this package, as the applier is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let native = self.applier.behind::<NativeRows>()?;
        Ok(native.and_then(|native| native.0.held_by()))
    }
}

impl AppRows<Body> for AnyRows {
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

    fn knows_coverage(&self) -> bool {
        match self.port() {
            Some(port) => port.knows_coverage(),
            None => self.js.knows_coverage(),
        }
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        match self.port() {
            Some(port) => port.coverage(table).await,
            None => self.js.coverage(table).await,
        }
    }

    async fn unseen(
        &self,
        table: &Table,
        floor: &Hlc,
        ask: &Ask,
        page: &mut Page<Item<Body>>,
    ) -> Result<()> {
        match self.port() {
            Some(port) => port.unseen(table, floor, ask, page).await,
            None => self.js.unseen(table, floor, ask, page).await,
        }
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Body>>> {
        match self.port() {
            Some(port) => port.unorderable(table, limit).await,
            None => self.js.unorderable(table, limit).await,
        }
    }

    async fn apply(&self, item: &Item<Body>) -> Result<()> {
        match self.port() {
            Some(port) => port.apply(item).await,
            None => self.js.apply(item).await,
        }
    }

    async fn take_in(&self, run: &mut [Arrival<Body>], clock: &impl Clock, line: &mut Line) {
        match self.port() {
            Some(port) => port.take_in(run, clock, line).await,
            None => self.js.take_in(run, clock, line).await,
        }
    }
}
