//! The log of a database without triggers and locks: writers note what they write, and of two transactions that give
//! numbers the second is refused.
//!
//! - This package's stores note each version beside its row, in its transaction ([`noted`](super::super::noted)). A note
//!   says which item, and where the version came from. What the version is, is read from the table when it gets its number.
//! - A transaction that gives numbers writes the one row of `meta`: of two at once the second is refused
//!   when it commits, and begins again ([`number()`]). It sees what was committed when it began, and nothing else has a
//!   number. So no cursor passes a transaction that is still open, however long it stays so.
//! - What other programs write past the stores is noted by nothing. A comparison of the log with the tables finds it
//!   ([`scan`]): when a table is first tracked, and whenever an app asks for one. It goes through the tables page by page, in
//!   transactions of its own, and notes what is not right; so no writer waits for it.
//! - No transaction writes more rows than such a server takes.
//!
//! Where the database is cannot be asked of it: the name of its cluster says so. A copy has another one, and begins another
//! stretch of the history there.

mod number;
mod scan;
mod tables;

pub use self::number::{number, settle};
pub use self::scan::verify;
pub use self::tables::{drawn, is_in_place, prepare};

/// Whether the log is complete and its tables are there, as SQL.
pub const IN_PLACE: &str = "NOT EXISTS (SELECT 1 FROM @_streams AS s WHERE NOT s.is_whole OR to_regclass(s.relation) IS NULL)";
