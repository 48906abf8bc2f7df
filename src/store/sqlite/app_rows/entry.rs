//! A stored row as an entry of the exchange.

use super::table::{AppTable, StoredRow};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::Item;
use crate::store::Json;
use crate::store::row::entry::{StandingRow, item_of};

/// A stored row as an entry. One that cannot be exchanged as it stands has a fault.
pub(super) fn item(
    operation: &'static str,
    table: &AppTable,
    hlc: Hlc,
    row: &StoredRow,
) -> Item<Json> {
    item_of(StandingRow {
        table: [&table.app_id, &table.info.name],
        hlc,
        json: table.decode(row),
        is_deleted: table.is_deleted(row),
        fault: table.fault_of(operation, row),
    })
}
