//! What the app persists for an engine.

use std::rc::Rc;
use std::sync::Arc;

use super::Console;
use super::direct::{Direct, OffThread, ask, store_of};
use crate::engine::ports::State;
use crate::error::Result;
use crate::node::convert::{read_watermarks, write_watermarks};
use crate::node::runtime::JsObject;
use crate::node::value::Key;
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::{StatePort, start_over};
use crate::store::{Holder, StateStore};

/// A `SyncStateStore` object.
struct JsState(JsObject);

impl JsState {
    async fn read(&self, method: Key) -> Result<Watermarks> {
        let env = self.0.env();
        self.0
            .call(
                method,
                |_| Ok(vec![]),
                |scope, value| {
                    if scope.is_nullish(value)? {
                        return Ok(Watermarks::default());
                    }
                    let read = read_watermarks(scope, value)?;
                    let log = Console(Rc::clone(env));
                    Ok(read.unwrap_or_else(|what| start_over(&log, method.name(), &what)))
                },
            )
            .await
    }

    async fn write(&self, method: Key, watermarks: &Watermarks) -> Result<()> {
        self.0
            .tell(method, |scope| {
                Ok(vec![write_watermarks(scope, watermarks)?])
            })
            .await
    }

    async fn watermarks(&self) -> Result<Watermarks> {
        self.read(Key::GetWatermarks).await
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        self.read(Key::GetPeerWatermarks).await
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write(Key::SetWatermarks, watermarks).await
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write(Key::SetPeerWatermarks, watermarks).await
    }
}

/// Wherever the state is.
pub struct AnyState {
    js: JsState,
    direct: Direct<dyn StateStore>,
}

impl AnyState {
    /// The `syncState` option.
    pub fn new(state: JsObject) -> Self {
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
        self.direct.get()
    }

    fn port(&self) -> Option<StatePort<OffThread, Console>> {
        let env = self.js.0.env();
        let log = Console(Rc::clone(env));
        let port = self.direct.port(env)?;
        Some(StatePort { port, log })
    }

    /// The transaction that has the turn of a store of this package, as the option is now.
    pub fn held_by(&self) -> Result<Option<Holder>> {
        let store = store_of::<dyn StateStore>(&self.js.0)?;
        Ok(store.and_then(|store| store.held_by()))
    }
}

impl State for AnyState {
    async fn watermarks(&self) -> Result<Watermarks> {
        ask!(self.watermarks())
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        ask!(self.peer_watermarks())
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        ask!(self.set_watermarks(watermarks))
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        ask!(self.set_peer_watermarks(watermarks))
    }
}
