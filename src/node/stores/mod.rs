//! This package's own stores as plain objects of the peers' interfaces.
//!
//! Which stores there are, and how each is opened by its options, is in [`registry`]. The object that stands for a store
//! is made of its trait alone, once for each kind.

mod objects;
mod records;
mod registry;
mod rows;
mod state;
mod transaction;

use std::future::{Future, ready};
use std::rc::Rc;
use std::sync::Arc;

use super::convert::{TIMESTAMP, read_hlc};
use super::error::invalid;
use super::inside::refuse_inside;
use super::runtime::{IntoJs, in_order_on_threads, spawn, stringify};
use super::value::{Call, Method, Scope, Value, function, list};
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::message::as_count;
use crate::protocol::text::Text;
use crate::store::query::Query;
use crate::store::{Holder, Json};

pub use registry::STORES;

/// What is behind an object of this package that stands for a store.
pub struct Native<S: ?Sized>(pub Arc<S>);

/// Gives `object` these methods of `store`. Where `held_by` says which transaction has the turn of the store, calls from
/// inside that transaction are refused.
fn add_methods<'s, T: Clone + 'static>(
    call: &Call<'s>,
    object: Value<'s>,
    methods: &[(&str, Method<T>)],
    (store, held_by): (&T, fn(&T) -> Option<Holder>),
) -> Result<()> {
    let scope = call.scope;
    for (name, body) in methods {
        let (store, body) = (store.clone(), *body);
        let method = function(scope, name, move |call| {
            outside(call, held_by(&store), |call| body(call, &store))
        })?;
        scope.set(object, name, method)?;
    }
    Ok(())
}

/// Methods that answer a promise: their names, how each argument is read, and what is asked of `$store` with them.
macro_rules! methods {
    ($store:ident, $($name:literal($($argument:ident: $read:expr),*) => $ask:expr;)*) => {
        &[$(($name, |call, $store| {
            let $store = Arc::clone($store);
            let read = |_: &Call<'_>| -> Result<_> { Ok(($($read(call)?,)*)) };
            promise(call, read(call).map(|($($argument,)*)| async move { $ask }))
        })),*]
    };
}

use methods;

/// Does `work` on the native threads, in the order of asking, and answers the promise of it. What is wrong
/// with the arguments rejects the promise, as in an async function.
fn promise<'s, T, W>(call: &Call<'s>, work: Result<W>) -> Result<Value<'s>>
where
    T: IntoJs + Send,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let env = Rc::clone(call.env);
    let name = call.name.to_owned();
    spawn(call.scope, async move {
        let answer = in_order_on_threads(&env, work?).await;
        answer.map_err(|error| error.or_in(&name))
    })
}

/// Does what `body` says, unless the call is made inside the transaction that has the turn of its file: the
/// promise is rejected then.
fn outside<'s>(
    call: &Call<'s>,
    held_by: Option<Holder>,
    body: impl FnOnce(&Call<'s>) -> Result<Value<'s>>,
) -> Result<Value<'s>> {
    match refuse_inside(call, held_by) {
        Ok(()) => body(call),
        Err(error) => spawn(call.scope, ready(Err::<(), _>(error))),
    }
}

/// A string as UTF-8.
fn utf8(text: &Text, what: &str) -> Result<String> {
    text.to_utf8()
        .ok_or_else(|| invalid(what, "must be well-formed Unicode, got a lone surrogate"))
}

/// A string, the argument at `index`, which `what` names.
fn text_arg(call: &Call<'_>, index: usize, what: &str) -> Result<Text> {
    let (scope, value) = (call.scope, call.arg(index));
    let text = scope.as_text(value);
    text.ok_or_else(|| scope.must_be_some(what, "a string", value))
}

/// Reads a string as UTF-8.
fn text(index: usize, what: &'static str) -> impl Fn(&Call<'_>) -> Result<String> {
    move |call| utf8(&text_arg(call, index, what)?, what)
}

/// The key of an object, the first argument.
pub fn key_arg(call: &Call<'_>, what: &str) -> Result<Text> {
    text_arg(call, 0, what)
}

/// Reads anything, as the JSON that it is written as.
fn json(index: usize) -> impl Fn(&Call<'_>) -> Result<Json> {
    move |call| stringify(call.scope, call.arg(index))
}

/// A query, the first argument; nothing at all asks for everything.
fn query(call: &Call<'_>) -> Result<Query> {
    if call.scope.is_nullish(call.arg(0))? {
        return Ok(Query::default());
    }
    Query::from_json(&json(0)(call)?)
}

/// Reads a timestamp, the argument at `index`, which `what` names.
fn hlc(index: usize, what: &'static str) -> impl Fn(&Call<'_>) -> Result<Hlc> {
    move |call| {
        let (scope, value) = (call.scope, call.arg(index));
        let hlc = read_hlc(scope, value)?;
        hlc.ok_or_else(|| scope.must_be(what, TIMESTAMP, value))
    }
}

/// The option `limit` of a method, if it is a number.
fn limit_in(call: &Call<'_>, options: Value<'_>, what: &str) -> Result<Option<usize>> {
    let scope = call.scope;
    let limit = scope.get(options, "limit")?;
    let Some(number) = scope.as_number(limit) else {
        return Ok(None);
    };
    let count = as_count(number).map(Some);
    count.ok_or_else(|| scope.must_be(what, "a positive integer", limit))
}

/// The elements of an array, the argument at `index`.
fn elements<'s>(call: &Call<'s>, index: usize, what: &str) -> Result<Vec<Value<'s>>> {
    let (scope, list) = (call.scope, call.arg(index));
    if !scope.is_array(list)? {
        return Err(scope.must_be_some(what, "an array", list));
    }
    scope.elements(list)
}

/// A page of a store: its items under `name`, and the cursor of the next.
fn write_page<'s, T>(
    scope: Scope<'s>,
    (name, items): (&str, impl IntoIterator<Item = T>),
    write: impl for<'i> Fn(Scope<'i>, T) -> Result<Value<'i>>,
    (next, has_more): (Option<String>, bool),
) -> Result<Value<'s>> {
    scope.object_of(&[
        (name, list(scope, items, write)?),
        ("nextCursor", next.into_js(scope)?),
        ("hasMore", scope.boolean(has_more)?),
    ])
}
