//! Stores of this crate's own: records, app rows and state in `SQLite`, objects in a folder; and a side
//! of an exchange that is made of them ([`side`]).
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
mod identity;
pub mod side;
pub mod sqlite;

pub use crate::protocol::wire::Json;
