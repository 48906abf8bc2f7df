//! The rules of the engine over the ports in memory, which fail on demand. One program: each that is linked takes the
//! room of all it is linked with.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod beside;
mod conflicts;
mod guards;
mod held;
mod logs;
mod logs_ahead;
mod logs_backlog;
mod logs_peers;
mod logs_put_back;
mod logs_rules;
mod logs_said;
mod logs_waiting;
mod overtaken;
mod pages;
mod resting;
#[path = "../simulation/rng.rs"]
#[allow(dead_code, reason = "of chance, not all is needed here")]
mod rng;
mod rules;
mod support;
mod sweeps;
