//! Which columns a table of records has, in their order.

use super::columns::{Column, KNOWN, NEEDED};
use crate::error::{Error, ErrorKind, Result};

/// The column for fields that have none.
pub(in crate::store) const EXTRA: &str = "extra_json";

/// See the [module page](self).
#[derive(Debug)]
pub(in crate::store) struct Layout {
    pub(in crate::store) columns: Vec<Column>,
    /// Fields that only this table knows and computes itself.
    computed: Vec<String>,
}

impl Layout {
    /// Of these columns, in the order of the fields.
    pub(in crate::store) fn new(mut columns: Vec<Column>, computed: Vec<String>) -> Self {
        columns.sort_by_key(|column| {
            KNOWN
                .iter()
                .position(|(_, name, _)| *name == column.name)
                .unwrap_or(KNOWN.len())
        });
        Self { columns, computed }
    }

    /// Where the column of a field is.
    pub(in crate::store) fn position_of(&self, field: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.field == field)
    }

    /// The same, first looked for from the column at `from` on.
    pub(in crate::store) fn position_from(&self, from: usize, field: &str) -> Option<usize> {
        let mut behind = self.columns.iter().skip(from);
        let passed = behind.position(|column| column.field == field);
        passed
            .map(|passed| from + passed)
            .or_else(|| self.position_of(field))
    }

    /// Whether a field lies in a column, or is computed by the table.
    pub(in crate::store) fn has_column_of(&self, field: &str) -> bool {
        self.position_of(field).is_some() || self.computed.iter().any(|known| known == field)
    }

    /// The column of a field.
    pub(in crate::store) fn column_of(&self, field: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// The first column that a table of Starkeep's has, and this one has not.
    pub(in crate::store) fn lacks(&self) -> Option<&'static str> {
        let has = |name: &str| self.columns.iter().any(|column| column.name == name);
        NEEDED.into_iter().find(|needed| !has(needed))
    }

    /// Fails where the table, named `table`, is not one of Starkeep's.
    pub(in crate::store) fn check(&self, table: &str, instead: &str) -> Result<()> {
        match self.lacks() {
            None => Ok(()),
            Some(needed) => Err(Error::new(
                ErrorKind::Database,
                "prepare the tables",
                format!(
                    "the table {table} has no column {needed}, so it is not one of Starkeep's; {instead}"
                ),
            )),
        }
    }
}
