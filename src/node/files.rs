//! Files that an app moves itself: what `js/files.js` has done for `createFileSyncEngine()`, and `residencyOf()`.

use super::adapters::AnyBlobs;
use super::runtime::{IntoJs, JsObject, spawn};
use super::value::{Call, Scope, Value};
use crate::engine::blobs::copy;
use crate::engine::ports::Blobs;
use crate::error::Result;
use crate::protocol::item::{Blob, Residency};
use crate::protocol::text::Text;

fn storage(call: &Call<'_>, index: usize, option: &'static str) -> Result<AnyBlobs> {
    let storage = call.scope.keep(call.arg(index))?;
    let storage = AnyBlobs::new(JsObject::new(storage, option));
    storage.find_store()?;
    Ok(storage)
}

/// `copyObject(key, mimeType, source, destination)`: whether there was something to copy.
pub fn copy_object<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let key = scope.as_text(call.arg(0));
    let blob = Blob {
        mime_type: scope.as_text(call.arg(1)),
        ..Blob::under(key.unwrap_or_else(|| Text::from("")))
    };
    let source = storage(call, 2, "source")?;
    let destination = storage(call, 3, "destination")?;
    spawn(
        scope,
        async move { copy(&source, &destination, &blob).await },
    )
}

impl IntoJs for Residency {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        scope.text(self.name())
    }
}

/// `residencyOf(recordRow, localStorage)`
pub fn residency_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, row) = (call.scope, call.arg(0));
    if scope.is_nullish(row)? {
        return spawn(scope, async { Ok(Residency::Absent) });
    }
    let [deleted_at, key] = scope.pick(row, ["deleted_at", "object_storage_key"])?;
    if !scope.is_nullish(deleted_at)? {
        return spawn(scope, async { Ok(Residency::Tombstoned) });
    }
    let place = "residencyOf(recordRow.object_storage_key)";
    let given = scope.as_text(key);
    let key = given.ok_or_else(|| scope.must_be_some(place, "a string", key));
    let storage = storage(call, 1, "localStorage")?;
    spawn(scope, async move {
        let is_here = storage.has(&key?).await?;
        Ok(Residency::of_live_row(is_here))
    })
}
