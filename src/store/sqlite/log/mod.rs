//! The change log of a file, in plain SQL: also programs that know nothing of it keep it true while they write.
//!
//! Triggers on each table *note* the key and the time of every version, which is all that a write pays for. At the next
//! look [`fold`] brings in what was noted, in the order in which it was: the newest version of each item gets the next
//! number and its hash, takes the place of the one before, and is counted in. SQLite has one writer, so the order of the
//! numbers is the order in which transactions were committed; no number is given twice.
//!
//! A page of records that comes from a peer is written by this package alone, with the triggers off, and its versions are
//! entered [`beside`] their rows. Where a table has triggers of the app's as well, all of them fire.
//!
//! [`known`] notes the peers that were heard of, and [`mod@purge`] removes the tombstones that all of them have seen.
//!
//! Everything else goes by [`Sql`], so that an app's own handle of a file is served by the same statements.

mod beside;
mod compare;
mod entries;
mod history;
mod known;
mod lacking;
mod look;
mod notes;
mod purge;
mod schema;
mod sql;
mod tracked;
mod unsettled;
mod verify;

pub(super) use self::beside::{Entering, WithoutTriggers};
pub use self::compare::{compare, digests, versions};
pub use self::entries::{fold, fold_where, head, renew};
pub use self::known::hear_of;
pub use self::look::{KnownStreams, look};
pub use self::notes::{advance, note, origin_of};
pub use self::purge::purge;
pub(super) use self::schema::has_only_its_triggers;
pub use self::schema::{begin_generation, is_in_place, is_up_to_date, prepare};
pub(super) use self::sql::OPERATION;
pub use self::sql::{Plane, Sql, at_once};
pub use self::tracked::Tracked;
pub use self::unsettled::{begin_unsettled, is_marked, mark};
pub use self::verify::verify;
