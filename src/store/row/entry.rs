//! An entry of the exchange about a row of an app, as it comes and as it goes.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::record::Fields;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{FILE_RECORDS_TABLE, Item, ItemKind, Said, Table, row_blob};
use crate::protocol::text::Text;
use crate::protocol::wire::size_in_json;
use crate::store::Json;

/// The operation of its errors.
pub(in crate::store) const APPLY: &str = "apply an app row";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::store) enum Op {
    Insert,
    Update,
    Delete,
}

/// An entry as it comes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::store) struct Entry<'a> {
    timestamp: Hlc,
    app_id: Text,
    table: Text,
    pub(in crate::store) op: Op,
    #[serde(borrow, default)]
    pub(in crate::store) row: Option<Fields<'a>>,
    #[serde(borrow, default, rename = "where")]
    pub(in crate::store) filter: Option<Fields<'a>>,
}

impl<'a> Entry<'a> {
    /// The entry that is the body of an item of `table`.
    pub(in crate::store) fn read(item: &'a Item<Json>, table: &Table) -> Result<Self> {
        let entry: Self = serde_json::from_str(&item.body).map_err(|error| {
            refuse(
                "an entry must be { timestamp, appId, table, op, row, where }; it cannot be read",
            )
            .caused_by(error)
        })?;
        let fits =
            entry.timestamp == item.hlc && entry.app_id == table.app && entry.table == table.name;
        if !fits {
            return Err(refuse(
                "the entry inside has another timestamp, app or table than its envelope says",
            ));
        }
        Ok(entry)
    }

    /// The text of its time, as JSON. A row that says another time than its entry would pass for older or
    /// newer than it was checked to be.
    pub(in crate::store) fn updated_at(&self) -> Result<Box<RawValue>> {
        let given = self.row.as_ref().and_then(|row| row.get("updated_at"));
        if let Some(given) = given.filter(|given| given.get() != "null") {
            let time = serde_json::from_str::<String>(given.get())
                .ok()
                .and_then(|text| Hlc::parse(&text).ok());
            return match time {
                Some(time) if time == self.timestamp => Ok((*given).to_owned()),
                _ => Err(refuse(
                    "the row's updated_at must be the text form of the entry's timestamp",
                )),
            };
        }
        to_raw_value(&self.timestamp.to_string())
            .map_err(|error| refuse("the timestamp cannot be written").caused_by(error))
    }
}

/// The table of the row that an item is.
pub(in crate::store) fn table_of(item: &Item<Json>) -> Result<&Table> {
    match &item.kind {
        ItemKind::Row(table) => Ok(table),
        ItemKind::Record(_) => Err(refuse(
            "a shared record is no row of an app; a store of records takes it in",
        )),
    }
}

/// What an entry must be, where it is not.
pub(in crate::store) fn refuse(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, APPLY, message)
}

/// A row as it stands in its table.
pub(in crate::store) struct StandingRow<'a> {
    /// The app, and the name of its table.
    pub(in crate::store) table: [&'a str; 2],
    pub(in crate::store) hlc: Hlc,
    pub(in crate::store) json: String,
    pub(in crate::store) is_deleted: bool,
    pub(in crate::store) fault: Option<Error>,
}

/// A stored row as an entry: a live one is an insert, a deleted one a delete, each with the whole row.
pub(in crate::store) fn item_of(row: StandingRow<'_>) -> Item<Json> {
    let StandingRow {
        table: [app, name],
        hlc,
        json,
        is_deleted,
        fault,
    } = row;
    let op = if is_deleted { "delete" } else { "insert" };
    let body = format!(
        "{{\"timestamp\":{},\"appId\":{},\"table\":{},\"op\":\"{op}\",\"row\":{json}}}",
        json!(hlc),
        json!(app),
        json!(name),
    );
    let table = Table {
        app: Text::from(app),
        name: Text::from(name),
    };
    let mut blob = None;
    if name == FILE_RECORDS_TABLE && fault.is_none() {
        let fields: Fields<'_> = serde_json::from_str(&json).unwrap_or_default();
        let text = |field| serde_json::from_str::<Text>(fields.get(field)?.get()).ok();
        let said = Said {
            key: text("object_storage_key"),
            mime_type: text("mime_type"),
            content_hash: text("content_hash"),
            size: fields.get("size_bytes").copied().and_then(size_in_json),
        };
        blob = row_blob(&table, said, is_deleted);
    }
    Item {
        hlc,
        kind: ItemKind::Row(table),
        blob,
        body: body.into(),
        fault,
    }
}
