//! An app's own writes of records, of which it is noted what is late.

use super::rows::{self, ToWrite};
use super::schema::Shape;
use super::session::PgSession;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::store::late::LateCheck;

/// Stores a version of the app's, and notes where it is late.
pub(super) async fn put_own(
    operation: &'static str,
    (session, shape): (&PgSession, &Shape),
    record: &ToWrite,
    late: &mut LateCheck,
) -> Result<()> {
    let before = rows::put(operation, session, shape, record).await?;
    late.look(
        &record.updated_at,
        || Ok(before.newest),
        || Ok(before.stored),
    )
}

/// Marks a record as deleted, and notes where that is late.
pub(super) async fn delete_own(
    operation: &'static str,
    (session, shape): (&PgSession, &Shape),
    (id, hlc): (&str, &Hlc),
    late: &mut LateCheck,
) -> Result<()> {
    let before = rows::delete(operation, session, shape, id, hlc).await?;
    if before.stored.is_none() {
        return Ok(());
    }
    late.look(hlc, || Ok(before.newest), || Ok(before.stored))
}
