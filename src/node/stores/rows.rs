//! Any store of app rows of this package as the two objects of an `appSyncableSource`.

use std::rc::Rc;
use std::sync::Arc;

use super::{
    Native, add_methods, json as json_arg, limit_in, methods, promise, text, text_arg, write_page,
};
use crate::error::Result;
use crate::node::convert::read_row;
use crate::node::error::invalid;
use crate::node::runtime::{IntoJs, parse_json};
use crate::node::value::{Call, Method, Scope, Value, brand};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::store::{AppRowStore, Json, Namespace, Registration};

/// The source that stands for `store`.
pub fn rows<'s>(call: &Call<'s>, store: &Arc<dyn AppRowStore>) -> Result<Value<'s>> {
    let scope = call.scope;
    let (source, namespaces, applier) = (scope.object()?, scope.object()?, scope.object()?);
    let guarded: (_, fn(&Arc<dyn AppRowStore>) -> _) = (store, |store| store.held_by());
    add_methods(call, source, REGISTERING, guarded)?;
    add_methods(call, source, METHODS, (store, |_| None))?;
    add_methods(call, namespaces, NAMESPACES, (store, |_| None))?;
    add_methods(call, applier, APPLYING, guarded)?;
    add_methods(call, applier, APPLIER, (store, |_| None))?;
    let native = Rc::new(Native(Arc::clone(store)));
    for (name, object) in [("namespaces", namespaces), ("applier", applier)] {
        brand(scope, object, Rc::<Native<dyn AppRowStore>>::clone(&native))?;
        scope.set(source, name, object)?;
    }
    Ok(source)
}

type Methods = &'static [(&'static str, Method<Arc<dyn AppRowStore>>)];

const REGISTERING: Methods = methods! { store,
    "register"(app: text(0, "register(appId)"), tables: registration) => store.register(&app, tables).await;
};

const METHODS: Methods = methods! { store,
    "healthCheck"() => store.health_check().await;
    "close"() => store.close().await;
};

const APPLYING: Methods = methods! { store,
    "apply"(item: entry_arg) => store.apply(item).await;
};

const APPLIER: Methods = methods! { store,
    "scanSince"(scan: scan_args) => {
        let (table, since, limit) = scan;
        let (items, has_more) = store.scan(&table, since, limit).await?;
        // Read as well as it can be, a malformed row would pass for another.
        match items.iter().find_map(|item| item.fault.clone()) {
            Some(fault) => Err(fault),
            None => Ok(ScanPage { items, has_more }),
        }
    };
    "getNodeWatermarks"(table: |call| table_args(call, "getNodeWatermarks")) =>
        store.node_watermarks(&table).await;
};

/// These answer at once, as the interface has it. The file is asked each time: another process may
/// register apps too.
const NAMESPACES: Methods = &[
    ("get", |call, store| {
        let app = text_arg(call, 0, "namespaces.get(appId)")?.to_utf8();
        let all = store.namespaces_now()?;
        let is_it = |namespace: &Namespace| Some(&namespace.app_id) == app.as_ref();
        all.into_iter().find(is_it).into_js(call.scope)
    }),
    ("list", |call, store| {
        store.namespaces_now()?.into_js(call.scope)
    }),
];

fn registration(call: &Call<'_>) -> Result<Registration> {
    serde_json::from_str(&json_arg(1)(call)?).map_err(|error| {
        let shape = "must be { tables: [{ name, pkColumns, columns }], filesEnabled }";
        invalid("register(options)", shape).caused_by(error)
    })
}

fn entry_arg(call: &Call<'_>) -> Result<Item<Json>> {
    let scope = call.scope;
    let item = read_row(scope, call.arg(0))?;
    let item = item.map_err(|what| invalid("apply(entry)", &what.to_string()))?;
    item.with_body(|body| body.to_json(scope.env()))
}

fn table_args(call: &Call<'_>, method: &str) -> Result<Table> {
    let text = |index| call.scope.as_text(call.arg(index));
    if let (Some(app), Some(name)) = (text(0), text(1)) {
        return Ok(Table { app, name });
    }
    let kind = |index| call.scope.describe(call.arg(index), true);
    let (app, table) = (kind(0)?, kind(1)?);
    let what = "must be called with an appId and a table, both strings";
    Err(invalid(method, &format!("{what}, got {app} and {table}")))
}

/// The table, the later of `since` and `cursor`, and the limit.
fn scan_args(call: &Call<'_>) -> Result<(Table, Hlc, usize)> {
    let (scope, options) = (call.scope, call.arg(3));
    let table = table_args(call, "scanSince")?;
    let time = |value: Value<'_>| {
        scope
            .as_text(value)
            .filter(|text| !text.is_empty())
            .map(|text| Hlc::parse_text(&text))
            .transpose()
    };
    let mut since = time(call.arg(2))?;
    let mut limit = usize::MAX;
    if !scope.is_nullish(options)? {
        since = since.max(time(scope.get(options, "cursor")?)?);
        limit = limit_in(call, options, "scanSince(limit)")?.unwrap_or(limit);
    }
    Ok((table, since.unwrap_or_else(Hlc::zero), limit))
}

/// A page of a scan.
struct ScanPage {
    items: Vec<Item<Json>>,
    has_more: bool,
}

impl IntoJs for ScanPage {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let last = self.items.last().filter(|_| self.has_more);
        let next = last.map(|last| last.hlc.to_text().to_string());
        write_page(
            scope,
            ("rows", &self.items),
            |scope, item| parse_json(scope, &item.body),
            (next, self.has_more),
        )
    }
}

impl IntoJs for Namespace {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        self.to_json().into_js(scope)
    }
}
