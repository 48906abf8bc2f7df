//! A store of shared records, of the app's or of this package.

use std::rc::Rc;

use super::direct::Direct;
use super::records::JsRecords;
use crate::binding::convert::{Body, from_native};
use crate::binding::executor::on_a_thread;
use crate::binding::js::{Handle, Realm};
use crate::binding::stores::NativeRecords;
use crate::engine::intake::{Arrival, Line, Outcome, take_in_as_page, take_in_one_by_one};
use crate::engine::ports::{Clock, Records};
use crate::error::Result;
use crate::protocol::delta::{Ask, Backlog, Page};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::sqlite::{Holder, SqliteRecords};

/// See the [module page](self).
pub struct AnyRecords {
    adapter: Handle,
    js: JsRecords,
    direct: Direct<NativeRecords>,
}

impl AnyRecords {
    /// The adapter that came in as `option`, scanned in pages of `scan_page_size`.
    pub fn new(adapter: Handle, option: &'static str, scan_page_size: f64) -> Self {
        Self {
            js: JsRecords::new(adapter.clone(), option, scan_page_size),
            adapter,
            direct: Direct::new(),
        }
    }

    /// Finds out whose store it is. Once a round.
    pub fn look(&self) -> Result<()> {
        self.direct.look(&self.adapter)?;
        match self.direct.get() {
            Some(_) => Ok(()),
            None => self.js.look(),
        }
    }

    fn realm(&self) -> &Rc<Realm> {
        self.adapter.realm()
    }

    /// The store that is behind it, if it is this package's own.
    pub fn native(&self) -> Option<SqliteRecords> {
        self.direct.get().map(|native| native.0.clone())
    }
}

impl AnyRecords {
    /// The transaction that has the turn of a store of this package, as the adapter is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let native = self.adapter.behind::<NativeRecords>()?;
        Ok(native.and_then(|native| native.0.held_by()))
    }
}

impl Records<Body> for AnyRecords {
    async fn coverage(&self) -> Result<Option<Watermarks>> {
        match self.native() {
            Some(store) => on_a_thread(self.realm(), move || async move {
                store.node_watermarks().await
            })
            .await
            .map(Some),
            None => self.js.coverage().await,
        }
    }

    async fn unseen(
        &self,
        ask: &Ask,
        backlog: &mut Backlog<Text>,
        page: &mut Page<Item<Body>>,
    ) -> Result<()> {
        let Some(store) = self.native() else {
            return self.js.unseen(ask, backlog, page).await;
        };
        let ask = ask.clone();
        let (items, more) =
            on_a_thread(self.realm(), move || async move { store.unseen(ask).await }).await?;
        page.offer_reading(items.into_iter().map(from_native), more);
        Ok(())
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<Body>>> {
        let Some(store) = self.native() else {
            return self.js.unorderable(limit).await;
        };
        let unorderable = on_a_thread(self.realm(), move || async move {
            store.unorderable(limit).await
        });
        let items = unorderable.await?.into_iter();
        Ok(items.map(|item| from_native(item).1).collect())
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        match self.native() {
            Some(store) => {
                let id = id.clone();
                on_a_thread(self.realm(), move || async move { store.stored(&id).await }).await
            }
            None => self.js.stored(id).await,
        }
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        match self.native() {
            Some(store) => {
                let record = item.body.to_json(self.realm())?;
                on_a_thread(self.realm(), move || async move { store.put(record).await }).await
            }
            None => self.js.put(item).await,
        }
    }

    async fn take_in(&self, run: &mut [Arrival<Body>], clock: &impl Clock, line: &mut Line) {
        let native = self.native();
        let batch = match native {
            Some(_) => Ok(None),
            None => self.js.batch(),
        };
        let realm = self.realm();
        match (native, batch) {
            (Some(store), _) => {
                let body = |body: &Body| body.to_json(realm);
                take_in_as_page(run, clock, line, body, async |items, strict| {
                    let store = store.clone();
                    let taken =
                        on_a_thread(
                            realm,
                            move || async move { store.take_in(items, strict).await },
                        );
                    Ok(taken.await?.into_iter().map(Outcome::from).collect())
                })
                .await;
            }
            (None, Ok(Some(batch))) => {
                let body = |body: &Body| Ok(body.clone());
                take_in_as_page(run, clock, line, body, async |items, strict| {
                    batch.store(&items, strict).await
                })
                .await;
            }
            // A function that cannot be read fails each record when it is called.
            (None, _) => take_in_one_by_one(self, run, clock, line).await,
        }
    }
}
