//! The stores as ports of the engine, each kind once: for a round on this thread ([`Here`]), and for one that
//! has the work of stores done elsewhere (another [`Threading`]).

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    AppRowStore, Json, Later, OWN_WATERMARKS, ObjectStore, PEER_WATERMARKS, PutOptions,
    RecordStore, StateStore, Taken,
};
use crate::engine::object::{Incoming, key_text};
use crate::engine::ports::{
    AppRows, Blobs, Capabilities, Fetched, Late, Log, Order, Outcome, Records, Scanned, Stat, State,
};
use crate::error::Result;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Blob, Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::protocol::wire::write_watermarks;

/// Where the work of a store is done, and how a round holds bodies.
#[allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]
pub trait Threading {
    /// A body as the round holds it.
    type Body: Clone;

    /// Does what asks a database more than it waits for anything else.
    async fn run<T, W>(&self, begin: impl FnOnce() -> W + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>>;

    /// Does what may wait for long, as for a peer that sends the bytes.
    async fn wait<T: Send + 'static>(&self, work: Later<'static, T>) -> Result<T>;

    /// The body of what a store holds.
    fn body(&self, json: Json) -> Self::Body;

    /// A body as a store holds it.
    fn json(&self, body: &Self::Body) -> Result<Json>;
}

/// On the thread of the round.
#[derive(Debug, Clone, Copy, Default)]
pub struct Here;

impl Threading for Here {
    type Body = Json;

    async fn run<T, W>(&self, begin: impl FnOnce() -> W + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>>,
    {
        begin().await
    }

    async fn wait<T: Send + 'static>(&self, work: Later<'static, T>) -> Result<T> {
        work.await
    }

    fn body(&self, json: Json) -> Json {
        json
    }

    fn json(&self, body: &Json) -> Result<Json> {
        Ok(Json::clone(body))
    }
}

/// A store, and where its work is done.
#[derive(Debug)]
pub struct Port<S: ?Sized, P = Here> {
    /// The store.
    pub store: Arc<S>,
    /// Where its work is done.
    pub place: P,
}

/// Shared records, as a port.
pub type RecordPort<P = Here> = Port<dyn RecordStore, P>;
/// App rows, as a port.
pub type RowPort<P = Here> = Port<dyn AppRowStore, P>;
/// An object storage, as a port.
pub type ObjectPort<P = Here> = Port<dyn ObjectStore, P>;

impl<S: ?Sized, P: Clone> Clone for Port<S, P> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            place: self.place.clone(),
        }
    }
}

impl<S: ?Sized> Port<S> {
    /// The store, for a round on the same thread.
    pub fn here(store: Arc<S>) -> Self {
        Self { store, place: Here }
    }
}

impl<S: ?Sized + Send + Sync + 'static, P: Threading> Port<S, P> {
    async fn ask<T: Send + 'static>(
        &self,
        question: impl for<'a> FnOnce(&'a S) -> Later<'a, T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        let begin = move || async move { question(&store).await };
        self.place.run(begin).await
    }

    fn own(&self, item: Item<Json>) -> Item<P::Body> {
        Item {
            body: self.place.body(item.body),
            hlc: item.hlc,
            kind: item.kind,
            blob: item.blob,
            fault: item.fault,
        }
    }

    fn stretch(&self, ask: &Ask, found: (Vec<Item<Json>>, bool)) -> Stretch<Item<P::Body>> {
        let (items, more) = found;
        let timed = |item: Item<Json>| (item.hlc.clone(), self.own(item));
        Stretch::of_reading(ask.limit, items.into_iter().map(timed), more)
    }

    /// Has items taken in. One whose body the store cannot have fails alone.
    async fn apply_page(
        &self,
        items: Vec<Item<P::Body>>,
        order: Order,
        take_in: impl for<'a> FnOnce(&'a S, Vec<Item<Json>>, bool) -> Later<'a, Vec<Taken>>
        + Send
        + 'static,
    ) -> Result<Vec<Outcome>> {
        let strict = order == Order::Strict;
        let mut stopped: HashSet<NodeId> = HashSet::new();
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(items.len());
        let mut written = Vec::with_capacity(items.len());
        for item in items {
            if strict && stopped.contains(&item.hlc.node_id) {
                outcomes.push(Some(Outcome::Behind));
                continue;
            }
            match item.with_body(|body| self.place.json(body)) {
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
        let mut taken = Vec::new().into_iter();
        if !written.is_empty() {
            let asked = self.ask(move |store| take_in(store, written, strict));
            taken = asked.await?.into_iter();
        }
        let settled = outcomes.into_iter();
        Ok(settled
            .filter_map(|known| known.or_else(|| taken.next().map(Outcome::from)))
            .collect())
    }
}

const ABLE: Capabilities = Capabilities {
    coverage: true,
    index: true,
    pages: true,
};

impl<P: Threading> Records<P::Body> for RecordPort<P> {
    type Cursor = Infallible;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(ABLE)
    }

    async fn coverage(&self) -> Result<Watermarks> {
        self.ask(|store| store.node_watermarks()).await
    }

    async fn newest_upto(&self, marks: &Watermarks) -> Result<Option<Watermarks>> {
        let marks = marks.clone();
        self.ask(move |store| store.newest_upto(marks)).await
    }

    fn late(&self, known: u64) -> Late {
        self.store.late(known)
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<P::Body>>>> {
        let asked = ask.clone();
        let found = self.ask(|store| store.unseen(asked)).await?;
        Ok(Some(self.stretch(ask, found)))
    }

    async fn scan(
        &self,
        _ask: &Ask,
        _horizon: Option<&Hlc>,
        _after: Option<Infallible>,
    ) -> Result<Scanned<P::Body, Infallible>> {
        Ok(Scanned::default())
    }

    async fn fetch(&self, _wanted: &[(Hlc, Text)]) -> Result<Fetched<P::Body>> {
        Ok(Fetched::new())
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<P::Body>>> {
        let found = self.ask(move |store| store.unorderable(limit)).await?;
        Ok(found.into_iter().map(|item| self.own(item)).collect())
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        let id = id.clone();
        self.ask(move |store| store.stored(&id)).await
    }

    async fn put(&self, item: &Item<P::Body>) -> Result<()> {
        let record = self.place.json(&item.body)?;
        self.ask(|store| store.put(record)).await
    }

    async fn apply(&self, items: Vec<Item<P::Body>>, order: Order) -> Result<Vec<Outcome>> {
        self.apply_page(items, order, |store, items, strict| {
            store.take_in(items, strict)
        })
        .await
    }
}

impl<P: Threading> AppRows<P::Body> for RowPort<P> {
    type Cursor = Infallible;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(ABLE)
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        self.ask(|store| store.tables()).await
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        let app = app.clone();
        let found = self.ask(move |store| store.namespace(&app)).await?;
        Ok(found.is_some())
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        let table = table.clone();
        self.ask(move |store| store.node_watermarks(&table)).await
    }

    async fn newest_upto(&self, table: &Table, marks: &Watermarks) -> Result<Option<Watermarks>> {
        let (table, marks) = (table.clone(), marks.clone());
        self.ask(move |store| store.newest_upto(&table, marks))
            .await
    }

    fn late(&self, known: u64) -> Late {
        self.store.late(known)
    }

    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<P::Body>>> {
        let (table, asked) = (table.clone(), ask.clone());
        let found = self.ask(move |store| store.unseen(&table, asked)).await?;
        Ok(self.stretch(ask, found))
    }

    async fn scan(
        &self,
        _table: &Table,
        _from: (&Hlc, Option<Infallible>),
        _ask: &Ask,
        _horizon: Option<&Hlc>,
    ) -> Result<Scanned<P::Body, Infallible>> {
        Ok(Scanned::default())
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<P::Body>>> {
        let table = table.clone();
        let found = self.ask(move |store| store.unorderable(&table, limit));
        let found = found.await?.into_iter();
        Ok(found.map(|item| self.own(item)).collect())
    }

    async fn apply_one(&self, item: &Item<P::Body>) -> Result<()> {
        let item = item.with_body(|body| self.place.json(body))?;
        self.ask(|store| store.apply(item)).await
    }

    async fn apply(&self, items: Vec<Item<P::Body>>, order: Order) -> Result<Vec<Outcome>> {
        self.apply_page(items, order, |store, items, strict| {
            store.take_in(items, strict)
        })
        .await
    }
}

impl<P: Threading> ObjectPort<P> {
    async fn ask_object<T: Send + 'static>(
        &self,
        key: &Text,
        question: impl for<'a> FnOnce(&'a dyn ObjectStore, &'a str) -> Later<'a, T> + Send + 'static,
    ) -> Result<T> {
        let (store, key) = (Arc::clone(&self.store), key_text(key)?);
        let work = async move { question(&*store, &key).await };
        self.place.wait(Box::pin(work)).await
    }

    /// Stores an object whose bytes are there.
    pub async fn put_bytes(&self, blob: &Blob, bytes: Bytes) -> Result<()> {
        let options = options_of(blob);
        self.ask_object(&blob.key, |store, key| store.put(key, bytes, options))
            .await
    }
}

fn options_of(blob: &Blob) -> PutOptions {
    PutOptions {
        content_type: blob.mime_type.as_ref().map(ToString::to_string),
        metadata: None,
    }
}

impl<P: Threading> Blobs for ObjectPort<P> {
    type Data = Incoming;

    async fn has(&self, key: &Text) -> Result<bool> {
        self.ask_object(key, |store, key| store.has(key)).await
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        self.ask_object(key, |store, key| store.stat(key)).await
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        match self.get(key).await? {
            Some(object) => {
                let measured = self.place.wait(Box::pin(object.measured()));
                measured.await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Incoming>> {
        let open = self.ask_object(key, |store, key| store.open_object(key));
        Ok(open.await?.map(Incoming::from))
    }

    async fn put(&self, blob: &Blob, data: Incoming) -> Result<()> {
        let options = options_of(blob);
        self.ask_object(&blob.key, |store, key| {
            store.put_chunks(key, options, data.chunks)
        })
        .await
    }

    async fn checked(&self, blob: &Blob, hashed: bool, data: Incoming) -> Result<Incoming> {
        data.checked(blob, hashed)
    }
}

/// What an engine remembers, in a store. What cannot be read of it is said in `log`.
#[derive(Debug)]
pub struct StatePort<P, L> {
    /// The store, and where its work is done.
    pub port: Port<dyn StateStore, P>,
    /// Where warnings go.
    pub log: L,
}

impl<P: Threading, L: Log> StatePort<P, L> {
    async fn read(&self, key: &'static str, name: &str) -> Result<Watermarks> {
        let Some(json) = self.port.ask(move |store| store.get(key)).await? else {
            return Ok(Watermarks::default());
        };
        let read = serde_json::from_str(&json);
        Ok(read.unwrap_or_else(|error| start_over(&self.log, name, &error.to_string())))
    }

    async fn write(&self, key: &'static str, watermarks: &Watermarks) -> Result<()> {
        let value = write_watermarks(watermarks).into();
        self.port.ask(move |store| store.set(key, value)).await
    }
}

/// Watermarks that cannot be read are none. Nothing is lost by it: what was seen is exchanged once more.
pub fn start_over(log: &impl Log, name: &str, what: &str) -> Watermarks {
    log.warn(
        &format!("syncState.{name}: {what}; starting from none"),
        None,
    );
    Watermarks::default()
}

impl<P: Threading, L: Log> State for StatePort<P, L> {
    async fn watermarks(&self) -> Result<Watermarks> {
        self.read(OWN_WATERMARKS, "getWatermarks").await
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        self.read(PEER_WATERMARKS, "getPeerWatermarks").await
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write(OWN_WATERMARKS, watermarks).await
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write(PEER_WATERMARKS, watermarks).await
    }
}
