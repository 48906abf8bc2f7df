//! Stores of this crate's own: records, app rows and state in `SQLite`, objects in a folder or in a bucket of S3; and
//! a side of an exchange that is made of them ([`side`]).
//!
//! What a store does is said once, in a trait for each kind: [`RecordStore`], [`AppRowStore`], [`StateStore`],
//! [`ObjectStore`]. A store is a folder here that implements one of them. The users of a store know its trait
//! alone; to an engine each is a port by [`ports`].
//!
//! What holds for all of them:
//!
//! - **No caller waits on a disk.** Every method that touches one runs on a thread of its own
//!   ([`blocking`]) and can be awaited from any executor.
//! - **A handle is cheap to clone** and all clones are one store. After `close()` each of them answers
//!   [`ErrorKind::Closed`](crate::error::ErrorKind::Closed), and `close()` returns once what was running
//!   has ended ([`gate`]).
//! - **A store is its file or folder**, not its path ([`identity`]): once another stands there, or none, every
//!   method but `close()` answers [`ErrorKind::StoreReplaced`](crate::error::ErrorKind::StoreReplaced).
//! - **All or nothing.** A call that fails, or a process that dies within one, leaves what was there
//!   before. A future that is dropped does not tear its work: that runs to its end.
//! - **Bodies are carried.** A record or row goes in and comes out as JSON text, unknown fields and all.

pub mod blocking;
pub mod clock;
pub mod fs;
mod gate;
mod holder;
mod identity;
pub mod known;
mod known_peers;
mod late;
mod log;
mod modes;
mod objects;
pub mod ports;
pub mod postgres;
pub mod purged;
pub mod query;
mod records;
mod row;
mod rows;
pub mod s3;
pub mod side;
pub mod sqlite;
mod state;
mod taken;
mod transaction;

use futures_util::future::BoxFuture;

pub use self::holder::Holder;
pub use self::log::LogStore;
pub use self::modes::Modes;
pub use self::objects::{Listing, Object, ObjectStore, ObjectUrl, OpenObject, PutOptions, told};
pub use self::records::{Operation, RecordStore, RecordTransaction};
pub use self::rows::{AppRowStore, Namespace, Registration, TableInfo, TableSpec, rows_since};
pub use self::state::{HLC_CLOCK, LOG_POSITIONS, OWN_WATERMARKS, PEER_WATERMARKS, StateStore};
pub(crate) use self::taken::SHARED_NODE;
pub use self::taken::Taken;
pub use crate::protocol::wire::Json;

/// What a store answers. A call is a page or an object, beside which the box is nothing.
pub type Later<'a, T> = BoxFuture<'a, crate::error::Result<T>>;
