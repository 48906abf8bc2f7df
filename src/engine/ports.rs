//! What the engine asks of the world.
//!
//! Questions come in batches, so that a native store answers a page in one hop and a JavaScript
//! adapter loops where it lives.

#![allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]

use crate::error::{Error, Result};
use crate::protocol::delta::{Ask, Backlog, Page};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Blob, Digest, Item, Table};
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

use super::arrival::{Arrival, Line};

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
}

/// A store of shared records.
pub trait Records<B> {
    /// Per node the greatest timestamp held, tombstones included; `None` if the store cannot know.
    async fn coverage(&self) -> Result<Option<Watermarks>>;

    /// Offers what `ask` wants to the page. `backlog` is for a store that can only find it by a full pass.
    async fn unseen(
        &self,
        ask: &Ask,
        backlog: &mut Backlog<Text>,
        page: &mut Page<Item<B>>,
    ) -> Result<()>;

    /// At most `limit` records that have no place in the order, for what stands as their time is no
    /// timestamp: each with a fault that says so.
    async fn unorderable(&self, _limit: usize) -> Result<Vec<Item<B>>> {
        Ok(Vec::new())
    }

    /// The timestamp of the stored version of `id`.
    async fn stored(&self, id: &Text) -> Result<Option<Hlc>>;

    /// Stores this version, whatever stood there.
    async fn put(&self, item: &Item<B>) -> Result<()>;

    /// Takes in records that arrive in the order of timestamps, last writer wins.
    async fn take_in(&self, run: &mut [Arrival<B>], clock: &impl Clock, line: &mut Line);
}

/// The app rows of a channel.
pub trait AppRows<B> {
    /// Every table of every registered app.
    async fn tables(&self) -> Result<Vec<Table>>;

    /// Whether the app is registered.
    async fn knows(&self, app: &Text) -> Result<bool>;

    /// Whether the store can say what it holds per node, and per table.
    fn knows_coverage(&self) -> bool;

    /// Per node the greatest timestamp that the table holds.
    async fn coverage(&self, table: &Table) -> Result<Watermarks>;

    /// Offers the rows of `table` that `ask` wants to the page. Nothing wanted lies at or before `floor`.
    async fn unseen(
        &self,
        table: &Table,
        floor: &Hlc,
        ask: &Ask,
        page: &mut Page<Item<B>>,
    ) -> Result<()>;

    /// At most `limit` rows of `table` that have no place in the order, as
    /// [`Records::unorderable`] are.
    async fn unorderable(&self, _table: &Table, _limit: usize) -> Result<Vec<Item<B>>> {
        Ok(Vec::new())
    }

    /// Applies this version of a row, last writer wins.
    async fn apply(&self, item: &Item<B>) -> Result<()>;

    /// Takes in rows that arrive in the order of timestamps.
    async fn take_in(&self, run: &mut [Arrival<B>], clock: &impl Clock, line: &mut Line);
}

/// What a storage says of an object that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    /// How many bytes it has, where the storage knows.
    pub size: Option<u64>,
    /// The SHA-256 of its bytes, where the storage knows.
    pub digest: Option<Digest>,
    /// It is a web page, and he who answered does not say that he speaks the protocol.
    pub is_page: bool,
}

/// A storage of objects.
pub trait Blobs {
    /// An object's bytes, or a way to them.
    type Data;
    /// Whether the object is there.
    async fn has(&self, key: &Text) -> Result<bool>;
    /// What is known of the object without reading it, if it is there.
    async fn stat(&self, key: &Text) -> Result<Option<Stat>>;
    /// The same, the object being read for what is not known without.
    async fn inspect(&self, key: &Text) -> Result<Option<Stat>>;
    /// The object, if it is there.
    async fn get(&self, key: &Text) -> Result<Option<Self::Data>>;
    /// The object of an item, if it is there. What is not what the item says need not be read to its end.
    async fn fetch(&self, blob: &Blob) -> Result<Option<Self::Data>> {
        self.get(&blob.key).await
    }
    /// Stores the object in place of what is there.
    async fn put(&self, blob: &Blob, data: Self::Data) -> Result<()>;
    /// The same object, which cannot be stored where it is not what `blob` says it is: in size, and, where
    /// `hashed`, in its hash. Either this fails, or the bytes end in an error.
    async fn checked(&self, blob: &Blob, hashed: bool, data: Self::Data) -> Result<Self::Data>;
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
}

/// The app's hybrid logical clock, and the system's.
pub trait Clock {
    /// Hears of a remote timestamp.
    async fn receive(&self, remote: &Hlc) -> Result<()>;
    /// Milliseconds since the epoch, as the app sees the system's clock.
    fn app_ms(&self) -> u64;
    /// Milliseconds since the epoch, by the system's clock itself.
    fn system_ms(&self) -> u64;
}

/// The other side.
pub trait Exchange<B> {
    /// One request and its answer.
    async fn exchange(&self, request: Request<B>) -> Result<Answer<B>>;

    /// Brings an item into the form in which it travels to this peer, and returns its size there in bytes; 1 if
    /// that is not known.
    ///
    /// # Errors
    /// What keeps the item from travelling. Nothing else is held up by that.
    fn pack(&self, _item: &mut Item<B>) -> Result<usize> {
        Ok(1)
    }
}

/// Who wants to hear what a round did.
pub trait Events {
    /// These shared records were newly applied.
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()>;
}

/// Where the engine says what it could not do.
pub trait Log {
    /// A warning; the round goes on.
    fn warn(&self, message: &str, error: Option<&Error>);
}
