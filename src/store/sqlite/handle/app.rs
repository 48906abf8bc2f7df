//! What is asked of an adapter over a database that the app opened.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::super::log::{Plane, Tracked};
use super::json::{AskHandle, NamedTable};
use crate::engine::ports::Outcome;
use crate::error::{Error, Result};
use crate::protocol::item::Item;
use crate::protocol::log::Stream;

/// The way to an adapter over a database that the app opened.
#[allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]
pub trait AppHandle {
    /// The handle while a transaction is open.
    type Sql: AskHandle;
    /// A body as the round holds it.
    type Body: Clone;
    /// What was found under keys.
    type Found;

    /// The handle, for a transaction.
    fn handle(&self) -> Result<Self::Sql>;

    /// Runs `work` all or nothing and in one view of the database. `work` is told whether the app has a transaction
    /// open, in which it runs then.
    fn within<T>(
        &self,
        write: bool,
        work: impl FnOnce(&Self::Sql, bool) -> Result<T>,
    ) -> Result<T> {
        let sql = self.handle()?;
        let own: bool = sql.ask("begin", &[write])?;
        let done = work(&sql, !own);
        let ended: Result<()> = sql.ask("end", &[own, done.is_ok()]);
        done.and_then(|done| ended.map(|()| done))
    }

    /// The tables whose versions are noted; `None` if there can be no log of them.
    fn tables(&self, sql: &Self::Sql) -> Result<Option<Vec<Tracked>>> {
        let tables: Option<Vec<NamedTable>> = sql.ask("tables", &[(); 0])?;
        let all = |tables: Vec<_>| tables.into_iter().map(NamedTable::tracked).collect();
        Ok(tables.and_then(all))
    }

    /// Finds what lies under keys, which are JSON.
    fn find(&self, sql: &Self::Sql, wanted: &str) -> Result<Self::Found>;

    /// The items that were found, as many under each key as lie there; `None` if something was written before the app
    /// had answered.
    async fn items(
        &self,
        found: Self::Found,
        plane: Plane,
        wanted: &[WantedKey],
    ) -> Result<Option<Vec<Vec<Item<Self::Body>>>>>;

    /// Takes items in, if that can be done at once. `keys` is JSON: by the name of each table, how the key of a row is
    /// written in SQL.
    fn take_now(
        &self,
        sql: &Self::Sql,
        keys: &str,
        items: &[Item<Self::Body>],
    ) -> Result<Option<Accepted>>;

    /// Takes items in by the app's own function, in no transaction of ours.
    async fn take(&self, items: &[Item<Self::Body>]) -> Result<Accepted>;

    /// The `code` of the error, if it came from the handle.
    fn code_of(&self, error: &Error) -> Option<String>;

    /// Says a warning, once.
    fn warn_once(&self, message: &str);
}

/// What is wanted: all that lies under a key.
#[derive(Debug)]
pub struct WantedKey {
    /// Where.
    pub stream: Stream,
    /// Under which key.
    pub key: String,
    /// What holds for the rows there, as SQL with values; of a table that is not known, nothing.
    pub test: Option<(String, Vec<String>)>,
}

/// As `js/sqlite/` is told it.
impl Serialize for WantedKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut one = serializer.serialize_map(None)?;
        if let Stream::Rows(table) = &self.stream {
            one.serialize_entry("appId", &table.app)?;
            one.serialize_entry("table", &table.name)?;
        }
        if let Some((test, values)) = &self.test {
            one.serialize_entry("test", test)?;
            one.serialize_entry("values", values)?;
        }
        one.end()
    }
}

/// What became of a page.
#[derive(Debug)]
pub struct Accepted {
    /// What of each item.
    pub outcomes: Vec<Outcome>,
    /// The keys of items whose stored versions had the same time and other content, with their places in the page.
    pub equal: Vec<(usize, String)>,
}
