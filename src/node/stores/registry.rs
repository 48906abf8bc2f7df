//! Which stores this package has: the function that makes each, and how it is opened by its options.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kinds::{objects, records, rows, state};
use super::postgres::postgres;
use super::s3::create_s3_object_storage;
use crate::error::Result;
use crate::node::options::{Factory, Options};
use crate::store::Modes;
use crate::store::fs::FsObjects;
use crate::store::postgres::{PostgresAppRows, PostgresRecords, PostgresState};
use crate::store::sqlite::{self, SqliteAppRows, SqliteRecords, SqliteState};

/// The stores of this package: each is opened by its options, and answers the object that stands for it.
pub const STORES: &[(&str, Factory)] = &[
    ("createSqliteDatabaseAdapter", |call, options| {
        let store = SqliteRecords::open(&path(options, "path")?, how(options)?)?;
        records(call, options, Arc::new(store))
    }),
    ("createSqliteAppRows", |call, options| {
        let store = SqliteAppRows::open(&path(options, "path")?, how(options)?)?;
        rows(call, Arc::new(store))
    }),
    ("createSqliteSyncStateStore", |call, options| {
        let store = SqliteState::open(&path(options, "path")?, how(options)?)?;
        state(call, Arc::new(store))
    }),
    ("createFsObjectStorage", |call, options| {
        let store = FsObjects::open_with(Path::new(&path(options, "root")?), modes(options)?)?;
        let kind = options.string("stat")?.unwrap_or_default();
        objects(call, &kind, Arc::new(store))
    }),
    ("createPostgresAppRows", |call, options| {
        let (place, password, tls) = postgres(call, options)?;
        rows(
            call,
            Arc::new(PostgresAppRows::open(&place, password, tls)?),
        )
    }),
    ("createPostgresSyncStateStore", |call, options| {
        let (place, password, tls) = postgres(call, options)?;
        let scope = options.string("scope")?.unwrap_or_default();
        let store = PostgresState::open(&place, scope, password, tls)?;
        state(call, Arc::new(store))
    }),
    ("createPostgresDatabaseAdapter", |call, options| {
        let (place, password, tls) = postgres(call, options)?;
        let store = PostgresRecords::open(&place, password, tls)?;
        records(call, options, Arc::new(store))
    }),
    ("createS3ObjectStorage", create_s3_object_storage),
];

fn path(options: &Options<'_>, name: &str) -> Result<PathBuf> {
    Ok(PathBuf::from(options.string(name)?.unwrap_or_default()))
}

fn modes(options: &Options<'_>) -> Result<Modes> {
    Ok(Modes::named(options.string("permissions")?.as_deref()))
}

fn how(options: &Options<'_>) -> Result<sqlite::Options> {
    let ms = options.count("busyTimeoutMs", sqlite::Options::BUSY_TIMEOUT_MS)?;
    Ok(sqlite::Options::new(ms, modes(options)?))
}
