//! `createFsObjectStorage({ root })`

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::node::error::must_be;
use crate::node::options::Options;
use crate::store::ObjectStore;
use crate::store::fs::FsObjects;

/// Opens the folder that the options name.
pub fn open(options: &Options<'_>) -> Result<Arc<dyn ObjectStore>> {
    let root = options.string("root")?.filter(|root| !root.is_empty());
    let got = options.describe("root")?;
    let root =
        root.ok_or_else(|| must_be("createFsObjectStorage(root)", "the path of a folder", &got))?;
    Ok(Arc::new(FsObjects::open(Path::new(&root))?))
}
