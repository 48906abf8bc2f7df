//! The app rows of a channel, of the app or of this package.

use std::rc::Rc;

use super::any_records::as_json;
use super::direct::Direct;
use super::rows::JsRows;
use crate::binding::convert::{Body, from_native};
use crate::binding::executor::on_a_thread;
use crate::binding::js::{Handle, Kept, Realm};
use crate::binding::stores::NativeRows;
use crate::engine::ports::{AppRows, Capabilities, Order, Outcome, Scanned};
use crate::error::Result;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::sqlite::{Holder, SqliteAppRows};

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

    fn realm(&self) -> &Rc<Realm> {
        self.applier.realm()
    }

    /// The store that is behind both objects: an app may have put one of its own beside one of ours.
    pub fn native(&self) -> Option<SqliteAppRows> {
        let [namespaces, applier] = &self.direct;
        let (listing, applying) = (namespaces.get()?, applier.get()?);
        Rc::ptr_eq(&listing, &applying).then(|| applying.0.clone())
    }
}

impl AnyRows {
    /// The transaction that has the turn of a store of this package, as the applier is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let native = self.applier.behind::<NativeRows>()?;
        Ok(native.and_then(|native| native.0.held_by()))
    }
}

impl AppRows<Body> for AnyRows {
    type Cursor = Kept;

    fn capabilities(&self) -> Result<Capabilities> {
        match self.native() {
            Some(store) => store.capabilities(),
            None => self.js.capabilities(),
        }
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        let Some(store) = self.native() else {
            return self.js.tables().await;
        };
        let work = move || async move { store.tables().await };
        on_a_thread(self.realm(), work).await
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        let Some(store) = self.native() else {
            return self.js.knows(app).await;
        };
        let app = app.clone();
        let work = move || async move { store.knows(&app).await };
        on_a_thread(self.realm(), work).await
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        let Some(store) = self.native() else {
            return self.js.coverage(table).await;
        };
        let table = table.clone();
        let work = move || async move { store.coverage(&table).await };
        on_a_thread(self.realm(), work).await
    }

    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<Body>>> {
        let Some(store) = self.native() else {
            return self.js.changes(table, ask).await;
        };
        let (table, ask) = (table.clone(), ask.clone());
        let work = move || async move { store.changes(&table, &ask).await };
        Ok(on_a_thread(self.realm(), work).await?.map(from_native))
    }

    async fn scan(
        &self,
        table: &Table,
        from: (&Hlc, Option<Kept>),
        ask: &Ask,
        horizon: Option<&Hlc>,
    ) -> Result<Scanned<Body, Kept>> {
        self.js.scan(table, from, ask, horizon).await
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Body>>> {
        let Some(store) = self.native() else {
            return self.js.unorderable(table, limit).await;
        };
        let table = table.clone();
        let work = move || async move { store.unorderable(&table, limit).await };
        let items = on_a_thread(self.realm(), work).await?;
        Ok(items.into_iter().map(from_native).collect())
    }

    async fn apply_one(&self, item: &Item<Body>) -> Result<()> {
        let Some(store) = self.native() else {
            return self.js.apply_one(item).await;
        };
        let item = item.with_body(|body| body.to_json(self.realm()))?;
        let work = move || async move { store.apply_one(&item).await };
        on_a_thread(self.realm(), work).await
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        let Some(store) = self.native() else {
            return self.js.apply(items, order).await;
        };
        let realm = self.realm();
        as_json(realm, items, order, async |items| {
            let work = move || async move { AppRows::apply(&store, items, order).await };
            on_a_thread(realm, work).await
        })
        .await
    }
}
