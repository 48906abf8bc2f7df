//! A store, and where its work is done.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use crate::engine::ports::{Order, Outcome};
use crate::error::Result;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::NodeId;
use crate::protocol::item::Item;
use crate::store::{Json, Later, Taken};

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
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl for<'a> FnOnce(&'a S) -> Later<'a, T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        let begin = move || async move { question(&store).await };
        self.place.run(begin).await
    }

    pub(super) fn own(&self, item: Item<Json>) -> Item<P::Body> {
        Item {
            body: self.place.body(item.body),
            hlc: item.hlc,
            kind: item.kind,
            blob: item.blob,
            fault: item.fault,
        }
    }

    pub(super) fn stretch(
        &self,
        ask: &Ask,
        found: (Vec<Item<Json>>, bool),
    ) -> Stretch<Item<P::Body>> {
        let (items, more) = found;
        let timed = |item: Item<Json>| (item.hlc.clone(), self.own(item));
        Stretch::of_reading(ask.limit, items.into_iter().map(timed), more)
    }

    /// Has items taken in. One whose body the store cannot have fails alone.
    pub(super) async fn apply_page(
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
