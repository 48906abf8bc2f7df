//! This package's own stores as plain objects of the peers' interfaces.
//!
//! Which stores there are, and how each is opened by its options, is in [`registry`]. The object that stands for a store
//! is made by `js/stores.js`, which says what each method must be called with, around functions that are made here of
//! the store's trait alone, once for each kind.

mod asked;
mod kinds;
mod postgres;
mod registry;
mod s3;
mod transaction;

use std::any::Any;
use std::future::{Future, ready};
use std::rc::Rc;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::inside::refuse_inside;
use super::runtime::{IntoJs, in_order_on_threads, spawn};
use super::value::{Call, Intrinsic, Method, Scope, Value, function, half};
use crate::error::{Error, Result};
use crate::store::Holder;

pub use kinds::bytes_arg;
pub use registry::STORES;

/// What is behind an object of this package that stands for a store.
pub struct Native<S: ?Sized>(pub Arc<S>);

/// What is asked of a store, by name.
type Methods<S> = &'static [(&'static str, Method<Arc<S>>)];

/// The object that `js/stores.js` makes around `functions`, which stands for a store.
pub fn stand_for<'s>(
    scope: Scope<'s>,
    kind: &str,
    functions: Value<'s>,
    native: Rc<dyn Any>,
) -> Result<Value<'s>> {
    let args = [scope.text(kind)?, functions, half(scope, native)?];
    scope.helper(Intrinsic::StandFor, &args)
}

/// Which transaction has the turn of a store, if one has.
type HeldBy<S> = fn(&S) -> Option<Holder>;

/// Gives `object` methods of `store`. Where it is said beside them which transaction has the turn of the store, calls from
/// inside that transaction are refused.
fn add_methods<S: ?Sized + 'static>(
    scope: Scope<'_>,
    object: Value<'_>,
    store: &Arc<S>,
    groups: &[(Methods<S>, HeldBy<S>)],
) -> Result<()> {
    for (methods, held_by) in groups {
        for (name, body) in *methods {
            let (store, body, held_by) = (Arc::clone(store), *body, *held_by);
            let method = function(scope, name, move |call| {
                outside(call, held_by(&store), |call| body(call, &store))
            })?;
            scope.set(object, name, method)?;
        }
    }
    Ok(())
}

/// The object of this kind that stands for `store`, around these methods of it.
fn stand<'s, S: ?Sized + 'static>(
    call: &Call<'s>,
    kind: &str,
    store: Arc<S>,
    groups: &[(Methods<S>, HeldBy<S>)],
) -> Result<Value<'s>> {
    let functions = call.scope.object()?;
    add_methods(call.scope, functions, &store, groups)?;
    stand_for(call.scope, kind, functions, Rc::new(Native(store)))
}

/// Methods that answer a promise: their names, what each argument is that comes as JSON, what is read besides of the call,
/// and what is asked of `$store` with all that. `$run` makes
/// a promise of it.
macro_rules! methods {
    ($store:ident, $run:ident, $(
        $name:literal($($argument:ident: $type:ty),*) $(, $besides:ident = $read:expr)? => $ask:expr;
    )*) => {
        &[$(($name, |call, $store| {
            #[allow(unused_variables, reason = "some answer without asking anything")]
            let $store = Clone::clone($store);
            let given = arguments(call);
            $(let read: fn(&Call<'_>) -> Result<_> = $read; let $besides = read(call);)?
            $run(call, given.map(|($($argument,)*): ($($type,)*)| async move {
                $(let $besides = $besides?;)?
                $ask
            }))
        })),*]
    };
}

pub(super) use methods;

/// What `js/stores.js` found a method to be called with: JSON, the first argument.
pub fn arguments<T: DeserializeOwned>(call: &Call<'_>) -> Result<T> {
    let text = call.scope.as_string(call.arg(0)).unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| Error::json(call.name.to_owned(), error))
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

/// A page of a store: what its items are called, the items, the cursor of the next, and whether there is one.
struct QueryPage<T>(&'static str, Vec<T>, Option<String>, bool);

impl<T: IntoJs> IntoJs for QueryPage<T> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let Self(name, items, next, has_more) = self;
        scope.object_of(&[
            (name, items.into_js(scope)?),
            ("nextCursor", next.into_js(scope)?),
            ("hasMore", scope.boolean(has_more)?),
        ])
    }
}
