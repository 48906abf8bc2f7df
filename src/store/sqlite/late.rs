//! An app's own writes of records, of which it is noted what is late.

use rusqlite::Connection;

use super::delta::newest_of;
use super::record::Encoded;
use super::rows;
use super::schema::Shape;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::store::late::LateCheck;

/// Stores a version of the app's, and notes where it is late.
pub(super) fn put_own(
    operation: &'static str,
    (connection, shape): (&Connection, &Shape),
    record: &Encoded,
    late: &mut LateCheck,
) -> Result<()> {
    let hlc = &record.updated_at;
    late.look(
        hlc,
        || newest_of(operation, connection, &shape.sql.by_time, &hlc.node_id),
        || rows::stored_time(operation, connection, &record.id),
    )?;
    rows::put(operation, connection, shape, record)
}

/// Marks a record as deleted, and notes where that is late.
pub(super) fn delete_own(
    operation: &'static str,
    (connection, shape): (&Connection, &Shape),
    (id, hlc): (&str, &Hlc),
    late: &mut LateCheck,
) -> Result<()> {
    if let Some(stored) = rows::stored_time(operation, connection, id)? {
        let newest = || newest_of(operation, connection, &shape.sql.by_time, &hlc.node_id);
        late.look(hlc, newest, || Ok(Some(stored)))?;
    }
    rows::delete(operation, connection, shape, id, hlc)
}
