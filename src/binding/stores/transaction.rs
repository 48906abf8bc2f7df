//! `adapter.transaction(callback)` of the native database.

use std::rc::Rc;
use std::sync::Arc;

use super::records::query_arg;
use super::{hlc_arg, json_arg, promise, string_arg};
use crate::binding::error::must_be;
use crate::binding::executor::{await_js, in_order_on_threads, spawn};
use crate::binding::js::{Call, Kind, Realm, Scope, Value, function};
use crate::error::Result;
use crate::store::sqlite::{SqliteRecords, SqliteTransaction};

/// Calls the callback with a transaction, and commits what it did when its promise is fulfilled. What it
/// throws undoes everything and comes out as the same object.
pub fn transaction<'s>(call: &Call<'s>, store: &SqliteRecords) -> Result<Value<'s>> {
    let (realm, store) = (Rc::clone(call.realm), store.clone());
    let is_function = call.scope.kind(call.arg(0))? == Kind::Function;
    let got = call.scope.describe_kind(call.arg(0));
    let callback = call.realm.keep(call.scope, call.arg(0))?;
    spawn(call.scope, call.realm, async move {
        if !is_function {
            return Err(must_be("transaction(callback)", "a function", &got));
        }
        let begun = in_order_on_threads(&realm, async move { store.transaction().await }).await?;
        let transaction = Arc::new(begun);
        let result = await_js(
            &realm,
            "transaction",
            |scope, invoke| {
                let object = transaction_object(scope, &realm, &transaction)?;
                let answer = scope.call(scope.undefined()?, callback.value(scope)?, &[object])?;
                invoke.take(scope, answer)
            },
            |scope, result| realm.keep(scope, result),
        )
        .await;
        let ending = Arc::clone(&transaction);
        match result {
            Ok(result) => {
                in_order_on_threads(&realm, async move { ending.commit().await }).await?;
                Ok(result)
            }
            Err(error) => {
                in_order_on_threads(&realm, async move { ending.rollback().await }).await?;
                Err(error)
            }
        }
    })
}

type Method = for<'c> fn(&Call<'c>, Arc<SqliteTransaction>) -> Result<Value<'c>>;

const METHODS: &[(&str, Method)] = &[
    ("put", |call, transaction| {
        promise(
            call,
            json_arg(call, 0).map(|record| async move { transaction.put(record).await }),
        )
    }),
    ("get", |call, transaction| {
        let id = string_arg(call, 0, "get(id)");
        promise(call, id.map(|id| async move { transaction.get(&id).await }))
    }),
    ("delete", |call, transaction| {
        let arguments = string_arg(call, 0, "delete(id)")
            .and_then(|id| Ok((id, hlc_arg(call, 1, "delete(hlc)")?)));
        promise(
            call,
            arguments.map(|(id, hlc)| async move { transaction.delete(&id, hlc).await }),
        )
    }),
    ("query", |call, transaction| {
        promise(
            call,
            query_arg(call, 0).map(|query| async move { transaction.query(query).await }),
        )
    }),
];

fn transaction_object<'s>(
    scope: Scope<'s>,
    realm: &Rc<Realm>,
    transaction: &Arc<SqliteTransaction>,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    for (name, body) in METHODS {
        let transaction = Arc::clone(transaction);
        let method = function(scope, realm, name, move |call| {
            body(call, Arc::clone(&transaction))
        })?;
        scope.set_named(object, name, method)?;
    }
    Ok(object)
}
