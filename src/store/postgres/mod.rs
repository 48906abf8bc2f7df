//! Records, app rows, and what engines remember, in a `PostgreSQL` database.
//!
//! - One [`pool`] of connections for each place and user, which all stores share. Nothing is sent before the
//!   first call; a call that meets a fault which may pass is made again ([`database`]).
//! - Work runs on threads of this module's own ([`runtime`]): it can be awaited from any executor, and runs to its end
//!   even if its caller is gone.
//! - What this process writes is counted ([`written`]), so that an answering side knows without a query what it has in
//!   memory; what others write it may not notice for a second.
//! - The tables are Starkeep's own ([`schema`]). Where there are none they are created, with one column more for fields
//!   that have none.
//! - Timestamps are compared as text in the order of bytes. That is their order as long as they have the usual
//!   digits, so that others are refused, and so are tables whose collation is another.

mod answer;
mod app_rows;
mod connection;
mod database;
mod delta;
mod dialect;
mod fault;
mod intake;
mod late;
mod line;
mod log;
mod logged;
mod logged_records;
mod metadata;
mod noted;
mod options;
mod param;
mod parts;
mod pool;
mod query;
mod records;
mod rows;
mod runtime;
mod schema;
mod session;
mod state;
mod table;
mod tls;
mod transaction;
mod written;

use super::row::{columns, record};

pub use self::app_rows::PostgresAppRows;
pub use self::dialect::Dialect;
pub use self::options::{PasswordSource, PostgresOptions};
pub use self::records::PostgresRecords;
pub use self::state::PostgresState;
pub use self::tls::TlsClients;
