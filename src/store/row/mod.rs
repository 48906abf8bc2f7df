//! What a record, and a row of an app, is as a row of a table, whichever database has the table.

pub(in crate::store) mod cell;
pub(in crate::store) mod cells;
pub(in crate::store) mod columns;
pub(in crate::store) mod entry;
pub(in crate::store) mod equal;
pub(in crate::store) mod incoming;
pub(in crate::store) mod layout;
pub(in crate::store) mod malformed;
pub(in crate::store) mod namespaces;
pub(in crate::store) mod operation;
pub(in crate::store) mod record;
pub(in crate::store) mod stored;
