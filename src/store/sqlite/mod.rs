//! Records, app rows, and what engines remember, in `SQLite` files.
//!
//! - The tables are Starkeep's own ([`schema`]): an app's file works as it is, and what is written here
//!   is readable by the app. Only additions are made to what exists: indexes and one nullable column.
//! - App rows lie in the tables of their apps ([`app_rows`]).
//! - A file is opened once in a process, and never beside another `SQLite` library ([`registry`]).
//! - What is unseen is found by index, in time that depends on what is found and not on what is stored
//!   ([`delta`]).
//! - Timestamps are compared as numbers, never as text alone ([`delta`], [`query`]).

mod app_rows;
mod database;
mod delta;
mod fault;
pub mod handle;
mod indexes;
mod intake;
mod known_marks;
mod late;
mod line;
pub mod log;
mod logged;
mod logged_records;
mod malformed;
mod metadata;
mod open_files;
mod place;
mod query;
mod records;
mod registry;
mod rows;
mod schema;
mod shared;
mod state;
mod transaction;
mod turn;

use super::row::{columns, record};

pub use self::app_rows::SqliteAppRows;
pub use self::columns::fields_of_columns;
pub use self::fault::{fault_of_code, ignored, is_of_one_row};
pub use self::records::SqliteRecords;
pub use self::shared::Options;
pub use self::state::SqliteState;
