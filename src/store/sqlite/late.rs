//! Whether a version that the app stores is stamped at or before what its node has stored already.

use std::collections::HashMap;

use rusqlite::Connection;

use super::delta::newest_of;
use super::indexes::ByTime;
use super::record::Encoded;
use super::rows;
use super::schema::Shape;
use crate::error::Result;
use crate::protocol::hlc::{Hlc, NodeId};

/// The check for one transaction: what is stored within it is late only against what was there before.
#[derive(Debug, Default)]
pub(super) struct LateCheck {
    before: HashMap<NodeId, Option<Hlc>>,
    /// What was found.
    pub(super) found: Vec<Hlc>,
}

impl LateCheck {
    /// Looks at a version before it is stored. `stored` says when the version that it replaces was written: the same
    /// version once more is not late.
    pub(super) fn look(
        &mut self,
        operation: &'static str,
        (connection, sql): (&Connection, &ByTime),
        hlc: &Hlc,
        stored: impl FnOnce() -> Result<Option<Hlc>>,
    ) -> Result<()> {
        if !self.before.contains_key(&hlc.node_id) {
            let newest = newest_of(operation, connection, sql, &hlc.node_id)?;
            self.before.insert(hlc.node_id.clone(), newest);
        }
        let newest = self.before.get(&hlc.node_id).and_then(Option::as_ref);
        if newest.is_some_and(|newest| hlc <= newest) && stored()?.as_ref() != Some(hlc) {
            self.found.push(hlc.clone());
        }
        Ok(())
    }
}

/// Stores a version of the app's, and notes where it is late.
pub(super) fn put_own(
    operation: &'static str,
    (connection, shape): (&Connection, &Shape),
    record: &Encoded,
    late: &mut LateCheck,
) -> Result<()> {
    let by_time = (connection, &shape.sql.by_time);
    late.look(operation, by_time, &record.updated_at, || {
        rows::stored_time(operation, connection, &record.id)
    })?;
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
        let by_time = (connection, &shape.sql.by_time);
        late.look(operation, by_time, hlc, || Ok(Some(stored)))?;
    }
    rows::delete(operation, connection, shape, id, hlc)
}
