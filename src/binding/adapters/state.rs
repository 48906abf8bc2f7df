//! What the app persists for an engine.

use std::rc::Rc;

use super::Console;
use super::direct::Direct;
use crate::binding::convert::read_watermarks;
use crate::binding::executor::{await_js, on_a_thread};
use crate::binding::js::{Handle, Key, Realm};
use crate::binding::stores::NativeState;
use crate::engine::ports::{Log, State};
use crate::error::Result;
use crate::protocol::watermarks::Watermarks;
use crate::store::sqlite::{Holder, OWN_WATERMARKS, PEER_WATERMARKS, SqliteState};

/// A `SyncStateStore` object.
struct JsState(Handle);

impl JsState {
    fn realm(&self) -> &Rc<Realm> {
        self.0.realm()
    }

    async fn read(&self, method: Key) -> Result<Watermarks> {
        let realm = self.realm();
        await_js(
            realm,
            method.name(),
            |scope, invoke| invoke.method(scope, (self.0.value(scope)?, "syncState"), method, &[]),
            |scope, value| {
                if scope.is_nullish(value)? {
                    return Ok(Watermarks::default());
                }
                let read = read_watermarks(scope, realm, value)?;
                Ok(read.unwrap_or_else(|what| {
                    start_over(&Console(Rc::clone(realm)), method.name(), &what)
                }))
            },
        )
        .await
    }

    async fn write(&self, method: Key, watermarks: &Watermarks) -> Result<()> {
        let realm = self.realm();
        await_js(
            realm,
            method.name(),
            |scope, invoke| {
                let state = (self.0.value(scope)?, "syncState");
                invoke.with_watermarks(scope, state, method, watermarks)
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

    /// The store that is behind it, if it is this package's own.
    pub fn native(&self) -> Option<SqliteState> {
        self.direct.get().map(|native| native.0.clone())
    }

    /// The transaction that has the turn of a store of this package, as the option is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let native = self.js.0.behind::<NativeState>()?;
        Ok(native.and_then(|native| native.0.held_by()))
    }

    async fn read(&self, method: Key, key: &'static str) -> Result<Watermarks> {
        let Some(store) = self.native() else {
            return self.js.read(method).await;
        };
        let realm = self.js.realm();
        let read = on_a_thread(
            realm,
            move || async move { store.get_watermarks(key).await },
        )
        .await?;
        Ok(
            read.unwrap_or_else(|what| {
                start_over(&Console(Rc::clone(realm)), method.name(), &what)
            }),
        )
    }

    async fn write(&self, method: Key, key: &'static str, watermarks: &Watermarks) -> Result<()> {
        let Some(store) = self.native() else {
            return self.js.write(method, watermarks).await;
        };
        let watermarks = watermarks.clone();
        on_a_thread(self.js.realm(), move || async move {
            store.set_watermarks(key, &watermarks).await
        })
        .await
    }
}

/// Watermarks that cannot be read are none. Nothing is lost by it: what was seen is exchanged once more.
pub fn start_over(log: &impl Log, name: &str, what: &str) -> Watermarks {
    log.warn(
        &format!("syncState.{name}: {what}; starting from none"),
        None,
    );
    Watermarks::default()
}

impl State for AnyState {
    async fn watermarks(&self) -> Result<Watermarks> {
        self.read(Key::GetWatermarks, OWN_WATERMARKS).await
    }
    async fn peer_watermarks(&self) -> Result<Watermarks> {
        self.read(Key::GetPeerWatermarks, PEER_WATERMARKS).await
    }
    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write(Key::SetWatermarks, OWN_WATERMARKS, watermarks)
            .await
    }
    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write(Key::SetPeerWatermarks, PEER_WATERMARKS, watermarks)
            .await
    }
}
