//! `adapter.transaction(callback)` of a store of this package.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::{hlc, json, methods, promise, query, text};
use crate::error::{Error, Result};
use crate::node::inside::number_of;
use crate::node::runtime::{Offload, await_js, in_order_on_threads, kept, spawn, watch};
use crate::node::value::{Call, Env, Intrinsic, Kind, Method, Persistent, Scope, Value, function};
use crate::store::{RecordStore, RecordTransaction};

/// Calls the callback with a transaction, and commits what it did when its promise is fulfilled. What it
/// throws undoes everything and comes out as the same object. One that takes longer than `limit`, or goes
/// on once the store was closed, is not waited for: its transaction is undone.
pub fn transaction<'s>(
    call: &Call<'s>,
    store: &Arc<dyn RecordStore>,
    limit: Option<Duration>,
) -> Result<Value<'s>> {
    let (env, store) = (Rc::clone(call.env), Arc::clone(store));
    let (scope, given) = (call.scope, call.arg(0));
    let callback = match scope.kind(given)? {
        Kind::Function => Ok(scope.keep(given)?),
        _ => Err(scope.must_be_some("transaction(callback)", "a function", given)),
    };
    spawn(scope, async move {
        let callback = callback?;
        let begun = in_order_on_threads(&env, async move { store.transaction().await }).await;
        let transaction = begun.map_err(|error| error.or_in("transaction"))?;
        let result = run(&env, &callback, &transaction, limit).await;
        let ending = Arc::clone(&transaction);
        match result {
            Ok(result) => {
                in_order_on_threads(&env, async move { ending.commit().await }).await?;
                Ok(result)
            }
            Err(Ending::Threw(error)) => {
                in_order_on_threads(&env, async move { ending.rollback().await }).await?;
                Err(error)
            }
            Err(Ending::Outlived(error)) => Err(error),
        }
    })
}

/// Why a callback did not come to its end.
enum Ending {
    Threw(Error),
    Outlived(Error),
}

async fn run(
    env: &Rc<Env>,
    callback: &Persistent,
    transaction: &Arc<dyn RecordTransaction>,
    limit: Option<Duration>,
) -> Result<Persistent, Ending> {
    // A callback that waits for nothing which happens any more is told when its time is over.
    let _away = limit.map(|_| Offload::new(env));
    let watched = Arc::clone(transaction);
    let outlived =
        watch(env, async move { watched.outlived(limit).await }).map_err(Ending::Threw)?;
    // A promise that nothing holds takes its waiters along, and nothing would say that the time is over.
    let mut held = None;
    let _inside = Inside(env, number_of(transaction.holder()));
    let callback = await_js(
        env,
        "transaction",
        |scope| {
            let number = scope.number(number_of(transaction.holder()))?;
            let object = transaction_object(scope, transaction)?;
            let args = [number, callback.value(scope)?, object];
            let answer = scope.helper(Intrinsic::RunInTransaction, &args)?;
            if limit.is_some() {
                held = Some(scope.keep(answer)?);
            }
            Ok(answer)
        },
        kept,
    );
    match select(pin!(callback), pin!(outlived)).await {
        Either::Left((result, _)) => result.map_err(Ending::Threw),
        Either::Right((error, _)) => Err(Ending::Outlived(error)),
    }
}

/// Tells `js/transactions.js` when the transaction is over.
struct Inside<'r>(&'r Rc<Env>, f64);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.0.is_alive() {
            // Fails only where the environment is ending.
            let _ = self.0.scope(|scope| {
                let number = scope.number(self.1)?;
                let ended = scope.helper(Intrinsic::EndTransaction, &[number]);
                ended.map(drop)
            });
        }
    }
}

const METHODS: &[(&str, Method<Arc<dyn RecordTransaction>>)] = methods! { transaction,
    "put"(record: json(0)) => transaction.put(record).await;
    "get"(id: text(0, "get(id)")) => transaction.get(&id).await;
    "delete"(id: text(0, "delete(id)"), hlc: hlc(1, "delete(hlc)")) => transaction.delete(&id, hlc).await;
    "query"(query: query) => transaction.query(query).await;
};

fn transaction_object<'s>(
    scope: Scope<'s>,
    transaction: &Arc<dyn RecordTransaction>,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    for (name, body) in METHODS {
        let transaction = Arc::clone(transaction);
        let method = function(scope, name, move |call| body(call, &transaction))?;
        scope.set(object, name, method)?;
    }
    Ok(object)
}
