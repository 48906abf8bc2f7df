//! A stored row as an entry of the exchange.

use serde_json::json;

use super::super::record::Fields;
use super::table::{AppTable, StoredRow};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{FILE_RECORDS_TABLE, Item, ItemKind, Said, Table, row_blob};
use crate::protocol::text::Text;
use crate::protocol::wire::size_in_json;
use crate::store::Json;

/// A stored row as an entry: a live one is an insert, a deleted one a delete, each with the whole row. One
/// that cannot be exchanged as it stands has a fault.
pub(super) fn item(
    operation: &'static str,
    table: &AppTable,
    hlc: Hlc,
    row: &StoredRow,
) -> Item<Json> {
    let fault = table.fault_of(operation, row);
    let json = table.decode(row);
    let deleted = table.is_deleted(row);
    let op = if deleted { "delete" } else { "insert" };
    let body = format!(
        "{{\"timestamp\":{},\"appId\":{},\"table\":{},\"op\":\"{op}\",\"row\":{json}}}",
        json!(hlc),
        json!(table.app_id),
        json!(table.info.name),
    );
    let name = Table {
        app: Text::from(table.app_id.as_str()),
        name: Text::from(table.info.name.as_str()),
    };
    let mut blob = None;
    if table.info.name == FILE_RECORDS_TABLE && fault.is_none() {
        let fields: Fields<'_> = serde_json::from_str(&json).unwrap_or_default();
        let text = |field| serde_json::from_str::<Text>(fields.get(field)?.get()).ok();
        let said = Said {
            key: text("object_storage_key"),
            mime_type: text("mime_type"),
            content_hash: text("content_hash"),
            size: fields.get("size_bytes").copied().and_then(size_in_json),
        };
        blob = row_blob(&name, said, deleted);
    }
    Item {
        hlc,
        kind: ItemKind::Row(name),
        blob,
        body: body.into(),
        fault,
    }
}
