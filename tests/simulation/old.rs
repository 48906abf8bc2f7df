//! An answering side of the first generation, frozen, with its defects.
//!
//! It answers in the order of ids, stops at the limit, and never says what it holds. An item that it cannot
//! take in fails the request where it stands; what came before stays taken in. A row of an app that it does
//! not know, and a table that it cannot scan, are passed over in silence.

use std::collections::BTreeMap;

use starkeep_sync_engine::engine::ports::{AppRows, Clock, Records};
use starkeep_sync_engine::engine::scan::{find_records, find_rows};
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::delta::{Ask, Backlog, Stretch};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{Item, ItemKind};
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::protocol::watermarks::Watermarks;
use starkeep_sync_engine::store::memory::{Body, MemorySide};

pub struct OldResponder {
    pub side: MemorySide,
}

impl OldResponder {
    pub async fn answer(&self, request: Request<Body>) -> Result<Answer<Body>> {
        let (records, rows): (Vec<_>, Vec<_>) = request
            .items
            .into_iter()
            .partition(|item| matches!(item.kind, ItemKind::Record(_)));
        for item in records.iter().chain(&rows) {
            self.take_in(item).await?;
        }
        let mut unseen = self.unseen_records(&request.watermarks).await?;
        unseen.extend(self.unseen_rows(&request.watermarks).await?);
        let has_more = unseen.len() > request.limit;
        unseen.truncate(request.limit);
        Ok(Answer {
            items: unseen,
            has_more,
            ..Answer::default()
        })
    }

    async fn take_in(&self, item: &Item<Body>) -> Result<()> {
        match (&item.kind, &self.side.records, &self.side.rows) {
            (ItemKind::Record(id), Some(records), _) => {
                if records.stored(id).await?.is_some_and(|hlc| hlc >= item.hlc) {
                    return Ok(());
                }
                self.side.clock.receive(&item.hlc).await?;
                records.put(item).await
            }
            (ItemKind::Row(table), _, Some(rows)) if rows.knows(&table.app).await? => {
                self.side.clock.receive(&item.hlc).await?;
                rows.apply_one(item).await
            }
            _ => Ok(()),
        }
    }

    async fn unseen_records(&self, seen: &Watermarks) -> Result<Vec<Item<Body>>> {
        let Some(records) = &self.side.records else {
            return Ok(Vec::new());
        };
        let ask = everything_after(seen);
        let found = find_records(records, &ask, &mut Backlog::default()).await?;
        Ok(in_order_of_ids(found))
    }

    async fn unseen_rows(&self, seen: &Watermarks) -> Result<Vec<Item<Body>>> {
        let mut unseen = Vec::new();
        let Some(rows) = &self.side.rows else {
            return Ok(unseen);
        };
        for table in rows.tables().await? {
            let ask = everything_after(seen);
            if let Ok(found) = find_rows(rows, &table, &Hlc::zero(), &ask).await {
                unseen.extend(found.into_items().0.into_iter().map(|(_, item)| item));
            }
        }
        Ok(unseen)
    }
}

fn everything_after(seen: &Watermarks) -> Ask {
    Ask {
        seen: seen.clone(),
        limit: usize::MAX,
        ..Ask::default()
    }
}

fn in_order_of_ids(found: Stretch<Item<Body>>) -> Vec<Item<Body>> {
    let (items, _) = found.into_items();
    let by_id: BTreeMap<_, _> = items
        .into_iter()
        .map(|(_, item)| (item.body.id.clone(), item))
        .collect();
    by_id.into_values().collect()
}
