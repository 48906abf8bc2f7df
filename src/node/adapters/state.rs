//! What the app persists for an engine.

use crate::engine::ports::State;
use crate::error::Result;
use crate::node::convert::{read_watermarks, write_watermarks};
use crate::node::runtime::JsObject;
use crate::protocol::watermarks::Watermarks;
use crate::store::ports::start_over;

use super::Console;

/// A `SyncStateStore` object, and where warnings about it go.
pub struct JsState(pub JsObject, pub Console);

impl JsState {
    async fn read(&self, method: &'static str) -> Result<Watermarks> {
        self.0
            .call(
                method,
                |_| Ok(vec![]),
                |scope, value| {
                    if scope.is_nullish(value)? {
                        return Ok(Watermarks::default());
                    }
                    let read = read_watermarks(scope, value)?;
                    Ok(read.unwrap_or_else(|what| start_over(&self.1, method, &what)))
                },
            )
            .await
    }

    async fn write(&self, method: &'static str, watermarks: &Watermarks) -> Result<()> {
        self.0
            .tell(method, |scope| {
                Ok(vec![write_watermarks(scope, watermarks)?])
            })
            .await
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
        self.write("setWatermarks", watermarks).await
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.write("setPeerWatermarks", watermarks).await
    }
}
