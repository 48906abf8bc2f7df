//! What the app persists for an engine.

use crate::engine::ports::State;
use crate::error::Result;
use crate::node::console::Console;
use crate::node::convert::read_watermarks;
use crate::node::runtime::{JsObject, Made, stringify, write_data};
use crate::node::value::{Scope, Value};
use crate::protocol::log::LogPositions;
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::start_over;

const GET_POSITIONS: &str = "getLogPositions";
const SET_POSITIONS: &str = "setLogPositions";

/// A `SyncStateStore` object, and where warnings about it go.
pub struct JsState(pub JsObject, pub Console);

impl JsState {
    async fn read(&self, method: &'static str) -> Result<Watermarks> {
        let read = |scope: Scope<'_>, value: Value<'_>| {
            if scope.is_nullish(value)? {
                return Ok(Watermarks::default());
            }
            let read = read_watermarks(scope, value)?;
            Ok(read.unwrap_or_else(|what| start_over(&self.1, method, &what)))
        };
        self.0.call(method, &[], read).await
    }
}

impl State for JsState {
    async fn watermarks(&self) -> Result<Watermarks> {
        self.read("getWatermarks").await
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        self.read("getPeerWatermarks").await
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.0.tell("setWatermarks", &[watermarks]).await
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.0.tell("setPeerWatermarks", &[watermarks]).await
    }

    async fn log_positions(&self) -> Result<Option<LogPositions>> {
        if !self.0.has(GET_POSITIONS)? || !self.0.has(SET_POSITIONS)? {
            return Ok(None);
        }
        let read = |scope: Scope<'_>, value: Value<'_>| {
            if scope.is_nullish(value)? {
                return Ok(None);
            }
            // What cannot be read is none: what came late is then asked for, and offered, once more.
            Ok(serde_json::from_str(&stringify(scope, value)?).ok())
        };
        let positions = self.0.call(GET_POSITIONS, &[], read).await?;
        Ok(Some(positions.unwrap_or_default()))
    }

    async fn set_log_positions(&self, positions: &LogPositions) -> Result<()> {
        if !self.0.has(SET_POSITIONS)? {
            return Ok(());
        }
        let positions = Made(|scope| write_data(scope, positions));
        self.0.tell(SET_POSITIONS, &[&positions]).await
    }
}
