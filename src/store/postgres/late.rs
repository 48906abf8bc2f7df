//! Whether a version that the app stores is stamped at or before what its node has stored already.

use std::collections::HashMap;

use super::rows::{self, Before, ToWrite};
use super::schema::Shape;
use super::session::PgSession;
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
    /// A version was written where this had been. The same version once more is not late.
    fn look(&mut self, hlc: &Hlc, before: Before) {
        let node = self.before.entry(hlc.node_id.clone());
        let newest = node.or_insert(before.newest);
        let is_late = newest.as_ref().is_some_and(|newest| hlc <= newest);
        if is_late && before.stored.as_ref() != Some(hlc) {
            self.found.push(hlc.clone());
        }
    }
}

/// Stores a version of the app's, and notes where it is late.
pub(super) async fn put_own(
    operation: &'static str,
    (session, shape): (&PgSession, &Shape),
    record: &ToWrite,
    late: &mut LateCheck,
) -> Result<()> {
    let before = rows::put(operation, session, shape, record).await?;
    late.look(&record.updated_at, before);
    Ok(())
}

/// Marks a record as deleted, and notes where that is late.
pub(super) async fn delete_own(
    operation: &'static str,
    (session, shape): (&PgSession, &Shape),
    (id, hlc): (&str, &Hlc),
    late: &mut LateCheck,
) -> Result<()> {
    let before = rows::delete(operation, session, shape, id, hlc).await?;
    if before.stored.is_some() {
        late.look(hlc, before);
    }
    Ok(())
}
