//! A store of the rows of apps, as apps and engines see it.

use std::fmt::Debug;
use std::future::ready;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as JsonValue, json};

use super::taken::Taken;
use super::{Holder, Json, Later, LogStore};
use crate::engine::ports::Late;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::delta::Ask;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// See the [module page](self).
pub trait AppRowStore: LogStore + Debug + Send + Sync + 'static {
    /// Registers an app and creates what is missing of its tables. What is there stays as it is: tables and
    /// columns are only added.
    fn register(&self, app_id: &str, registration: Registration) -> Later<'_, ()>;

    /// Whether the store is where it was opened and sound, as far as that is quickly seen.
    fn health_check(&self) -> Later<'_, bool>;

    /// Waits for what is running, then closes the store for good. Closing again does nothing.
    fn close(&self) -> Later<'_, ()>;

    /// The transaction of an app's for which writers wait now.
    fn held_by(&self) -> Option<Holder>;

    /// The apps that are registered.
    fn namespaces(&self) -> Later<'_, Vec<Namespace>>;

    /// [`Self::namespaces`], waited for on this thread.
    fn namespaces_now(&self) -> Result<Vec<Namespace>>;

    /// The app with this id, if it is registered.
    fn namespace(&self, app_id: &Text) -> Later<'_, Option<Namespace>>;

    /// Per node the greatest timestamp of all rows of a table, deleted ones too. A table that is not there
    /// has none.
    fn node_watermarks(&self, table: &Table) -> Later<'_, Watermarks>;

    /// As [`RecordStore::newest_upto`](super::RecordStore::newest_upto), of one table.
    fn newest_upto(&self, _table: &Table, _marks: Watermarks) -> Later<'_, Option<Watermarks>> {
        Box::pin(ready(Ok(None)))
    }

    /// As [`RecordStore::late`](super::RecordStore::late).
    fn late(&self, _known: u64) -> Late {
        Late::default()
    }

    /// The smallest timestamps that `ask` wants of a table, in order, and whether any were left out.
    fn unseen(&self, table: &Table, ask: Ask) -> Later<'_, (Vec<Item<Json>>, bool)>;

    /// At most `limit` rows of a table whose `updated_at` is no timestamp. They have no place in the order, are
    /// never exchanged, and each has a fault that says so.
    fn unorderable(&self, table: &Table, limit: usize) -> Later<'_, Vec<Item<Json>>>;

    /// The rows of a table after `since`, in the order of timestamps, at most `limit` of them, and whether
    /// there are more. Rows with one timestamp are not parted.
    fn scan(&self, table: &Table, since: Hlc, limit: usize) -> Later<'_, (Vec<Item<Json>>, bool)>;

    /// Applies entries that come in the order of timestamps, last writer wins, in one transaction. Says of
    /// each what became of it. An error means that nothing of it is stored.
    fn take_in(&self, items: Vec<Item<Json>>, strict: bool) -> Later<'_, Vec<Taken>>;

    /// Every table of every app.
    fn tables(&self) -> Later<'_, Vec<Table>> {
        Box::pin(async move {
            let namespaces = self.namespaces().await?;
            let tables = namespaces.iter().flat_map(|namespace| {
                let app = Text::from(namespace.app_id.as_str());
                namespace.tables.iter().map(move |info| Table {
                    app: app.clone(),
                    name: Text::from(info.name.as_str()),
                })
            });
            Ok(tables.collect())
        })
    }

    /// Applies one entry. An older one than what is stored changes nothing.
    fn apply(&self, item: Item<Json>) -> Later<'_, ()> {
        Box::pin(async move {
            for taken in self.take_in(vec![item], false).await? {
                if let Taken::Failed(error) = taken {
                    return Err(error);
                }
            }
            Ok(())
        })
    }
}

/// The rows of a table that are later than all of these times, and, where there are more, the time of the last.
///
/// # Errors
/// Those of the store, of a time that is none, and of a row that cannot be read: read as well as it can be, it would pass
/// for another.
pub async fn rows_since(
    store: &dyn AppRowStore,
    table: &Table,
    times: &[Text],
    limit: Option<usize>,
) -> Result<(Vec<Json>, Option<String>)> {
    let times: Result<Vec<_>> = times.iter().map(Hlc::parse_text).collect();
    let since = times?.into_iter().max().unwrap_or_else(Hlc::zero);
    let (items, more) = store
        .scan(table, since, limit.unwrap_or(usize::MAX))
        .await?;
    if let Some(fault) = items.iter().find_map(|item| item.fault.clone()) {
        return Err(fault);
    }
    let last = items.last().filter(|_| more);
    let next = last.map(|last| last.hlc.to_text().to_string());
    Ok((items.into_iter().map(|item| item.body).collect(), next))
}

/// A table of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableInfo {
    /// Its bare name.
    pub name: String,
    /// The columns that tell its rows apart.
    #[serde(default)]
    pub pk_columns: Vec<String>,
    /// Whatever else is noted there.
    #[serde(flatten)]
    pub other: Map<String, JsonValue>,
}

/// An app that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its id.
    pub app_id: String,
    /// Its tables.
    pub tables: Vec<TableInfo>,
    /// Whether its rows may have files.
    pub files_enabled: bool,
}

impl Namespace {
    /// What an app is told of it.
    pub fn to_json(&self) -> JsonValue {
        let table = |info: &TableInfo| json!({ "name": info.name, "pkColumns": info.pk_columns });
        let names = self.tables.iter().map(|info| info.name.as_str());
        json!({
            "appId": self.app_id,
            "tables": self.tables.iter().map(table).collect::<Vec<_>>(),
            "filesEnabled": self.files_enabled,
            "tableNames": names.collect::<Vec<_>>(),
        })
    }

    /// The table with this bare name.
    pub fn table(&self, name: &str) -> Option<&TableInfo> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// What an app wants to have in a store.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Its tables.
    #[serde(default)]
    pub tables: Vec<TableSpec>,
    /// Whether its rows may have files: then it has the table of files as well.
    #[serde(default)]
    pub files_enabled: bool,
}

impl Registration {
    /// Reads what an app wants from JSON.
    ///
    /// # Errors
    /// `InvalidArgument` if it has another form.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| {
            let shape = "must be { tables: [{ name, pkColumns, columns }], filesEnabled }";
            Error::new(ErrorKind::InvalidArgument, "register(options)", shape).caused_by(error)
        })
    }
}

/// A table as an app declares it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSpec {
    /// Its bare name.
    pub name: String,
    /// The columns that tell its rows apart.
    #[serde(default)]
    pub pk_columns: Vec<String>,
    /// Its other columns. What rows have beyond them is kept as well, in one column for all of it.
    #[serde(default)]
    pub columns: Vec<String>,
}
