//! What an engine remembers, as a port.

use super::port::{Port, Threading};
use crate::engine::ports::{Log, State};
use crate::error::{Error, Result};
use crate::protocol::log::LogPositions;
use crate::protocol::watermarks::Watermarks;
use crate::protocol::wire::write_watermarks;
use crate::store::{Json, LOG_POSITIONS, OWN_WATERMARKS, PEER_WATERMARKS, StateStore};

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

    async fn log_positions(&self) -> Result<Option<LogPositions>> {
        let json = self.port.ask(|store| store.get(LOG_POSITIONS)).await?;
        // What cannot be read is none: what came late is then asked for, and offered, once more.
        let positions = json.and_then(|json| serde_json::from_str(&json).ok());
        Ok(Some(positions.unwrap_or_default()))
    }

    async fn set_log_positions(&self, positions: &LogPositions) -> Result<()> {
        let value = as_json(positions)?;
        self.port
            .ask(move |store| store.set(LOG_POSITIONS, value))
            .await
    }
}

fn as_json(positions: &LogPositions) -> Result<Json> {
    let json = serde_json::to_string(positions);
    json.map(Json::from).map_err(|error| {
        Error::sync(
            "write the sync state",
            "how far logs were looked at cannot be written",
        )
        .caused_by(error)
    })
}
