//! Whether a version that the app stores is stamped at or before what its node has stored already.

use std::collections::HashMap;

use rusqlite::Connection;

use super::delta::newest_of;
use super::indexes::ByTime;
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
