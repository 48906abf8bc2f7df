//! What a record is as a row of a table, whichever database has the table.

pub(in crate::store) mod columns;
pub(in crate::store) mod layout;
pub(in crate::store) mod record;
