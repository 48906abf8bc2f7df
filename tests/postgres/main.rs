//! What the stores in `PostgreSQL` promise beyond what every store does, asked of a server on this machine. Where there
//! is none the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../stores/support/mod.rs"]
mod support;

mod app_rows;
mod dsql;
mod dsql_pages;
mod faults;
mod log;
mod log_exchange;
mod log_history;
mod log_race;
mod log_rows;
mod lost_answers;
mod pages;
mod pool;
mod purge;
mod quiet;
mod records;
