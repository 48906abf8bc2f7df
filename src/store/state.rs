//! A store of what engines remember between rounds, as apps and engines see it.

use std::fmt::Debug;

use super::{Holder, Json, Later};

/// Where an engine keeps its own watermarks.
pub const OWN_WATERMARKS: &str = "watermarks";
/// Where an engine keeps those of its peer.
pub const PEER_WATERMARKS: &str = "peer_watermarks";
/// Where an engine keeps how far logs were looked at.
pub const LOG_POSITIONS: &str = "log_positions";
/// Where the state of a clock is kept.
pub const HLC_CLOCK: &str = "hlc_clock";

/// JSON values under keys.
pub trait StateStore: Debug + Send + Sync + 'static {
    /// The value under `key`.
    fn get(&self, key: &str) -> Later<'_, Option<Json>>;

    /// Puts a value under `key`.
    fn set(&self, key: &str, value: Json) -> Later<'_, ()>;

    /// The transaction of an app's for which writers wait now.
    fn held_by(&self) -> Option<Holder>;

    /// Waits for what is running, then closes the store for good. Closing again does nothing.
    fn close(&self) -> Later<'_, ()>;
}
