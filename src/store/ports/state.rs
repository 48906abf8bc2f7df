//! What an engine remembers, as a port.

use super::port::{Port, Threading};
use crate::engine::ports::{Log, State};
use crate::error::Result;
use crate::protocol::watermarks::Watermarks;
use crate::protocol::wire::write_watermarks;
use crate::store::{OWN_WATERMARKS, PEER_WATERMARKS, StateStore};

/// What an engine remembers, in a store. What cannot be read of it is said in `log`.
#[derive(Debug)]
pub struct StatePort<P, L> {
    /// The store, and where its work is done.
    pub port: Port<dyn StateStore, P>,
    /// Where warnings go.
    pub log: L,
}

impl<P: Threading, L: Log> StatePort<P, L> {
    async fn read(&self, key: &'static str, name: &str) -> Result<Watermarks> {
        let Some(json) = self.port.ask(move |store| store.get(key)).await? else {
            return Ok(Watermarks::default());
        };
        let read = serde_json::from_str(&json);
        Ok(read.unwrap_or_else(|error| start_over(&self.log, name, &error.to_string())))
    }

    async fn write(&self, key: &'static str, watermarks: &Watermarks) -> Result<()> {
        let value = write_watermarks(watermarks).into();
        self.port.ask(move |store| store.set(key, value)).await
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

impl<P: Threading, L: Log> State for StatePort<P, L> {
    async fn watermarks(&self) -> Result<Watermarks> {
        self.read(OWN_WATERMARKS, "getWatermarks").await
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        self.read(PEER_WATERMARKS, "getPeerWatermarks").await
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write(OWN_WATERMARKS, watermarks).await
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write(PEER_WATERMARKS, watermarks).await
    }
}
