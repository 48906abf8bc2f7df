//! What the app persists for an engine.

use std::rc::Rc;

use crate::binding::convert::{read_watermarks, write_watermarks};
use crate::binding::error::{invalid, warn};
use crate::binding::executor::await_js;
use crate::binding::js::{Handle, Kind, Realm};
use crate::engine::ports::State;
use crate::error::Result;
use crate::protocol::watermarks::Watermarks;

/// A `SyncStateStore` object.
pub struct JsState(pub Handle);

/// Wherever the state is.
pub enum AnyState {
    /// In an object of the app's.
    Js(JsState),
}

impl JsState {
    fn realm(&self) -> &Rc<Realm> {
        self.0.realm()
    }

    async fn read(&self, name: &'static str) -> Result<Watermarks> {
        let realm = self.realm();
        await_js(
            realm,
            name,
            |scope| {
                let state = self.0.value(scope)?;
                let read = scope.get_named(state, name)?;
                if scope.kind(read)? != Kind::Function {
                    return Err(invalid(&format!("syncState.{name}"), "is not a function"));
                }
                scope.call(state, read, &[])
            },
            |scope, value| {
                if scope.is_nullish(value)? {
                    return Ok(Watermarks::default());
                }
                Ok(read_watermarks(scope, realm, value)?.unwrap_or_else(|what| {
                    // Nothing is lost by it: what was seen is exchanged once more.
                    warn(realm, &format!("syncState.{name}: {what}; starting from none"), None);
                    Watermarks::default()
                }))
            },
        )
        .await
    }

    async fn write(&self, name: &'static str, watermarks: &Watermarks) -> Result<()> {
        let realm = self.realm();
        await_js(
            realm,
            name,
            |scope| {
                let state = self.0.value(scope)?;
                let write = scope.get_named(state, name)?;
                if scope.kind(write)? != Kind::Function {
                    return Err(invalid(&format!("syncState.{name}"), "is not a function"));
                }
                scope.call(state, write, &[write_watermarks(scope, realm, watermarks)?])
            },
            |_, _| Ok(()),
        )
        .await
    }
}

impl State for AnyState {
    async fn watermarks(&self) -> Result<Watermarks> {
        match self {
            Self::Js(state) => state.read("getWatermarks").await,
        }
    }
    async fn peer_watermarks(&self) -> Result<Watermarks> {
        match self {
            Self::Js(state) => state.read("getPeerWatermarks").await,
        }
    }
    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        match self {
            Self::Js(state) => state.write("setWatermarks", watermarks).await,
        }
    }
    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        match self {
            Self::Js(state) => state.write("setPeerWatermarks", watermarks).await,
        }
    }
}
