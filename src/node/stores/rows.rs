//! Any store of app rows of this package as the two objects of an `appSyncableSource`.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Methods, Native, Page, add_methods, arguments, methods, promise, stand_for};
use crate::error::Result;
use crate::node::convert::read_row;
use crate::node::error::invalid;
use crate::node::runtime::IntoJs;
use crate::node::value::{Call, Value};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::store::{AppRowStore, Json, Registration};

/// The source that stands for `store`.
pub fn rows<'s>(call: &Call<'s>, store: &Arc<dyn AppRowStore>) -> Result<Value<'s>> {
    let scope = call.scope;
    let object = scope.object()?;
    let held_by: fn(&dyn AppRowStore) -> _ = |store| store.held_by();
    add_methods(scope, object, &[("apply", apply)], (store, held_by))?;
    add_methods(scope, object, REGISTERING, (store, held_by))?;
    add_methods(scope, object, METHODS, (store, |_| None))?;
    add_methods(scope, object, NAMESPACES, (store, |_| None))?;
    stand_for(scope, "rows", object, Rc::new(Native(Arc::clone(store))))
}

const REGISTERING: Methods<dyn AppRowStore> = methods! { store,
    "register"(app: String, tables: Box<RawValue>) =>
        store.register(&app, Registration::from_json(tables.get())?).await;
};

const NAMESPACES: Methods<dyn AppRowStore> = &[
    // Answers at once, as the interface has it. The file is asked each time: another process may register apps too.
    ("list", |call, store| {
        let namespaces = store.namespaces_now()?.into_iter();
        let namespaces = namespaces.map(|namespace| namespace.to_json());
        namespaces.collect::<Vec<_>>().into_js(call.scope)
    }),
];

const METHODS: Methods<dyn AppRowStore> = methods! { store,
    "healthCheck"() => store.health_check().await;
    "close"() => store.close().await;
    // What is later than all of these times.
    "scanSince"(app: Text, name: Text, times: Vec<Text>, limit: Option<usize>) => {
        let times = times.iter().map(Hlc::parse_text).collect::<Result<Vec<_>>>()?;
        let since = times.into_iter().max().unwrap_or_else(Hlc::zero);
        let limit = limit.unwrap_or(usize::MAX);
        let (items, more) = store.scan(&Table { app, name }, since, limit).await?;
        // Read as well as it can be, a malformed row would pass for another.
        if let Some(fault) = items.iter().find_map(|item| item.fault.clone()) {
            return Err(fault);
        }
        let last = items.last().filter(|_| more);
        let next = last.map(|last| last.hlc.to_text().to_string());
        Ok(Page("rows", items.into_iter().map(|item| item.body).collect(), next, more))
    };
    "getNodeWatermarks"(app: Text, name: Text) => store.node_watermarks(&Table { app, name }).await;
};

/// `apply(entry)`, which is looked at as it is.
fn apply<'s>(call: &Call<'s>, store: &Arc<dyn AppRowStore>) -> Result<Value<'s>> {
    let (scope, store) = (call.scope, Arc::clone(store));
    let item = || -> Result<Item<Json>> {
        let item = read_row(scope, call.arg(1))?;
        let item = item.map_err(|what| invalid("apply(entry)", &what.to_string()))?;
        item.with_body(|body| body.to_json(scope.env()))
    };
    promise(
        call,
        item().map(|item| async move { store.apply(item).await }),
    )
}
