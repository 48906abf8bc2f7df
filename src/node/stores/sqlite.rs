//! `createSqliteDatabaseAdapter({ path })`, `createSqliteAppRows({ path })` and
//! `createSqliteSyncStateStore({ path })`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::node::options::Options;
use crate::store::sqlite::{self, SqliteAppRows, SqliteRecords, SqliteState};
use crate::store::{AppRowStore, RecordStore, StateStore};

/// Opens the records of the file that the options name.
pub fn records(options: &Options<'_>) -> Result<Arc<dyn RecordStore>> {
    let path = path(options)?;
    Ok(Arc::new(SqliteRecords::open(&path, how(options)?)?))
}

/// Opens the app rows of the file that the options name.
pub fn rows(options: &Options<'_>) -> Result<Arc<dyn AppRowStore>> {
    let path = path(options)?;
    Ok(Arc::new(SqliteAppRows::open(&path, how(options)?)?))
}

/// Opens the state of the file that the options name.
pub fn state(options: &Options<'_>) -> Result<Arc<dyn StateStore>> {
    let path = path(options)?;
    Ok(Arc::new(SqliteState::open(&path, how(options)?)?))
}

fn path(options: &Options<'_>) -> Result<PathBuf> {
    Ok(PathBuf::from(options.string("path")?.unwrap_or_default()))
}

/// How long to wait for other processes that write to the file: `busyTimeoutMs`, 5000 by default.
fn how(options: &Options<'_>) -> Result<sqlite::Options> {
    let default = sqlite::Options::default();
    let default_ms = usize::try_from(default.busy_timeout.as_millis()).unwrap_or(usize::MAX);
    let ms = options.count("busyTimeoutMs", default_ms)?;
    Ok(sqlite::Options {
        busy_timeout: Duration::from_millis(ms as u64),
    })
}
