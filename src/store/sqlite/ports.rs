//! The stores as ports of the engine. A page is one hop to the threads of the stores.

use super::{OWN_WATERMARKS, PEER_WATERMARKS, SqliteAppRows, SqliteRecords, SqliteState};
use crate::engine::intake::{Arrival, Line, Outcome, take_in_as_page};
use crate::engine::ports::{AppRows, Clock, Records, State};
use crate::error::Result;
use crate::protocol::delta::{Ask, Backlog, Page};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::Json;

impl Records<Json> for SqliteRecords {
    async fn coverage(&self) -> Result<Option<Watermarks>> {
        self.node_watermarks().await.map(Some)
    }

    async fn unseen(
        &self,
        ask: &Ask,
        _backlog: &mut Backlog<Text>,
        page: &mut Page<Item<Json>>,
    ) -> Result<()> {
        let (items, more) = SqliteRecords::unseen(self, ask.clone()).await?;
        page.offer_reading(items.into_iter().map(with_time), more);
        Ok(())
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

    async fn take_in(&self, run: &mut [Arrival<Json>], clock: &impl Clock, line: &mut Line) {
        take_in_as_page(
            run,
            clock,
            line,
            |body| Ok(Json::clone(body)),
            async |items, strict| {
                let taken = SqliteRecords::take_in(self, items, strict).await?;
                Ok(taken.into_iter().map(Outcome::from).collect())
            },
        )
        .await;
    }
}

impl AppRows<Json> for SqliteAppRows {
    async fn tables(&self) -> Result<Vec<Table>> {
        SqliteAppRows::tables(self).await
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        Ok(self.namespace(app).await?.is_some())
    }

    fn knows_coverage(&self) -> bool {
        true
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        self.node_watermarks(table).await
    }

    async fn unseen(
        &self,
        table: &Table,
        _floor: &Hlc,
        ask: &Ask,
        page: &mut Page<Item<Json>>,
    ) -> Result<()> {
        let (items, more) = SqliteAppRows::unseen(self, table, ask.clone()).await?;
        page.offer_reading(items.into_iter().map(with_time), more);
        Ok(())
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Json>>> {
        SqliteAppRows::unorderable(self, table, limit).await
    }

    async fn apply(&self, item: &Item<Json>) -> Result<()> {
        SqliteAppRows::apply(self, item.clone()).await
    }

    async fn take_in(&self, run: &mut [Arrival<Json>], clock: &impl Clock, line: &mut Line) {
        take_in_as_page(
            run,
            clock,
            line,
            |body| Ok(Json::clone(body)),
            async |items, strict| {
                let taken = SqliteAppRows::take_in(self, items, strict).await?;
                Ok(taken.into_iter().map(Outcome::from).collect())
            },
        )
        .await;
    }
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
