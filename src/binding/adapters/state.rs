//! What the app persists for an engine.

use std::rc::Rc;

use super::direct::Direct;
use crate::binding::convert::{read_watermarks, write_watermarks};
use crate::binding::error::{invalid, warn};
use crate::binding::executor::{await_js, on_threads};
use crate::binding::js::{Handle, Kind, Realm};
use crate::binding::stores::NativeState;
use crate::engine::ports::State;
use crate::error::Result;
use crate::protocol::watermarks::Watermarks;

/// A `SyncStateStore` object.
struct JsState(Handle);

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
                let read = read_watermarks(scope, realm, value)?;
                Ok(read.unwrap_or_else(|what| start_over(realm, name, &what)))
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

/// Wherever the state is.
pub struct AnyState {
    js: JsState,
    direct: Direct<NativeState>,
}

impl AnyState {
    /// The `syncState` option.
    pub fn new(state: Handle) -> Self {
        Self {
            js: JsState(state),
            direct: Direct::new(),
        }
    }

    /// Finds out whose store it is. Once a round.
    pub fn look(&self) -> Result<()> {
        self.direct.look(&self.js.0)
    }

    async fn read(&self, name: &'static str, key: &'static str) -> Result<Watermarks> {
        let Some(native) = self.direct.get() else {
            return self.js.read(name).await;
        };
        let (realm, store) = (self.js.realm(), native.0.clone());
        let json = on_threads(realm, async move { store.get(key).await }).await?;
        let Some(json) = json else {
            return Ok(Watermarks::default());
        };
        Ok(serde_json::from_str(&json)
            .unwrap_or_else(|error| start_over(realm, name, &error.to_string())))
    }

    async fn write(
        &self,
        name: &'static str,
        key: &'static str,
        watermarks: &Watermarks,
    ) -> Result<()> {
        let Some(native) = self.direct.get() else {
            return self.js.write(name, watermarks).await;
        };
        let json = serde_json::to_string(watermarks).map_err(|error| {
            invalid(name, "a nodeId is no well-formed Unicode").caused_by(error)
        })?;
        let store = native.0.clone();
        on_threads(
            self.js.realm(),
            async move { store.set(key, json.into()).await },
        )
        .await
    }
}

/// Watermarks that cannot be read are none. Nothing is lost by it: what was seen is exchanged once more.
fn start_over(realm: &Rc<Realm>, name: &str, what: &str) -> Watermarks {
    warn(
        realm,
        &format!("syncState.{name}: {what}; starting from none"),
        None,
    );
    Watermarks::default()
}

impl State for AnyState {
    async fn watermarks(&self) -> Result<Watermarks> {
        self.read("getWatermarks", "watermarks").await
    }
    async fn peer_watermarks(&self) -> Result<Watermarks> {
        self.read("getPeerWatermarks", "peer_watermarks").await
    }
    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write("setWatermarks", "watermarks", watermarks).await
    }
    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write("setPeerWatermarks", "peer_watermarks", watermarks)
            .await
    }
}
