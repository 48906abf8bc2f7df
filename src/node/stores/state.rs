//! Any store of what engines remember as a `SyncStateStore` object.

use std::rc::Rc;
use std::sync::Arc;

use super::{Native, add_methods, json, methods, promise};
use crate::error::Result;
use crate::node::value::{Call, Method, Value, brand};
use crate::store::{HLC_CLOCK, OWN_WATERMARKS, PEER_WATERMARKS, StateStore};

/// The object that stands for `store`.
pub fn state<'s>(call: &Call<'s>, store: Arc<dyn StateStore>) -> Result<Value<'s>> {
    let (scope, object) = (call.scope, call.scope.object()?);
    let guarded: (_, fn(&Arc<dyn StateStore>) -> _) = (&store, |store| store.held_by());
    add_methods(call, object, READERS, (&store, |_| None))?;
    add_methods(call, object, WRITERS, guarded)?;
    brand(scope, object, Rc::new(Native(store)))?;
    Ok(object)
}

type Methods = &'static [(&'static str, Method<Arc<dyn StateStore>>)];

const READERS: Methods = methods! { store,
    "getWatermarks"() => Ok(store.get(OWN_WATERMARKS).await?.unwrap_or_else(|| "{}".into()));
    "getPeerWatermarks"() => Ok(store.get(PEER_WATERMARKS).await?.unwrap_or_else(|| "{}".into()));
    "getHlcClockState"() => store.get(HLC_CLOCK).await;
    "close"() => store.close().await;
};

const WRITERS: Methods = methods! { store,
    "setWatermarks"(value: json(0)) => store.set(OWN_WATERMARKS, value).await;
    "setPeerWatermarks"(value: json(0)) => store.set(PEER_WATERMARKS, value).await;
    "setHlcClockState"(value: json(0)) => store.set(HLC_CLOCK, value).await;
};
