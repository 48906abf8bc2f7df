//! `adapter.transaction(callback)` of a store of this package.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde_json::value::RawValue;

use super::{Methods, add_methods, arguments, methods, promise};
use crate::error::Result;
use crate::node::inside::number_of;
use crate::node::runtime::{Offload, await_js, in_order_on_threads, kept, spawn, watch};
use crate::node::value::{Call, Env, Intrinsic, Persistent, Value};
use crate::protocol::hlc::Hlc;
use crate::store::query::Query;
use crate::store::{RecordStore, RecordTransaction};

/// Calls the callback with the functions of a transaction, and commits what it did when its promise is fulfilled. What it
/// throws undoes everything and comes out as the same object. One that takes longer than `limit`, or goes
/// on once the store was closed, is not waited for: its transaction is undone.
pub fn transaction<'s>(
    call: &Call<'s>,
    store: &Arc<dyn RecordStore>,
    limit: Option<Duration>,
) -> Result<Value<'s>> {
    let (env, store) = (Rc::clone(call.env), Arc::clone(store));
    let callback = call.scope.keep(call.arg(0))?;
    spawn(call.scope, async move {
        let begun = in_order_on_threads(&env, async move { store.transaction().await }).await;
        let transaction = begun.map_err(|error| error.or_in("transaction"))?;
        let done = run(&env, &callback, &transaction, limit).await?;
        let is_done = done.is_ok();
        in_order_on_threads(&env, async move {
            if is_done {
                return transaction.commit().await;
            }
            transaction.rollback().await
        })
        .await?;
        done
    })
}

/// What came of the callback; an error where the transaction was undone meanwhile.
async fn run(
    env: &Rc<Env>,
    callback: &Persistent,
    transaction: &Arc<dyn RecordTransaction>,
    limit: Option<Duration>,
) -> Result<Result<Persistent>> {
    // A callback that waits for nothing which happens any more is told when its time is over.
    let _away = limit.map(|_| Offload::new(env));
    let watched = Arc::clone(transaction);
    let outlived = match watch(env, async move { watched.outlived(limit).await }) {
        Ok(outlived) => outlived,
        Err(error) => return Ok(Err(error)),
    };
    // A promise that nothing holds takes its waiters along, and nothing would say that the time is over.
    let mut held = None;
    let _inside = Inside(env, number_of(transaction.holder()));
    let callback = await_js(
        env,
        "transaction",
        |scope| {
            let number = scope.number(number_of(transaction.holder()))?;
            let object = scope.object()?;
            add_methods(scope, object, transaction, &[(METHODS, |_| None)])?;
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
        Either::Left((result, _)) => Ok(result),
        Either::Right((error, _)) => Err(error),
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

const METHODS: Methods<dyn RecordTransaction> = methods! { transaction, promise,
    "put"(record: Box<RawValue>) => transaction.put(record.get().into()).await;
    "get"(id: String) => transaction.get(&id).await;
    "delete"(id: String, hlc: Hlc) => transaction.delete(&id, hlc).await;
    "query"(query: Box<RawValue>) => transaction.query(Query::from_json(query.get())?).await;
};
