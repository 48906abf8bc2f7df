//! A store of shared records, as apps and engines see it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::query::{Query, QueryResult};
use super::taken::Taken;
use super::{Holder, Json, Later, LogStore};
use crate::engine::ports::Late;
use crate::error::Error;
use crate::protocol::delta::Ask;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// See the [module page](self).
pub trait RecordStore: LogStore + Debug + Send + Sync + 'static {
    /// Makes the store ready, if opening it did not. Fails once the store is closed, which stays so.
    fn init(&self) -> Later<'_, ()>;

    /// Whether the store is where it was opened and sound, as far as that is quickly seen.
    fn health_check(&self) -> Later<'_, bool>;

    /// Waits for what is running, then closes the store for good. Closing again does nothing.
    fn close(&self) -> Later<'_, ()>;

    /// Stores a record, whatever stood there.
    fn put(&self, record: Json) -> Later<'_, ()>;

    /// The record with this id, deleted or not.
    fn get(&self, id: &str) -> Later<'_, Option<Json>>;

    /// When the stored version of a record was written.
    fn stored(&self, id: &Text) -> Later<'_, Option<Hlc>>;

    /// Marks a record as deleted at `hlc`. One that is not there stays so.
    fn delete(&self, id: &str, hlc: Hlc) -> Later<'_, ()>;

    /// The records for which the query holds, in its order.
    fn query(&self, query: Query) -> Later<'_, QueryResult>;

    /// All of these, or none.
    fn batch(&self, operations: Vec<Operation>) -> Later<'_, ()>;

    /// Begins a transaction, which keeps all other writers waiting until it ends.
    fn transaction(&self) -> Later<'_, Arc<dyn RecordTransaction>>;

    /// The transaction of an app's for which writers wait now.
    fn held_by(&self) -> Option<Holder>;

    /// Keeps a row of metadata, as JSON. It replaces the row of the same key.
    fn put_metadata(&self, type_id: &str, record_id: &str, row: Json) -> Later<'_, ()>;

    /// The row of metadata of a record.
    fn get_metadata(&self, type_id: &str, record_id: &str) -> Later<'_, Option<Json>>;

    /// The rows of metadata of those of these records that have one.
    fn get_metadata_by_ids(
        &self,
        type_id: &str,
        record_ids: Vec<String>,
    ) -> Later<'_, HashMap<String, Json>>;

    /// Removes the row of metadata of a record.
    fn delete_metadata(&self, type_id: &str, record_id: &str) -> Later<'_, ()>;

    /// Per node the greatest timestamp of all records, deleted ones too.
    fn node_watermarks(&self) -> Later<'_, Watermarks>;

    /// Per node of `marks` the greatest timestamp held that is not later than its entry, if there is a quick way to
    /// find that.
    fn newest_upto(&self, _marks: Watermarks) -> Later<'_, Option<Watermarks>> {
        Box::pin(ready(Ok(None)))
    }

    /// What the app stored late, after the first `known` times.
    fn late(&self, _known: u64) -> Late {
        Late::default()
    }

    /// The smallest timestamps that `ask` wants, in order, and whether any were left out.
    fn unseen(&self, ask: Ask) -> Later<'_, (Vec<Item<Json>>, bool)>;

    /// At most `limit` records whose `updatedAt` is no timestamp. They have no place in the order, are never
    /// exchanged, and each has a fault that says so.
    fn unorderable(&self, limit: usize) -> Later<'_, Vec<Item<Json>>>;

    /// Takes in records that come in the order of timestamps, last writer wins, in one transaction. Says
    /// of each what became of it. An error means that nothing of it is stored.
    fn take_in(&self, items: Vec<Item<Json>>, strict: bool) -> Later<'_, Vec<Taken>>;
}

/// A transaction that an app holds open. What it wrote is seen by itself alone until it is committed. One that
/// is dropped is rolled back.
pub trait RecordTransaction: Debug + Send + Sync + 'static {
    /// What it is known by.
    fn holder(&self) -> Holder;

    /// Waits until `limit` is over, or its store is closed and waits no longer. Rolls it back then, unless
    /// it has ended, and says why. Needs a runtime with a clock.
    fn outlived(&self, limit: Option<Duration>) -> BoxFuture<'_, Error>;

    /// Stores a record, whatever stood there.
    fn put(&self, record: Json) -> Later<'_, ()>;

    /// The record with this id, deleted or not.
    fn get(&self, id: &str) -> Later<'_, Option<Json>>;

    /// Marks a record as deleted at `hlc`. One that is not there stays so.
    fn delete(&self, id: &str, hlc: Hlc) -> Later<'_, ()>;

    /// The records for which the query holds, in its order.
    fn query(&self, query: Query) -> Later<'_, QueryResult>;

    /// Makes it last and ends it.
    fn commit(&self) -> Later<'_, ()>;

    /// Undoes it and ends it.
    fn rollback(&self) -> Later<'_, ()>;
}

/// One step of a batch.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Stores a record, whatever stood there.
    Put(#[serde(deserialize_with = "as_it_stands")] Json),
    /// Marks a record as deleted.
    Delete {
        /// Its id.
        id: String,
        /// When it was deleted.
        hlc: Hlc,
    },
}

fn as_it_stands<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(|json| json.get().into())
}
