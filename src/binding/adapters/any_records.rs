//! A store of shared records, of the app's or of this package.

use std::collections::HashSet;
use std::rc::Rc;

use super::direct::Direct;
use super::records::JsRecords;
use crate::binding::convert::{Body, from_native};
use crate::binding::executor::on_a_thread;
use crate::binding::js::{Handle, Kept, Realm};
use crate::binding::stores::NativeRecords;
use crate::engine::ports::{Capabilities, Fetched, Order, Outcome, Records, Scanned};
use crate::error::Result;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::Json;
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
    type Cursor = Kept;

    fn capabilities(&self) -> Result<Capabilities> {
        match self.native() {
            Some(store) => store.capabilities(),
            None => self.js.capabilities(),
        }
    }

    async fn coverage(&self) -> Result<Watermarks> {
        match self.native() {
            Some(store) => {
                let work = move || async move { store.coverage().await };
                on_a_thread(self.realm(), work).await
            }
            None => self.js.coverage().await,
        }
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<Body>>>> {
        let Some(store) = self.native() else {
            return self.js.changes(ask).await;
        };
        let ask = ask.clone();
        let work = move || async move { store.changes(&ask).await };
        let found = on_a_thread(self.realm(), work).await?;
        Ok(found.map(|found| found.map(from_native)))
    }

    async fn scan(
        &self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        after: Option<Kept>,
    ) -> Result<Scanned<Body, Kept>> {
        self.js.scan(ask, horizon, after).await
    }

    async fn fetch(&self, wanted: &[(Hlc, Text)]) -> Result<Fetched<Body>> {
        self.js.fetch(wanted).await
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<Body>>> {
        let Some(store) = self.native() else {
            return self.js.unorderable(limit).await;
        };
        let work = move || async move { store.unorderable(limit).await };
        let items = on_a_thread(self.realm(), work).await?;
        Ok(items.into_iter().map(from_native).collect())
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        let Some(store) = self.native() else {
            return self.js.stored(id).await;
        };
        let id = id.clone();
        let work = move || async move { store.stored(&id).await };
        on_a_thread(self.realm(), work).await
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        let Some(store) = self.native() else {
            return self.js.put(item).await;
        };
        let record = item.body.to_json(self.realm())?;
        let work = move || async move { store.put(record).await };
        on_a_thread(self.realm(), work).await
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        let Some(store) = self.native() else {
            return self.js.apply(items, order).await;
        };
        let realm = self.realm();
        as_json(realm, items, order, async |items| {
            let work = move || async move { Records::apply(&store, items, order).await };
            on_a_thread(realm, work).await
        })
        .await
    }
}

/// Has items taken in by a store that takes JSON. One that cannot be written as JSON fails alone.
pub(super) async fn as_json(
    realm: &Rc<Realm>,
    items: Vec<Item<Body>>,
    order: Order,
    apply: impl AsyncFnOnce(Vec<Item<Json>>) -> Result<Vec<Outcome>>,
) -> Result<Vec<Outcome>> {
    let mut stopped: HashSet<NodeId> = HashSet::new();
    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(items.len());
    let mut written = Vec::with_capacity(items.len());
    for item in items {
        if order == Order::Strict && stopped.contains(&item.hlc.node_id) {
            outcomes.push(Some(Outcome::Behind));
            continue;
        }
        match item.with_body(|body| body.to_json(realm)) {
            Ok(item) => {
                written.push(item);
                outcomes.push(None);
            }
            Err(error) => {
                stopped.insert(item.hlc.node_id);
                outcomes.push(Some(Outcome::Failed(error)));
            }
        }
    }
    let mut taken = if written.is_empty() {
        Vec::new().into_iter()
    } else {
        apply(written).await?.into_iter()
    };
    let settled = outcomes.into_iter();
    Ok(settled
        .filter_map(|known| known.or_else(|| taken.next()))
        .collect())
}
