//! The change log of a database with many writers, in plain SQL: also programs that know nothing of it keep it true while
//! they write.
//!
//! Triggers on each table *note* the key and the time of every version, which is all that a write pays for; no writer
//! waits for another. Numbers are given when the log is looked at ([`mod@settle`]): one at a time gives them, and only to what
//! it sees, which is what was committed. So an entry of a transaction that is still open has no number yet, no cursor can
//! pass it, and it gets one behind all that were told before once it is there. The order of numbers is an order in which
//! transactions became visible, however many processes write and read.
//!
//! A look sees one moment, and only one in which everything that it sees has its number. So it finds the log true to the
//! tables, and what it says of digests holds.
//!
//! - A stretch of the history begins with the first numbers that are given after the database was started, restored,
//!   copied or brought back from a dump ([`tables`]): what it says then is told apart from what it said before.
//! - Where a version came from is told to the triggers by a setting of the transaction that writes it.
//! - What counts in digests is said in one place ([`mod@digests`]).
//! - [`known`] notes the peers that were heard of, and [`mod@purge`] removes the tombstones that all of them have seen.
//!
//! A database without triggers and locks has the same log [`by_writers`].

mod by_writers;
mod compare;
mod digests;
mod entries;
mod history;
mod known;
mod lacking;
mod log_tables;
mod look;
mod names;
mod notes;
mod purge;
mod ranges;
mod schema;
mod settle;
mod sql;
mod tables;
mod tracked;
mod verify;

pub use self::by_writers::{number, verify as verify_in_pages};
pub use self::compare::{compare, versions};
pub use self::digests::digests;
pub use self::history::LogStanding;
pub use self::known::hear_of;
pub use self::log_tables::LogTables;
pub use self::look::{KnownStreams, look, quiet};
pub use self::names::Names;
pub use self::notes::{Attempted, advance, come_from, note, renew};
pub use self::purge::purge;
pub use self::schema::{is_in_place, prepare};
pub use self::settle::{begin_with_turn, settle, settle_all};
pub use self::sql::{OPERATION, Sql};
pub use self::tracked::{Tracked, key_lists};
pub use self::verify::verify;
