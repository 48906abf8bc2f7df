//! What a statement answers.

use tokio_postgres::Row;

use super::fault::during;
use crate::error::Result;

/// The text in a column that has one.
pub(super) fn text(operation: &'static str, row: &Row, at: usize) -> Result<String> {
    row.try_get(at).map_err(during(operation))
}
