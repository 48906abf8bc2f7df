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

use std::collections::HashMap;

use super::change_log::ChangeLog;
pub use super::outcome::Outcome;
use super::progress::News;
use super::watch::ByteCounter;
use crate::error::{Error, Result};
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Blob, Digest, Item, Table};
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

/// What a store is able to do beside what every store does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It can say per node which timestamp is the greatest that it holds.
    pub coverage: bool,
    /// It finds what an asker has not seen by an index.
    pub index: bool,
    /// It takes a page in at once.
    pub pages: bool,
}

/// Whether anything of a node may be taken in after an item of it that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Nothing is.
    Strict,
    /// Each item stands by itself.
    Loose,
}

/// One page of a scan.
#[derive(Debug)]
pub struct Scanned<B, C> {
    /// The wanted items, unless they lie behind the horizon that the scan was given.
    pub items: Vec<Item<B>>,
    /// The others that are unseen, by timestamp and id; the id of a row may be empty.
    pub others: Vec<(Hlc, Text)>,
    /// Whether each of the items and the others can be asked for by its id.
    pub has_ids: bool,
    /// What has no valid timestamp, each with its fault.
    pub unorderable: Vec<Item<B>>,
    /// The greatest timestamp that was met, if the scan is in the order of timestamps.
    pub reached: Option<Hlc>,
    /// How many records there are on the page, wanted or not.
    pub met: usize,
    /// Where the next page begins, if there is one.
    pub next: Option<C>,
}

impl<B, C> Default for Scanned<B, C> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            others: Vec::new(),
            has_ids: true,
            unorderable: Vec::new(),
            reached: None,
            met: 0,
            next: None,
        }
    }
}

impl<B, C> Scanned<B, C> {
    /// Adds an item that the scan met, if `ask` does not leave it out.
    pub fn sort_in(
        &mut self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        item: Item<B>,
        id: impl Fn(&Item<B>) -> Text,
    ) {
        match ask.place_of(&item.hlc, horizon) {
            Some(true) => self.items.push(item),
            Some(false) => {
                let id = id(&item);
                self.others.push((item.hlc, id));
            }
            None => {}
        }
    }
}

/// A store of shared records.
pub trait Records<B>: ChangeLog<B> {
    /// Where a page of a scan begins.
    type Cursor;

    /// What the store is able to do, for the length of a round.
    ///
    /// # Errors
    /// What finding out failed with.
    fn capabilities(&self) -> Result<Capabilities>;

    /// Per node the greatest timestamp held, tombstones included. Asked only if the store has
    /// [`coverage`](Capabilities::coverage).
    async fn coverage(&self) -> Result<Watermarks>;

    /// Per node of `marks` the greatest timestamp held that is not later than its entry; `None` if the store has no
    /// way to find that.
    async fn newest_upto(&self, _marks: &Watermarks) -> Result<Option<Watermarks>> {
        Ok(None)
    }

    /// What the store was given late, after the first `known` times.
    fn late(&self, _known: u64) -> Late {
        Late::default()
    }

    /// What `ask` wants, by the store's index. `None` if the records have to be scanned after all. Asked only if
    /// the store has an [`index`](Capabilities::index).
    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<B>>>>;

    /// One page of all records, from `after` on, in any order. Nothing is wanted behind `horizon`.
    async fn scan(
        &self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        after: Option<Self::Cursor>,
    ) -> Result<Scanned<B, Self::Cursor>>;

    /// Those of the `wanted` whose stored version still has the timestamp that is wanted.
    async fn fetch(&self, wanted: &[(Hlc, Text)]) -> Result<Fetched<B>>;

    /// At most `limit` records that have no place in the order, because what stands as their time is no
    /// timestamp: each with a fault that says so.
    async fn unorderable(&self, _limit: usize) -> Result<Vec<Item<B>>> {
        Ok(Vec::new())
    }

    /// The timestamp of the stored version of `id`.
    async fn stored(&self, id: &Text) -> Result<Option<Hlc>>;

    /// Stores this version, whatever was stored before.
    async fn put(&self, item: &Item<B>) -> Result<()>;

    /// Stores records of which there is no version here, one after the other, each once the side's `clock` has heard of
    /// it. Ends before the first that there is a version of, or that fails.
    async fn add(&self, items: &[&Item<B>], clock: &impl Clock) -> Added {
        for (stored, item) in items.iter().enumerate() {
            let Some(id) = item.kind.record_id() else {
                return Added { stored, end: None };
            };
            let added = async {
                let found = self.stored(id).await?;
                if found.is_none() {
                    clock.receive(&item.hlc).await?;
                    self.put(item).await?;
                }
                Ok(found)
            };
            match added.await {
                Ok(None) => {}
                end => {
                    let end = Some(end);
                    return Added { stored, end };
                }
            }
        }
        let stored = items.len();
        Added { stored, end: None }
    }

    /// Takes in a page in the order of timestamps, last writer wins, and returns what became of each item. An error
    /// means that none was taken in. Asked only if the store takes [`pages`](Capabilities::pages).
    async fn apply(&self, items: Vec<Item<B>>, order: Order) -> Result<Vec<Outcome>>;
}

/// What became of records that were to be [added](Records::add).
#[derive(Debug, Default)]
pub struct Added {
    /// How many were stored, from the first on.
    pub stored: usize,
    /// What is known of the one after them: the timestamp of the version that there is, if it has one, or what failed.
    pub end: Option<Result<Option<Hlc>>>,
}

/// Items by timestamp and id.
pub type Fetched<B> = HashMap<(Hlc, Text), Item<B>>;

/// The app rows of a channel.
pub trait AppRows<B>: ChangeLog<B> {
    /// Where a page of a scan begins.
    type Cursor;

    /// What the store is able to do, for the length of a round.
    ///
    /// # Errors
    /// What finding out failed with.
    fn capabilities(&self) -> Result<Capabilities>;

    /// Every table of every registered app.
    async fn tables(&self) -> Result<Vec<Table>>;

    /// Whether the app is registered.
    async fn knows(&self, app: &Text) -> Result<bool>;

    /// Per node the greatest timestamp that the table holds. Asked only if the store has
    /// [`coverage`](Capabilities::coverage).
    async fn coverage(&self, table: &Table) -> Result<Watermarks>;

    /// As [`Records::newest_upto`], of one table.
    async fn newest_upto(&self, _table: &Table, _marks: &Watermarks) -> Result<Option<Watermarks>> {
        Ok(None)
    }

    /// As [`Records::late`].
    fn late(&self, _known: u64) -> Late {
        Late::default()
    }

    /// The rows of `table` that `ask` wants, by an index. Asked only if the store has an
    /// [`index`](Capabilities::index).
    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<B>>>;

    /// One page of the rows of `table` that are later than a timestamp, from a cursor on, in the order of the text
    /// of their timestamps. Nothing is wanted behind `horizon`.
    async fn scan(
        &self,
        table: &Table,
        from: (&Hlc, Option<Self::Cursor>),
        ask: &Ask,
        horizon: Option<&Hlc>,
    ) -> Result<Scanned<B, Self::Cursor>>;

    /// At most `limit` rows of `table` that have no place in the order, as
    /// [`Records::unorderable`] are.
    async fn unorderable(&self, _table: &Table, _limit: usize) -> Result<Vec<Item<B>>> {
        Ok(Vec::new())
    }

    /// Applies this version of a row, last writer wins.
    async fn apply_one(&self, item: &Item<B>) -> Result<()>;

    /// Takes in a page in the order of timestamps, as [`Records::apply`] does. Asked only if the store takes
    /// [`pages`](Capabilities::pages).
    async fn apply(&self, items: Vec<Item<B>>, order: Order) -> Result<Vec<Outcome>>;
}

/// What a storage says of an object that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    /// How many bytes it has, if the storage knows.
    pub size: Option<u64>,
    /// The SHA-256 of its bytes, if the storage knows.
    pub digest: Option<Digest>,
    /// It is a web page, and the server does not say that it speaks the protocol.
    pub is_page: bool,
    /// When it was put, in milliseconds since the epoch, if the storage knows. A round does not ask for it.
    pub modified_ms: Option<u64>,
}

/// A storage of objects.
pub trait Blobs {
    /// An object's bytes, or a way to them.
    type Data;
    /// Whether the object is there.
    async fn has(&self, key: &Text) -> Result<bool>;
    /// What is known of the object without reading it, if it is there.
    async fn stat(&self, key: &Text) -> Result<Option<Stat>>;
    /// The same, but what is not known without reading the object is found by reading it.
    async fn inspect(&self, key: &Text) -> Result<Option<Stat>>;
    /// The object, if it is there.
    async fn get(&self, key: &Text) -> Result<Option<Self::Data>>;
    /// The object of an item, if it is there. What is not what the item says need not be read to its end.
    async fn fetch(&self, blob: &Blob) -> Result<Option<Self::Data>> {
        self.get(&blob.key).await
    }
    /// The same object, whose bytes are counted on their way to where it is stored.
    fn counted(&self, data: Self::Data, _counter: &ByteCounter) -> Self::Data {
        data
    }
    /// Stores the object. It replaces the one under the same key.
    async fn put(&self, blob: &Blob, data: Self::Data) -> Result<()>;
    /// Whether many small objects may be on their way to or from it at one time.
    fn takes_many(&self) -> bool {
        false
    }
    /// Whether [`put_new`](Self::put_new) spares the look at what is there.
    fn puts_new(&self) -> bool {
        false
    }
    /// Stores the object if none is under its key. Returns whether none was. Asked only of a storage that
    /// [`puts_new`](Self::puts_new).
    async fn put_new(&self, blob: &Blob, data: Self::Data) -> Result<bool> {
        self.put(blob, data).await.map(|()| true)
    }
    /// The same object, which cannot be stored if it is not what `blob` says it is: in size, and, if
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
    /// How far logs were looked at; `None` if the store does not keep that.
    async fn log_positions(&self) -> Result<Option<LogPositions>> {
        Ok(None)
    }
    /// Persists it, if the store keeps that.
    async fn set_log_positions(&self, _positions: &LogPositions) -> Result<()> {
        Ok(())
    }
}

/// Timestamps of the own node that a store was given although it held a later one: a pass that goes by
/// watermarks does not meet their items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Late {
    /// How many there were since the store was opened, these included.
    pub count: u64,
    /// Those that are asked for.
    pub stamps: Vec<Hlc>,
    /// The nodes of which nothing was told yet.
    pub untold: Vec<NodeId>,
}

/// The app's hybrid logical clock, and the system's.
pub trait Clock {
    /// Hears of a remote timestamp.
    async fn receive(&self, remote: &Hlc) -> Result<()>;
    /// What the clock would stamp now, if it says for whom. It may be given for it.
    async fn next(&self) -> Result<Option<Hlc>> {
        Ok(None)
    }
    /// Milliseconds since the epoch, as the app sees the system's clock.
    fn app_ms(&self) -> u64;
    /// Milliseconds since the epoch, by the system's clock itself.
    fn system_ms(&self) -> u64;
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
