//! What the engine asks of the world.
//!
//! Questions and answers are values, and come in batches, so that a native store answers a page in one hop and a
//! JavaScript adapter loops where it lives. A port knows nothing of the engine: how a store is asked, by index or by
//! scan, page by page or one by one, is decided where it is asked ([`scan`](super::scan), [`apply`](super::apply)), from
//! what it says that it is [able to do](Capabilities).

#![allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]

mod clock;
mod items;
mod objects;

pub use self::clock::Clock;
pub use self::items::{Added, AppRows, Capabilities, Fetched, Late, Order, Records, Scanned};
pub use self::objects::{Blobs, Stat};
pub use super::outcome::Outcome;
use super::progress::News;
use crate::error::{Error, Result};
use crate::protocol::item::Item;
use crate::protocol::log::LogPositions;
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// One side of an exchange: the stores of a channel. `None` is a plane that the channel does not carry.
pub trait Side {
    /// The body of an item as this side holds it.
    type Body: Clone;
    /// Shared records.
    type Records: Records<Self::Body>;
    /// App rows.
    type Rows: AppRows<Self::Body>;
    /// The hybrid logical clock.
    type Clock: Clock;
    /// Where warnings go.
    type Log: Log;

    /// The shared records.
    fn records(&self) -> Option<&Self::Records>;
    /// The app rows.
    fn rows(&self) -> Option<&Self::Rows>;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// The log.
    fn log(&self) -> &Self::Log;

    /// Why an item is not taken in, whatever the stores say of it.
    fn bars(&self, _item: &Item<Self::Body>) -> Option<Error> {
        None
    }
}

/// What an engine remembers between rounds.
pub trait State {
    /// What this side has fully taken in.
    async fn watermarks(&self) -> Result<Watermarks>;
    /// What the peer is known to hold.
    async fn peer_watermarks(&self) -> Result<Watermarks>;
    /// Persists the first.
    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()>;
    /// Persists the second.
    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()>;
    /// How far logs were looked at; `None` if the store does not keep that.
    async fn log_positions(&self) -> Result<Option<LogPositions>> {
        Ok(None)
    }
    /// Persists it, if the store keeps that.
    async fn set_log_positions(&self, _positions: &LogPositions) -> Result<()> {
        Ok(())
    }
}

/// The other side.
pub trait Exchange<B> {
    /// One request and its answer.
    async fn exchange(&self, request: Request<B>) -> Result<Answer<B>>;

    /// Whether the peer works on its answer while this side does something else. Where it does not, nothing is gained by
    /// asking it early.
    fn is_elsewhere(&self) -> bool {
        false
    }

    /// Brings an item into the form in which it travels to this peer, and returns its size there in bytes; 1 if
    /// that is not known.
    ///
    /// # Errors
    /// What keeps the item from travelling. Nothing else is held up by that.
    fn pack(&self, _item: &mut Item<B>) -> Result<usize> {
        Ok(1)
    }
}

/// The listeners of a round.
pub trait Events {
    /// These shared records were newly applied.
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()>;
    /// Something is to be told of the round or reconciliation that runs.
    fn told(&self, _news: News) {}
    /// Whether the app hears of each object on its way.
    fn hears_transfers(&self) -> bool {
        false
    }
    /// A moment later: as often as an app may hear how far a transfer is.
    async fn tick(&self) {
        std::future::pending::<()>().await;
    }
    /// Whether the round or reconciliation that runs was called off.
    fn is_stopped(&self) -> bool {
        false
    }
    /// Waits until it is.
    async fn stopped(&self) {
        std::future::pending::<()>().await;
    }
}

/// Where the engine says what it could not do.
pub trait Log {
    /// A warning; the round goes on.
    fn warn(&self, message: &str, error: Option<&Error>);
}
