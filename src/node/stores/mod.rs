//! This package's own stores as plain objects of the peers' interfaces.
//!
//! Which stores there are is in [`registry`]; each is opened by its options in a file of its own. The object
//! that stands for a store is made of its trait alone, once for each kind.

mod folder;
mod objects;
mod records;
mod registry;
mod rows;
mod sqlite;
mod state;
mod transaction;

use std::future::{Future, ready};
use std::rc::Rc;

use super::convert::{parse_json, read_hlc, stringify};
use super::error::{invalid, must_be};
use super::helpers::TIMESTAMP;
use super::inside::refuse_inside;
use super::runtime::{IntoJs, in_order_on_threads, spawn};
use super::value::{Call, Env, Method, Scope, Value, function};
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::text::Text;
use crate::store::query::Query;
use crate::store::{Holder, Json};

pub use objects::NativeBlobs;
pub use records::NativeRecords;
pub use registry::{STORES, create};
pub use rows::NativeRows;
pub use state::{METHODS as STATE_METHODS, NativeState};

/// A new object with these methods of `store`.
fn object_of<'s, T: Clone + 'static>(
    call: &Call<'s>,
    methods: &[(&str, Method<T>)],
    store: &T,
) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let object = scope.object()?;
    for (name, body) in methods {
        let (store, body) = (store.clone(), *body);
        let method = function(scope, env, name, move |call| body(call, &store))?;
        scope.set_named(object, name, method)?;
    }
    Ok(object)
}

/// Does `work` on the native threads, in the order of asking, and answers the promise of it. What is wrong
/// with the arguments rejects the promise, as in an async function.
fn promise<'s, T, W>(call: &Call<'s>, work: Result<W>) -> Result<Value<'s>>
where
    T: IntoJs + Send,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let env = Rc::clone(call.env);
    let name = call.name.to_owned();
    spawn(call.scope, call.env, async move {
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
        Err(error) => spawn(call.scope, call.env, ready(Err::<(), _>(error))),
    }
}

/// A string as UTF-8.
fn utf8(text: &Text, what: &str) -> Result<String> {
    text.to_utf8()
        .ok_or_else(|| invalid(what, "must be well-formed Unicode, got a lone surrogate"))
}

fn string_arg(call: &Call<'_>, index: usize, what: &str) -> Result<String> {
    let text = call
        .scope
        .as_text(call.arg(index))
        .ok_or_else(|| must_be(what, "a string", &call.scope.describe_kind(call.arg(index))))?;
    utf8(&text, what)
}

/// The key of an object, the first argument.
pub fn key_arg(call: &Call<'_>, what: &str) -> Result<Text> {
    call.scope
        .as_text(call.arg(0))
        .ok_or_else(|| must_be(what, "a string", &call.scope.describe_kind(call.arg(0))))
}

fn json_arg(call: &Call<'_>, index: usize) -> Result<Json> {
    stringify(call.scope, call.env, call.arg(index))
}

/// A query; nothing at all asks for everything.
fn query_arg(call: &Call<'_>, index: usize) -> Result<Query> {
    if call.scope.is_nullish(call.arg(index))? {
        return Ok(Query::default());
    }
    Query::from_json(&json_arg(call, index)?)
}

fn hlc_arg(call: &Call<'_>, index: usize, what: &str) -> Result<Hlc> {
    read_hlc(call.scope, call.env, call.arg(index))?
        .ok_or_else(|| must_be(what, TIMESTAMP, &call.scope.describe(call.arg(index))))
}

/// JSON that becomes a value; nothing becomes `null`.
impl IntoJs for Option<Json> {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        match self {
            Some(text) => parse_json(scope, env, &text),
            None => scope.null(),
        }
    }
}
