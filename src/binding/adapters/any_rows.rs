//! The app rows of a channel, of the app or of this package.

use std::rc::Rc;

use super::direct::Direct;
use super::rows::JsRows;
use crate::binding::convert::{Body, from_native};
use crate::binding::executor::on_a_thread;
use crate::binding::js::{Handle, Realm};
use crate::binding::stores::NativeRows;
use crate::engine::intake::{Arrival, Line, Outcome, take_in_as_page};
use crate::engine::ports::{AppRows, Clock};
use crate::error::Result;
use crate::protocol::delta::{Ask, Page};
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
    async fn tables(&self) -> Result<Vec<Table>> {
        match self.native() {
            Some(store) => {
                on_a_thread(self.realm(), move || async move { store.tables().await }).await
            }
            None => self.js.tables().await,
        }
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        match self.native() {
            Some(store) => {
                let app = app.clone();
                on_a_thread(self.realm(), move || async move {
                    Ok(store.namespace(&app).await?.is_some())
                })
                .await
            }
            None => self.js.knows(app).await,
        }
    }

    fn knows_coverage(&self) -> bool {
        self.native().is_some() || self.js.knows_coverage()
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        match self.native() {
            Some(store) => {
                let table = table.clone();
                on_a_thread(self.realm(), move || async move {
                    store.node_watermarks(&table).await
                })
                .await
            }
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
        let Some(store) = self.native() else {
            return self.js.unseen(table, floor, ask, page).await;
        };
        let (table, ask) = (table.clone(), ask.clone());
        let unseen = on_a_thread(self.realm(), move || async move {
            store.unseen(&table, ask).await
        });
        let (items, more) = unseen.await?;
        page.offer_reading(items.into_iter().map(from_native), more);
        Ok(())
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Body>>> {
        let Some(store) = self.native() else {
            return self.js.unorderable(table, limit).await;
        };
        let table = table.clone();
        let unorderable = on_a_thread(self.realm(), move || async move {
            store.unorderable(&table, limit).await
        });
        let items = unorderable.await?.into_iter();
        Ok(items.map(|item| from_native(item).1).collect())
    }

    async fn apply(&self, item: &Item<Body>) -> Result<()> {
        let Some(store) = self.native() else {
            return self.js.apply(item).await;
        };
        let item = item.with_body(|body| body.to_json(self.realm()))?;
        on_a_thread(self.realm(), move || async move { store.apply(item).await }).await
    }

    async fn take_in(&self, run: &mut [Arrival<Body>], clock: &impl Clock, line: &mut Line) {
        let Some(store) = self.native() else {
            return self.js.take_in(run, clock, line).await;
        };
        let realm = self.realm();
        let body = |body: &Body| body.to_json(realm);
        take_in_as_page(run, clock, line, body, async |items, strict| {
            let store = store.clone();
            let taken = on_a_thread(
                realm,
                move || async move { store.take_in(items, strict).await },
            );
            Ok(taken.await?.into_iter().map(Outcome::from).collect())
        })
        .await;
    }
}
