//! The app rows of a channel.

use std::rc::Rc;

use super::batch::{Batch, has_function};
use super::query_page::rest_of;
use super::records::read_malformed;
use crate::engine::ports::{AppRows, Capabilities, Order, Outcome, Scanned};
use crate::error::Result;
use crate::node::convert::{
    Body, faulty_row, malformed, read_hlcs, read_row, read_watermarks, unreadable,
};
use crate::node::error::invalid;
use crate::node::runtime::{Invocation, await_js};
use crate::node::value::{Env, Handle, Key, Kind, Persistent, Scope, Value};
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, NoItem, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// `{ namespaces, applier }` of an `appSyncableSource`.
pub struct JsRows {
    namespaces: Handle,
    applier: Handle,
    scan_page_size: f64,
}

impl JsRows {
    /// The source's two objects; scans come in pages of `scan_page_size`.
    pub fn new(namespaces: Handle, applier: Handle, scan_page_size: f64) -> Self {
        Self {
            namespaces,
            applier,
            scan_page_size,
        }
    }

    fn call_applier<'s>(
        &self,
        scope: Scope<'s>,
        invoke: &Invocation<'_>,
        key: Key,
        args: &[Value<'s>],
    ) -> Result<Value<'s>> {
        let applier = self.applier.value(scope)?;
        invoke.method(scope, (applier, "applier"), key, args)
    }

    fn applier_has(&self, key: Key) -> Result<bool> {
        has_function(&self.applier, key)
    }

    fn read_tables(&self, scope: Scope<'_>, namespaces: Value<'_>) -> Result<Vec<Table>> {
        let env = self.namespaces.env();
        let mut tables = Vec::new();
        if !scope.is_array(namespaces)? {
            return Err(invalid(
                "namespaces.list",
                "must answer an array of namespaces",
            ));
        }
        for index in 0..scope.length(namespaces)? {
            let namespace = scope.element(namespaces, index)?;
            let app = scope.as_text(scope.get(env, namespace, Key::AppId)?);
            let app = app.ok_or_else(|| {
                invalid("namespaces.list", "a namespace's appId must be a string")
            })?;
            let mut names = scope.get(env, namespace, Key::Tables)?;
            if !scope.is_array(names)? {
                names = scope.get(env, namespace, Key::TableNames)?;
            }
            if !scope.is_array(names)? {
                continue;
            }
            for index in 0..scope.length(names)? {
                let table = scope.element(names, index)?;
                let name = match scope.kind(table)? {
                    Kind::Object => scope.as_text(scope.get(env, table, Key::Name)?),
                    _ => scope.as_text(table),
                };
                tables.extend(name.map(|name| Table {
                    app: app.clone(),
                    name,
                }));
            }
        }
        Ok(tables)
    }

    fn read_page(
        &self,
        scope: Scope<'_>,
        (answer, cursor): (Value<'_>, Option<&Persistent>),
        (table, ask, horizon): (&Table, &Ask, Option<&Hlc>),
    ) -> Result<Scanned<Body, Persistent>> {
        let env = self.applier.env();
        let wrong = |what| invalid("applier.scanSince", what);
        if scope.kind(answer)? != Kind::Object {
            return Err(wrong("must answer a page, an object; got something else"));
        }
        let rows = scope.get(env, answer, Key::Rows)?;
        if !scope.is_array(rows)? {
            return Err(wrong("must answer a page with an array of `rows`"));
        }
        let mut scanned = Scanned::default();
        let stamps = read_hlcs(scope, env, rows, Some(Key::Timestamp))?;
        for (index, stamp) in (0u32..).zip(stamps) {
            let Some(hlc) = stamp else {
                let fault = (
                    table,
                    Hlc::zero(),
                    malformed(&NoItem::Timestamp.to_string()),
                );
                scanned.unorderable.push(
                    env.scope(|scope| faulty_row(scope, env, scope.element(rows, index)?, fault))?,
                );
                continue;
            };
            match ask.place_of(&hlc, horizon) {
                Some(true) => {
                    let item = env.scope(|scope| {
                        row_at(scope, env, scope.element(rows, index)?, (table, &hlc))
                    })?;
                    scanned.items.push(item);
                }
                Some(false) => scanned.others.push((hlc.clone(), Text::from(""))),
                None => {}
            }
            let is_later = |reached: &Hlc| reached.wall_time < hlc.wall_time;
            if hlc.wall_time_fits_text() && scanned.reached.as_ref().is_none_or(is_later) {
                scanned.reached = Some(hlc);
            }
        }
        let is_empty = scope.length(rows)? == 0;
        scanned.next = rest_of(scope, env, (answer, cursor), is_empty)?.map_err(wrong)?;
        Ok(scanned)
    }
}

/// The row that an entry is; what cannot be read of it is its fault.
pub(super) fn row_at(
    scope: Scope<'_>,
    env: &Rc<Env>,
    entry: Value<'_>,
    (table, hlc): (&Table, &Hlc),
) -> Result<Item<Body>> {
    let fault = match read_row(scope, env, entry) {
        Ok(Ok(item)) => return Ok(item),
        Ok(Err(what)) => malformed(&what.to_string()),
        Err(error) => unreadable(error)?,
    };
    faulty_row(scope, env, entry, (table, hlc.clone(), fault))
}

impl AppRows<Body> for JsRows {
    type Cursor = Persistent;

    fn capabilities(&self) -> Result<Capabilities> {
        Ok(Capabilities {
            coverage: self.applier_has(Key::GetNodeWatermarks).unwrap_or(false),
            index: false,
            pages: self.applier_has(Key::ApplyRows).unwrap_or(false),
        })
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        let env = self.namespaces.env();
        await_js(
            env,
            "namespaces.list",
            |scope, invoke| {
                let namespaces = self.namespaces.value(scope)?;
                invoke.method(scope, (namespaces, "namespaces"), Key::List, &[])
            },
            |scope, answer| self.read_tables(scope, answer),
        )
        .await
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        let env = self.namespaces.env();
        await_js(
            env,
            "namespaces.get",
            |scope, invoke| {
                let namespaces = self.namespaces.value(scope)?;
                invoke.method(
                    scope,
                    (namespaces, "namespaces"),
                    Key::Get,
                    &[scope.string(app)?],
                )
            },
            |scope, answer| Ok(!scope.is_nullish(answer)?),
        )
        .await
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        let env = self.applier.env();
        await_js(
            env,
            "applier.getNodeWatermarks",
            |scope, invoke| {
                let (app, name) = (scope.string(&table.app)?, scope.string(&table.name)?);
                self.call_applier(scope, invoke, Key::GetNodeWatermarks, &[app, name])
            },
            |scope, answer| {
                let read = read_watermarks(scope, env, answer)?;
                read.map_err(|what| invalid("applier.getNodeWatermarks", &what))
            },
        )
        .await
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
        if !self.applier_has(Key::ScanSince)? {
            return Ok(Scanned::default());
        }
        let env = self.applier.env();
        await_js(
            env,
            "applier.scanSince",
            |scope, invoke| {
                let options = scope.object()?;
                let limit = scope.number(self.scan_page_size)?;
                scope.set(env, options, Key::Limit, limit)?;
                let cursor = match &after {
                    Some(cursor) => cursor.value(scope)?,
                    None => scope.undefined()?,
                };
                scope.set(env, options, Key::Cursor, cursor)?;
                let (app, name) = (scope.string(&table.app)?, scope.string(&table.name)?);
                let since = scope.string(&floor.to_text())?;
                self.call_applier(scope, invoke, Key::ScanSince, &[app, name, since, options])
            },
            |scope, answer| self.read_page(scope, (answer, after.as_ref()), (table, ask, horizon)),
        )
        .await
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Body>>> {
        let key = Key::QueryMalformed;
        if !self.applier_has(key)? {
            return Ok(Vec::new());
        }
        let env = self.applier.env();
        await_js(
            env,
            "applier.queryMalformed",
            |scope, invoke| {
                let (app, name) = (scope.string(&table.app)?, scope.string(&table.name)?);
                self.call_applier(scope, invoke, key, &[app, name])
            },
            |scope, answer| {
                let answer = (answer, "applier.queryMalformed");
                read_malformed(scope, env, answer, limit, |scope, entry, fault| {
                    faulty_row(scope, env, entry, (table, Hlc::zero(), fault))
                })
            },
        )
        .await
    }

    async fn apply(&self, items: Vec<Item<Body>>, order: Order) -> Result<Vec<Outcome>> {
        let batch = Batch {
            adapter: &self.applier,
            option: "applier",
            key: Key::ApplyRows,
        };
        batch.store(&items, order).await
    }

    async fn apply_one(&self, item: &Item<Body>) -> Result<()> {
        let env = self.applier.env();
        await_js(
            env,
            "applier.apply",
            |scope, invoke| {
                self.call_applier(scope, invoke, Key::Apply, &[item.body.to_js(scope, env)?])
            },
            |_, _| Ok(()),
        )
        .await
    }
}
