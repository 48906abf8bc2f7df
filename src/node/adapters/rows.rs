//! The app rows of a channel.

use super::pages::{page_in, page_options, read_page, store_page};
use super::records::{node_watermarks, query_malformed};
use crate::engine::change_log::ChangeLog;
use crate::engine::ports::{AppRows, Capabilities, Order, Outcome, Scanned};
use crate::error::Result;
use crate::node::convert::Body;
use crate::node::runtime::{Argument, JsObject, Made};
use crate::node::value::{Intrinsic, Persistent, Scope, Value};
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::log::Stream;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// `{ namespaces, applier }` of an `appSyncableSource`.
pub struct JsRows {
    pub(super) namespaces: JsObject,
    pub(super) applier: JsObject,
    /// How many rows a scan asks for at one time.
    pub(super) scan_page_size: f64,
}

impl JsRows {
    fn read_tables(&self, scope: Scope<'_>, namespaces: Value<'_>) -> Result<Vec<Table>> {
        let found = scope.helper(Intrinsic::TablesOf, &[namespaces])?;
        if let Some(wrong) = scope.as_string(found) {
            return Err(self.namespaces.wrong("list", &wrong));
        }
        let found = scope.each(found, |scope, name| Ok(scope.as_text(name)))?;
        let mut names = found.into_iter().flatten();
        let table = || Some((names.next()?, names.next()?));
        let tables = std::iter::from_fn(table).map(|(app, name)| Table { app, name });
        Ok(tables.collect())
    }
}

// As of records.
impl ChangeLog<Body> for JsRows {}

impl AppRows<Body> for JsRows {
    type Cursor = Persistent;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            coverage: self.applier.has("getNodeWatermarks").unwrap_or(false),
            index: false,
            pages: self.applier.has("applyRows").unwrap_or(false),
        })
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        let read = |scope: Scope<'_>, answer: Value<'_>| self.read_tables(scope, answer);
        self.namespaces.call("list", &[], read).await
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        let is_there = |scope: Scope<'_>, answer: Value<'_>| Ok(!scope.is_nullish(answer)?);
        self.namespaces.call("get", &[app], is_there).await
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        node_watermarks(&self.applier, &[&table.app, &table.name]).await
    }

    async fn changes(&self, _table: &Table, _ask: &Ask) -> Result<Stretch<Item<Body>>> {
        Ok(Stretch::default())
    }

    async fn scan(
        &self,
        table: &Table,
        (floor, after): (&Hlc, Option<Persistent>),
        ask: &Ask,
        horizon: Option<&Hlc>,
    ) -> Result<Scanned<Body, Persistent>> {
        // An answering side's applier need not be able to scan.
        if !self.applier.has("scanSince")? {
            return Ok(Scanned::default());
        }
        let (asked, floor) = (after.as_ref(), floor.to_text());
        let options = Made(|scope| page_options(scope, self.scan_page_size, asked));
        let args: [&dyn Argument; 4] = [&table.app, &table.name, &floor, &options];
        let stream = Stream::Rows(table.clone());
        self.applier
            .call("scanSince", &args, |scope, answer| {
                let method = (&self.applier, "scanSince");
                let page = (answer, "rows");
                let (rows, next) = page_in(scope, method, page, (asked, true))?;
                read_page(scope, (&stream, rows), (ask, horizon), next)
            })
            .await
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Body>>> {
        let args: [&dyn Argument; 2] = [&table.app, &table.name];
        query_malformed(&self.applier, &args, limit, &Stream::Rows(table.clone())).await
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        store_page(&self.applier, "applyRows", &items, order).await
    }

    async fn apply_one(&self, item: &Item<Body>) -> Result<()> {
        self.applier.tell("apply", &[&item.body]).await
    }
}
