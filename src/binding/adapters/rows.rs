//! The app rows of a channel.

use std::collections::HashMap;

use super::batch::{Batch, has_function};
use super::query_page::rest_of;
use super::records::read_malformed;
use crate::binding::convert::{
    Body, faulty_row, malformed, read_hlcs, read_row, read_watermarks, unreadable,
};
use crate::binding::error::invalid;
use crate::binding::executor::{Invocation, await_js};
use crate::binding::js::{Handle, Kept, Key, Kind, Scope, Value};
use crate::engine::intake::{Arrival, Line, Outcome, apply_one_by_one, must_know, store_page};
use crate::engine::ports::{AppRows, Clock};
use crate::error::Result;
use crate::protocol::delta::{Ask, Page};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind, NoItem, Table};
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

    /// Settles the rows that are not for the applier to see, and answers the others. In the order of
    /// timestamps: what fails stops what follows.
    async fn screen<'a>(
        &self,
        run: &'a mut [Arrival<Body>],
        line: &mut Line,
    ) -> Vec<&'a mut Arrival<Body>> {
        let mut known: HashMap<Text, Result<()>> = HashMap::new();
        let mut free = Vec::with_capacity(run.len());
        for arrival in run {
            if line.holds_back(&arrival.item.hlc.node_id) {
                arrival.settle(Outcome::Behind, line);
                continue;
            }
            let app = match &arrival.item.kind {
                ItemKind::Row(table) if line.known_apps_only() => table.app.clone(),
                _ => {
                    free.push(arrival);
                    continue;
                }
            };
            if !known.contains_key(&app) {
                let verdict = must_know(self, &app).await;
                known.insert(app.clone(), verdict);
            }
            match known.get(&app) {
                Some(Err(error)) => arrival.settle(Outcome::Failed(error.clone()), line),
                _ => free.push(arrival),
            }
        }
        free
    }

    fn read_tables(&self, scope: Scope<'_>, namespaces: Value<'_>) -> Result<Vec<Table>> {
        let realm = self.namespaces.realm();
        let mut tables = Vec::new();
        if !scope.is_array(namespaces)? {
            return Err(invalid(
                "namespaces.list",
                "must answer an array of namespaces",
            ));
        }
        for index in 0..scope.length(namespaces)? {
            let namespace = scope.element(namespaces, index)?;
            let app = scope.as_text(scope.get(realm, namespace, Key::AppId)?);
            let app = app.ok_or_else(|| {
                invalid("namespaces.list", "a namespace's appId must be a string")
            })?;
            let mut names = scope.get(realm, namespace, Key::Tables)?;
            if !scope.is_array(names)? {
                names = scope.get(realm, namespace, Key::TableNames)?;
            }
            if !scope.is_array(names)? {
                continue;
            }
            for index in 0..scope.length(names)? {
                let table = scope.element(names, index)?;
                let name = match scope.kind(table)? {
                    Kind::Object => scope.as_text(scope.get(realm, table, Key::Name)?),
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

    /// Takes the wanted rows of one scan page. Answers the cursor of the next, or nothing where the scan
    /// is over or no later row can get a place any more.
    fn read_page(
        &self,
        scope: Scope<'_>,
        (answer, cursor): (Value<'_>, Option<&Kept>),
        (table, ask): (&Table, &Ask),
        page: &mut Page<Item<Body>>,
    ) -> Result<Option<Kept>> {
        let realm = self.applier.realm();
        let wrong = |what| Err(invalid("applier.scanSince", what));
        if scope.kind(answer)? != Kind::Object {
            return wrong("must answer a page, an object; got something else");
        }
        let rows = scope.get(realm, answer, Key::Rows)?;
        if !scope.is_array(rows)? {
            return wrong("must answer a page with an array of `rows`");
        }
        let mut past_the_page = false;
        let stamps = read_hlcs(scope, realm, rows, Some(Key::Timestamp))?;
        for (index, stamp) in (0u32..).zip(stamps) {
            let Some(hlc) = stamp else {
                let fault = (
                    table,
                    Hlc::zero(),
                    malformed(&NoItem::Timestamp.to_string()),
                );
                page.note_unorderable(
                    realm.scope(|scope| {
                        faulty_row(scope, realm, scope.element(rows, index)?, fault)
                    })?,
                );
                continue;
            };
            if page.meets(ask, &hlc) {
                let item = realm.scope(|scope| {
                    let entry = scope.element(rows, index)?;
                    let fault = match read_row(scope, realm, entry) {
                        Ok(Ok(item)) => return Ok(item),
                        Ok(Err(what)) => malformed(&what.to_string()),
                        Err(error) => unreadable(error)?,
                    };
                    faulty_row(scope, realm, entry, (table, hlc.clone(), fault))
                })?;
                page.offer(hlc.clone(), item);
            }
            past_the_page |= no_later_row_fits(page, &hlc);
        }
        if past_the_page {
            return Ok(None);
        }
        let is_empty = scope.length(rows)? == 0;
        rest_of(scope, realm, (answer, cursor), is_empty)?.or_else(wrong)
    }
}

/// Whether every row after `hlc` is later than a full page. Scans come in the order of the text form,
/// in which counters and wall times sort by value only while they have the same number of digits, so
/// the wall times have to decide, and both have to fit the form.
fn no_later_row_fits(page: &Page<Item<Body>>, hlc: &Hlc) -> bool {
    page.horizon().is_some_and(|end| {
        end.wall_time_fits_text() && hlc.wall_time_fits_text() && hlc.wall_time > end.wall_time
    })
}

impl AppRows<Body> for JsRows {
    async fn tables(&self) -> Result<Vec<Table>> {
        let realm = self.namespaces.realm();
        await_js(
            realm,
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
        let realm = self.namespaces.realm();
        await_js(
            realm,
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

    fn knows_coverage(&self) -> bool {
        self.applier_has(Key::GetNodeWatermarks).unwrap_or(false)
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        let realm = self.applier.realm();
        await_js(
            realm,
            "applier.getNodeWatermarks",
            |scope, invoke| {
                let (app, name) = (scope.string(&table.app)?, scope.string(&table.name)?);
                self.call_applier(scope, invoke, Key::GetNodeWatermarks, &[app, name])
            },
            |scope, answer| {
                let read = read_watermarks(scope, realm, answer)?;
                read.map_err(|what| invalid("applier.getNodeWatermarks", &what))
            },
        )
        .await
    }

    async fn unseen(
        &self,
        table: &Table,
        floor: &Hlc,
        ask: &Ask,
        page: &mut Page<Item<Body>>,
    ) -> Result<()> {
        // An answering side's applier need not be able to scan.
        if !self.applier_has(Key::ScanSince)? {
            return Ok(());
        }
        let realm = self.applier.realm();
        let mut cursor: Option<Kept> = None;
        loop {
            page.begin_read();
            let next = await_js(
                realm,
                "applier.scanSince",
                |scope, invoke| {
                    let options = scope.object()?;
                    scope.set(
                        realm,
                        options,
                        Key::Limit,
                        scope.number(self.scan_page_size)?,
                    )?;
                    let after = match &cursor {
                        Some(cursor) => cursor.value(scope)?,
                        None => scope.undefined()?,
                    };
                    scope.set(realm, options, Key::Cursor, after)?;
                    let (app, name) = (scope.string(&table.app)?, scope.string(&table.name)?);
                    let since = scope.string(&floor.to_text())?;
                    self.call_applier(scope, invoke, Key::ScanSince, &[app, name, since, options])
                },
                |scope, answer| {
                    self.read_page(scope, (answer, cursor.as_ref()), (table, ask), page)
                },
            )
            .await?;
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<Body>>> {
        let key = Key::QueryMalformed;
        if !self.applier_has(key)? {
            return Ok(Vec::new());
        }
        let realm = self.applier.realm();
        await_js(
            realm,
            "applier.queryMalformed",
            |scope, invoke| {
                let (app, name) = (scope.string(&table.app)?, scope.string(&table.name)?);
                self.call_applier(scope, invoke, key, &[app, name])
            },
            |scope, answer| {
                let answer = (answer, "applier.queryMalformed");
                read_malformed(scope, realm, answer, limit, |scope, entry, fault| {
                    faulty_row(scope, realm, entry, (table, Hlc::zero(), fault))
                })
            },
        )
        .await
    }

    async fn take_in(&self, run: &mut [Arrival<Body>], clock: &impl Clock, line: &mut Line) {
        let key = Key::ApplyRows;
        if !self.applier_has(key).unwrap_or(false) {
            return apply_one_by_one(self, run, clock, line).await;
        }
        let free = self.screen(run, line).await;
        let batch = Batch {
            adapter: &self.applier,
            option: "applier",
            key,
        };
        let body = |body: &Body| Ok(body.clone());
        store_page(free, clock, line, body, async |items, strict| {
            batch.store(&items, strict).await
        })
        .await;
    }

    async fn apply(&self, item: &Item<Body>) -> Result<()> {
        let realm = self.applier.realm();
        await_js(
            realm,
            "applier.apply",
            |scope, invoke| {
                self.call_applier(scope, invoke, Key::Apply, &[item.body.to_js(scope, realm)?])
            },
            |_, _| Ok(()),
        )
        .await
    }
}
