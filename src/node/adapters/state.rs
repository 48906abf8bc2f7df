//! What the app persists for an engine.

use std::rc::Rc;
use std::sync::Arc;

use super::Console;
use super::direct::Direct;
use super::off_thread::OffThread;
use crate::engine::ports::State;
use crate::error::Result;
use crate::node::convert::read_watermarks;
use crate::node::runtime::await_js;
use crate::node::stores::NativeState;
use crate::node::value::{Env, Handle, Key};
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::{Port, StatePort, start_over};
use crate::store::{Holder, StateStore};

/// A `SyncStateStore` object.
struct JsState(Handle);

impl JsState {
    fn env(&self) -> &Rc<Env> {
        self.0.env()
    }

    async fn read(&self, method: Key) -> Result<Watermarks> {
        let env = self.env();
        await_js(
            env,
            method.name(),
            |scope, invoke| invoke.method(scope, (self.0.value(scope)?, "syncState"), method, &[]),
            |scope, value| {
                if scope.is_nullish(value)? {
                    return Ok(Watermarks::default());
                }
                let read = read_watermarks(scope, env, value)?;
                Ok(read.unwrap_or_else(|what| {
                    start_over(&Console(Rc::clone(env)), method.name(), &what)
                }))
            },
        )
        .await
    }

    async fn write(&self, method: Key, watermarks: &Watermarks) -> Result<()> {
        let env = self.env();
        await_js(
            env,
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
    pub fn native(&self) -> Option<Arc<dyn StateStore>> {
        self.direct.get().map(|native| Arc::clone(&native.0))
    }

    /// The same as a port, whose work is done off this thread.
    fn port(&self) -> Option<StatePort<OffThread, Console>> {
        let env = self.js.env();
        self.native().map(|store| StatePort {
            port: Port {
                store,
                place: OffThread(Rc::clone(env)),
            },
            log: Console(Rc::clone(env)),
        })
    }

    /// The transaction that has the turn of a store of this package, as the option is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let native = self.js.0.native::<NativeState>()?;
        Ok(native.and_then(|native| native.0.held_by()))
    }
}

impl State for AnyState {
    async fn watermarks(&self) -> Result<Watermarks> {
        match self.port() {
            Some(port) => port.watermarks().await,
            None => self.js.read(Key::GetWatermarks).await,
        }
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        match self.port() {
            Some(port) => port.peer_watermarks().await,
            None => self.js.read(Key::GetPeerWatermarks).await,
        }
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        match self.port() {
            Some(port) => port.set_watermarks(watermarks).await,
            None => self.js.write(Key::SetWatermarks, watermarks).await,
        }
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        match self.port() {
            Some(port) => port.set_peer_watermarks(watermarks).await,
            None => self.js.write(Key::SetPeerWatermarks, watermarks).await,
        }
    }
}
