//! Any store of app rows of this package as the two objects of an `appSyncableSource`.

use std::rc::Rc;
use std::sync::Arc;

use super::{json_arg, object_of, outside, promise, string_arg};
use crate::error::Result;
use crate::node::convert::{parse_json, read_row};
use crate::node::error::{invalid, must_be};
use crate::node::runtime::IntoJs;
use crate::node::value::{Call, Env, Key, Method, Scope, Value, brand};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::message::as_count;
use crate::store::{AppRowStore, Json, Namespace, Registration};

/// What is behind the two objects of the source.
pub struct NativeRows(pub Arc<dyn AppRowStore>);

/// The source that stands for `store`.
pub fn rows<'s>(call: &Call<'s>, store: &Arc<dyn AppRowStore>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let source = object_of(call, METHODS, store)?;
    let native = Rc::new(NativeRows(Arc::clone(store)));
    for (name, methods) in [("namespaces", NAMESPACES), ("applier", APPLIER)] {
        let object = object_of(call, methods, store)?;
        brand(scope, env, object, Rc::<NativeRows>::clone(&native))?;
        scope.set_named(source, name, object)?;
    }
    Ok(source)
}

const METHODS: &[(&str, Method<Arc<dyn AppRowStore>>)] = &[
    ("register", |call, store| {
        outside(call, store.held_by(), |call| {
            let store = Arc::clone(store);
            let work = registration(call)
                .map(|(app, tables)| async move { store.register(&app, tables).await });
            promise(call, work)
        })
    }),
    ("healthCheck", |call, store| {
        let store = Arc::clone(store);
        promise(call, Ok(async move { store.health_check().await }))
    }),
    ("close", |call, store| {
        let store = Arc::clone(store);
        promise(call, Ok(async move { store.close().await }))
    }),
];

/// These answer at once, as the interface has it. The file is asked each time: another process may
/// register apps too.
const NAMESPACES: &[(&str, Method<Arc<dyn AppRowStore>>)] = &[
    ("get", |call, store| {
        let app = call.scope.as_text(call.arg(0));
        let app = app.ok_or_else(|| {
            let got = call.scope.describe_kind(call.arg(0));
            must_be("namespaces.get(appId)", "a string", &got)
        })?;
        let app = app.to_utf8();
        let all = store.namespaces_now()?;
        let found = all
            .into_iter()
            .find(|namespace| Some(&namespace.app_id) == app.as_ref());
        match found {
            Some(namespace) => namespace.into_js(call.scope, call.env),
            None => call.scope.null(),
        }
    }),
    ("list", |call, store| {
        let list = call.scope.array()?;
        for (index, namespace) in (0u32..).zip(store.namespaces_now()?) {
            let namespace = namespace.into_js(call.scope, call.env)?;
            call.scope.set_element(list, index, namespace)?;
        }
        Ok(list)
    }),
];

const APPLIER: &[(&str, Method<Arc<dyn AppRowStore>>)] = &[
    ("apply", |call, store| {
        outside(call, store.held_by(), |call| {
            let store = Arc::clone(store);
            let work = entry_arg(call).map(|item| async move { store.apply(item).await });
            promise(call, work)
        })
    }),
    ("scanSince", |call, store| {
        let store = Arc::clone(store);
        let work = scan_args(call).map(|(table, since, limit)| async move {
            let (items, has_more) = store.scan(&table, since, limit).await?;
            // Read as well as it can be, a malformed row would pass for another.
            if let Some(fault) = items.iter().find_map(|item| item.fault.clone()) {
                return Err(fault);
            }
            Ok(ScanPage { items, has_more })
        });
        promise(call, work)
    }),
    ("getNodeWatermarks", |call, store| {
        let store = Arc::clone(store);
        let work = table_args(call, "getNodeWatermarks")
            .map(|table| async move { store.node_watermarks(&table).await });
        promise(call, work)
    }),
];

fn registration(call: &Call<'_>) -> Result<(String, Registration)> {
    let app = string_arg(call, 0, "register(appId)")?;
    let registration = serde_json::from_str(&json_arg(call, 1)?).map_err(|error| {
        let shape = "must be { tables: [{ name, pkColumns, columns }], filesEnabled }";
        invalid("register(options)", shape).caused_by(error)
    })?;
    Ok((app, registration))
}

fn entry_arg(call: &Call<'_>) -> Result<Item<Json>> {
    let (scope, env) = (call.scope, call.env);
    let item = read_row(scope, env, call.arg(0))?;
    let item = item.map_err(|what| invalid("apply(entry)", &what.to_string()))?;
    item.with_body(|body| body.to_json(env))
}

fn table_args(call: &Call<'_>, method: &str) -> Result<Table> {
    let text = |index| call.scope.as_text(call.arg(index));
    if let (Some(app), Some(name)) = (text(0), text(1)) {
        return Ok(Table { app, name });
    }
    let [app, table] = [0, 1].map(|index| call.scope.describe_kind(call.arg(index)));
    let (what, got) = (
        "called with an appId and a table, both strings",
        format!("{app} and {table}"),
    );
    Err(must_be(method, what, &got))
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
        since = since.max(time(scope.get(call.env, options, Key::Cursor)?)?);
        let wanted = scope.get(call.env, options, Key::Limit)?;
        if let Some(number) = scope.as_number(wanted) {
            limit = as_count(number).ok_or_else(|| {
                must_be(
                    "scanSince(limit)",
                    "a positive integer",
                    &scope.describe(wanted),
                )
            })?;
        }
    }
    Ok((table, since.unwrap_or_else(Hlc::zero), limit))
}

/// A page of a scan.
struct ScanPage {
    items: Vec<Item<Json>>,
    has_more: bool,
}

impl IntoJs for ScanPage {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        let object = scope.object()?;
        let rows = scope.array()?;
        for (index, item) in (0u32..).zip(&self.items) {
            env.scope(|scope| scope.set_element(rows, index, parse_json(scope, env, &item.body)?))?;
        }
        scope.set(env, object, Key::Rows, rows)?;
        let next = match self.items.last().filter(|_| self.has_more) {
            Some(last) => scope.string(&last.hlc.to_text())?,
            None => scope.null()?,
        };
        scope.set(env, object, Key::NextCursor, next)?;
        scope.set(env, object, Key::HasMore, scope.boolean(self.has_more)?)?;
        Ok(object)
    }
}

impl IntoJs for Namespace {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        let object = scope.object()?;
        let (tables, names) = (scope.array()?, scope.array()?);
        for (index, info) in (0u32..).zip(&self.tables) {
            let table = scope.object()?;
            let columns = scope.array()?;
            for (index, column) in (0u32..).zip(&info.pk_columns) {
                scope.set_element(columns, index, scope.text(column)?)?;
            }
            scope.set(env, table, Key::Name, scope.text(&info.name)?)?;
            scope.set_named(table, "pkColumns", columns)?;
            scope.set_element(tables, index, table)?;
            scope.set_element(names, index, scope.text(&info.name)?)?;
        }
        scope.set(env, object, Key::AppId, scope.text(&self.app_id)?)?;
        scope.set(env, object, Key::Tables, tables)?;
        scope.set_named(object, "filesEnabled", scope.boolean(self.files_enabled)?)?;
        scope.set(env, object, Key::TableNames, names)?;
        Ok(object)
    }
}
