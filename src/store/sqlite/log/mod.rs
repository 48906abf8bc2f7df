//! The change log of a file, in plain SQL: also programs that know nothing of it keep it true while they write.
//!
//! Triggers on each table note the key and the time of every version under the next number. What they cannot do is
//! hash: an entry is *pending* until [`fold`] has put the hash of its version in the place of the time, and has
//! added that to the digest of its stream. Numbers come from `AUTOINCREMENT`: none is ever given twice, also where
//! rows were removed.
//!
//! Everything goes by [`Sql`], so that an app's own handle of a file is served by the same statements.

mod compare;
mod entries;
mod look;
mod notes;
mod schema;
mod sql;
mod tracked;
mod unsettled;
mod verify;

pub use self::compare::{compare, digests, versions};
pub use self::entries::{fold, fold_where, has_pending, renew};
pub use self::look::{head, look};
pub use self::notes::{advance, note, origin_of};
pub use self::schema::{begin_generation, has_generation, is_in_place, prepare};
pub(super) use self::sql::OPERATION;
pub use self::sql::{Plane, Sql, at_once};
pub use self::tracked::Tracked;
pub use self::unsettled::{begin_unsettled, is_marked, mark};
pub use self::verify::verify;
