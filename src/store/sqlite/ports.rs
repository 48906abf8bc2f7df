//! The stores as ports of the engine. A page is one hop to the threads of the stores.

use std::convert::Infallible;

use super::intake::Taken;
use super::{OWN_WATERMARKS, PEER_WATERMARKS, SqliteAppRows, SqliteRecords, SqliteState};
use crate::engine::ports::{
    AppRows, Capabilities, Fetched, Order, Outcome, Records, Scanned, State,
};
use crate::error::Result;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::Json;

const ABLE: Capabilities = Capabilities {
    coverage: true,
    index: true,
    pages: true,
};

impl Records<Json> for SqliteRecords {
    type Cursor = Infallible;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(ABLE)
    }

    async fn coverage(&self) -> Result<Watermarks> {
        self.node_watermarks().await
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<Json>>>> {
        let (items, more) = self.unseen(ask.clone()).await?;
        Ok(Some(stretch(ask, items, more)))
    }

    async fn scan(
        &self,
        _ask: &Ask,
        _horizon: Option<&Hlc>,
        _after: Option<Infallible>,
    ) -> Result<Scanned<Json, Infallible>> {
        Ok(Scanned::default())
    }

    async fn fetch(&self, _wanted: &[(Hlc, Text)]) -> Result<Fetched<Json>> {
        Ok(Fetched::new())
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<Json>>> {
        SqliteRecords::unorderable(self, limit).await
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        SqliteRecords::stored(self, id).await
    }

    async fn put(&self, item: &Item<Json>) -> Result<()> {
        SqliteRecords::put(self, Json::clone(&item.body)).await
    }

    async fn apply(&self, items: Vec<Item<Json>>, order: Order) -> Result<Vec<Outcome>> {
        self.take_in(items, order == Order::Strict)
            .await
            .map(outcomes)
    }
}

impl AppRows<Json> for SqliteAppRows {
    type Cursor = Infallible;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(ABLE)
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        SqliteAppRows::tables(self).await
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        Ok(self.namespace(app).await?.is_some())
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        self.node_watermarks(table).await
    }

    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<Json>>> {
        let (items, more) = self.unseen(table, ask.clone()).await?;
        Ok(stretch(ask, items, more))
    }

    async fn scan(
        &self,
        _table: &Table,
        _from: (&Hlc, Option<Infallible>),
        _ask: &Ask,
        _horizon: Option<&Hlc>,
    ) -> Result<Scanned<Json, Infallible>> {
        Ok(Scanned::default())
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Json>>> {
        SqliteAppRows::unorderable(self, table, limit).await
    }

    async fn apply_one(&self, item: &Item<Json>) -> Result<()> {
        SqliteAppRows::apply(self, item.clone()).await
    }

    async fn apply(&self, items: Vec<Item<Json>>, order: Order) -> Result<Vec<Outcome>> {
        self.take_in(items, order == Order::Strict)
            .await
            .map(outcomes)
    }
}

fn stretch(ask: &Ask, items: Vec<Item<Json>>, more: bool) -> Stretch<Item<Json>> {
    Stretch::of_reading(ask.limit, items.into_iter().map(with_time), more)
}

fn outcomes(taken: Vec<Taken>) -> Vec<Outcome> {
    taken.into_iter().map(Outcome::from).collect()
}

fn with_time(item: Item<Json>) -> (Hlc, Item<Json>) {
    (item.hlc.clone(), item)
}

impl State for SqliteState {
    async fn watermarks(&self) -> Result<Watermarks> {
        read(self, OWN_WATERMARKS).await
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        read(self, PEER_WATERMARKS).await
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        SqliteState::set_watermarks(self, OWN_WATERMARKS, watermarks).await
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        SqliteState::set_watermarks(self, PEER_WATERMARKS, watermarks).await
    }
}

/// Watermarks that cannot be read are none. Nothing is lost by it: what was seen is exchanged once more.
async fn read(state: &SqliteState, key: &str) -> Result<Watermarks> {
    let read = state.get_watermarks(key).await?;
    Ok(read.unwrap_or_else(|what| {
        tracing::warn!(key, %what, "watermarks cannot be read; starting from none");
        Watermarks::default()
    }))
}
