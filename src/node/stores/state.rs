//! Any store of what engines remember as a `SyncStateStore` object.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Methods, Native, add_methods, arguments, methods, promise, stand_for};
use crate::error::Result;
use crate::node::value::{Call, Value};
use crate::store::{HLC_CLOCK, OWN_WATERMARKS, PEER_WATERMARKS, StateStore};

/// The object that stands for `store`.
pub fn state<'s>(call: &Call<'s>, store: Arc<dyn StateStore>) -> Result<Value<'s>> {
    let scope = call.scope;
    let object = scope.object()?;
    add_methods(scope, object, READERS, (&store, |_| None))?;
    add_methods(scope, object, WRITERS, (&store, |store| store.held_by()))?;
    stand_for(scope, "state", object, Rc::new(Native(store)))
}

const READERS: Methods<dyn StateStore> = methods! { store,
    "getWatermarks"() => Ok(store.get(OWN_WATERMARKS).await?.unwrap_or_else(|| "{}".into()));
    "getPeerWatermarks"() => Ok(store.get(PEER_WATERMARKS).await?.unwrap_or_else(|| "{}".into()));
    "getHlcClockState"() => store.get(HLC_CLOCK).await;
    "close"() => store.close().await;
};

const WRITERS: Methods<dyn StateStore> = methods! { store,
    "setWatermarks"(value: Box<RawValue>) => store.set(OWN_WATERMARKS, value.get().into()).await;
    "setPeerWatermarks"(value: Box<RawValue>) => store.set(PEER_WATERMARKS, value.get().into()).await;
    "setHlcClockState"(value: Box<RawValue>) => store.set(HLC_CLOCK, value.get().into()).await;
};
