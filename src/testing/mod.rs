//! The engine's ports in memory, made to fail on demand.
//!
//! What holds for all of them:
//!
//! - **A handle is cheap to clone** and all clones are one store, so that a test looks into what an
//!   engine works on, and a node that crashed opens again what it had persisted.
//! - **Every call is an await point**, before its effect and after it ([`Faults::meet`]). Between two of
//!   them nothing else runs: a call's effect is whole or absent.
//! - **What goes wrong is said beforehand.** Stores share a [`Faults`] plan: which call fails, and what
//!   happens in between. Nothing is left to chance or to a clock; the time is whatever the test sets.
//! - **A change log is an option** of records and rows. It lies in one file with them: a snapshot has both.
//! - **Bodies are carried.** No store reads more of a body than the id of a row.
//!
//! The stores come in the ages that adapters have: records and rows that can say what they hold and such
//! that cannot, records that are found by an index and such that are found by a pass over all of them.

mod blobs;
mod body;
mod clock;
mod faults;
mod log;
mod logged;
mod records;
mod rows;
mod side;
mod state;
mod wire;

pub use blobs::MemoryBlobs;
pub use body::{Body, record, row};
pub use clock::MemoryClock;
pub use faults::{Faults, Operation, When, pause};
pub use log::{Journal, canonical};
pub use records::{Access, MemoryRecords};
pub use rows::MemoryRows;
pub use side::{MemoryEvents, MemoryLog, MemorySide};
pub use state::MemoryState;
pub use wire::{MemoryWire, cut};
