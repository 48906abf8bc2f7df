//! What the native stores promise, over files of every age that apps have.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod app_rows;
mod app_rows_model;
mod app_rows_refused;
mod delta;
mod faults;
mod fs;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod fs_kept;
mod fs_model;
#[cfg(unix)]
mod fs_places;
mod fs_stream;
mod log;
mod log_foreign;
mod log_pages;
mod malformed;
mod malformed_rows;
mod own_tables;
mod purge;
mod query;
mod records;
mod sqlite;
mod support;
