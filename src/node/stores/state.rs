//! Any store of what engines remember as a `SyncStateStore` object.

use std::rc::Rc;
use std::sync::Arc;

use super::{json_arg, outside, promise};
use crate::error::Result;
use crate::node::value::{Call, Value, brand, function};
use crate::store::{HLC_CLOCK, Json, OWN_WATERMARKS, PEER_WATERMARKS, StateStore};

/// The methods of a `SyncStateStore`: reader, writer, the key, and what a missing key reads as.
pub const METHODS: [(&str, &str, &str, &str); 3] = [
    ("getWatermarks", "setWatermarks", OWN_WATERMARKS, "{}"),
    (
        "getPeerWatermarks",
        "setPeerWatermarks",
        PEER_WATERMARKS,
        "{}",
    ),
    ("getHlcClockState", "setHlcClockState", HLC_CLOCK, "null"),
];

/// What is behind the store object.
pub struct NativeState(pub Arc<dyn StateStore>);

/// The object that stands for `store`.
pub fn state<'s>(call: &Call<'s>, store: Arc<dyn StateStore>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let object = scope.object()?;
    for (get, set, key, missing) in METHODS {
        let reading = Arc::clone(&store);
        let getter = function(scope, env, get, move |call| {
            let store = Arc::clone(&reading);
            promise(
                call,
                Ok(async move {
                    let value = store.get(key).await?;
                    Ok(Some(value.unwrap_or_else(|| Json::from(missing))))
                }),
            )
        })?;
        scope.set_named(object, get, getter)?;
        let writing = Arc::clone(&store);
        let setter = function(scope, env, set, move |call| {
            outside(call, writing.held_by(), |call| {
                let store = Arc::clone(&writing);
                promise(
                    call,
                    json_arg(call, 0).map(|value| async move { store.set(key, value).await }),
                )
            })
        })?;
        scope.set_named(object, set, setter)?;
    }
    let closing = Arc::clone(&store);
    let close = function(scope, env, "close", move |call| {
        let store = Arc::clone(&closing);
        promise(call, Ok(async move { store.close().await }))
    })?;
    scope.set_named(object, "close", close)?;
    brand(scope, env, object, Rc::new(NativeState(store)))?;
    Ok(object)
}
