//! A store of shared records, of the app's or of this package.

use std::rc::Rc;

use super::direct::Direct;
use super::records::JsRecords;
use crate::binding::convert::Body;
use crate::binding::executor::on_threads;
use crate::binding::js::{Handle, Realm};
use crate::binding::stores::NativeRecords;
use crate::engine::intake::{Arrival, Line, Outcome, take_in_one_by_one};
use crate::engine::ports::{Clock, Records};
use crate::error::{Error, Result};
use crate::protocol::delta::{Ask, Backlog, Page};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::sqlite::{SqliteRecords, Taken};

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
        self.direct.look(&self.adapter)
    }

    fn realm(&self) -> &Rc<Realm> {
        self.adapter.realm()
    }

    fn native(&self) -> Option<SqliteRecords> {
        self.direct.get().map(|native| native.0.clone())
    }

    /// A page in one transaction on the store's own thread. The clock hears the greatest timestamp of
    /// the page before anything is written: it is past all of them then.
    async fn take_in_natively(
        &self,
        store: SqliteRecords,
        run: &[&mut Arrival<Body>],
        clock: &impl Clock,
        strict: bool,
    ) -> Result<Vec<Taken>> {
        let realm = self.realm();
        let mut items = Vec::with_capacity(run.len());
        for arrival in run {
            items.push(Item {
                hlc: arrival.item.hlc.clone(),
                kind: arrival.item.kind.clone(),
                blob: arrival.item.blob.clone(),
                body: arrival.item.body.to_json(realm)?,
            });
        }
        if let Some(greatest) = items.iter().map(|item| &item.hlc).max() {
            clock.receive(greatest).await?;
        }
        on_threads(realm, async move { store.take_in(items, strict).await }).await
    }
}

impl Records<Body> for AnyRecords {
    async fn coverage(&self) -> Result<Option<Watermarks>> {
        match self.native() {
            Some(store) => on_threads(self.realm(), async move { store.node_watermarks().await })
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
        page.begin_read();
        let ask = ask.clone();
        let (items, more) =
            on_threads(self.realm(), async move { store.unseen(ask).await }).await?;
        for item in items {
            page.meets(&Ask::default(), &item.hlc);
            page.offer(
                item.hlc.clone(),
                Item {
                    hlc: item.hlc,
                    kind: item.kind,
                    blob: item.blob,
                    body: Body::Json(item.body),
                },
            );
        }
        if more {
            page.left_out_more();
        }
        Ok(())
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        match self.native() {
            Some(store) => {
                let id = id.clone();
                on_threads(self.realm(), async move { store.stored(&id).await }).await
            }
            None => self.js.stored(id).await,
        }
    }

    async fn put(&self, item: &Item<Body>) -> Result<()> {
        match self.native() {
            Some(store) => {
                let record = item.body.to_json(self.realm())?;
                on_threads(self.realm(), async move { store.put(record).await }).await
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
        if native.is_none() && !matches!(batch, Ok(Some(_))) {
            // A function that cannot be read fails each record when it is called.
            return take_in_one_by_one(self, run, clock, line).await;
        }
        let (waiting, mut free): (Vec<_>, Vec<_>) = run
            .iter_mut()
            .partition(|arrival| line.holds_back(&arrival.item.hlc.node_id));
        for arrival in waiting {
            arrival.settle(Outcome::Behind, line);
        }
        let store = match (native, batch) {
            (Some(store), _) => store,
            (None, Ok(Some(batch))) => return batch.take_in(free, clock, line).await,
            (None, _) => return,
        };
        let taken = self
            .take_in_natively(store, &free, clock, line.is_strict())
            .await;
        let mut taken = taken.map(Vec::into_iter);
        for arrival in &mut free {
            let outcome = match &mut taken {
                Ok(outcomes) => outcomes.next().map_or(Outcome::Waiting, outcome_of),
                Err(error) => Outcome::Failed(Error::clone(error)),
            };
            arrival.settle(outcome, line);
        }
    }
}

fn outcome_of(taken: Taken) -> Outcome {
    match taken {
        Taken::Applied => Outcome::Applied,
        Taken::Stale => Outcome::Stale,
        Taken::Failed(error) => Outcome::Failed(error),
        Taken::Behind => Outcome::Behind,
    }
}
