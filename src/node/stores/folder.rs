//! `createFsObjectStorage({ root })`

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::node::options::Options;
use crate::store::ObjectStore;
use crate::store::fs::FsObjects;

/// Opens the folder that the options name.
pub fn open(options: &Options<'_>) -> Result<Arc<dyn ObjectStore>> {
    let root = options.string("root")?.unwrap_or_default();
    Ok(Arc::new(FsObjects::open(Path::new(&root))?))
}
