//! `createSqliteSyncStateStore({ path })` on a file that is left to this package.

use std::path::Path;
use std::rc::Rc;

use super::records::{database_options, path_option};
use super::{json_arg, outside, promise};
use crate::binding::js::{Call, Value, function, mark};
use crate::binding::known_options::SQLITE_SYNC_STATE_STORE;
use crate::binding::options::Options;
use crate::binding::sqlite_state::{METHODS, create_over_app_database};
use crate::error::Result;
use crate::store::Json;
use crate::store::sqlite::SqliteState;

/// What is behind the store object.
pub struct NativeState(pub SqliteState);

/// `createSqliteSyncStateStore({ db })` or `createSqliteSyncStateStore({ path })`
pub fn create_sqlite_sync_state_store<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, realm) = (call.scope, call.realm);
    let options = Options::new(scope, realm, call.arg(0), &SQLITE_SYNC_STATE_STORE)?;
    if scope.is_nullish(options.get("path")?)? {
        return create_over_app_database(call, &options);
    }
    let path = path_option(&options, "createSqliteSyncStateStore(path)")?;
    let store = SqliteState::open(Path::new(&path), database_options(&options)?)?;
    let object = scope.object()?;
    for (get, set, key, missing) in METHODS {
        let reading = store.clone();
        let getter = function(scope, realm, get, move |call| {
            let store = reading.clone();
            promise(
                call,
                Ok(async move {
                    let value = store.get(key).await?;
                    Ok(Some(value.unwrap_or_else(|| Json::from(missing))))
                }),
            )
        })?;
        scope.set_named(object, get, getter)?;
        let writing = store.clone();
        let setter = function(scope, realm, set, move |call| {
            outside(call, writing.held_by(), |call| {
                let store = writing.clone();
                promise(
                    call,
                    json_arg(call, 0).map(|value| async move { store.set(key, value).await }),
                )
            })
        })?;
        scope.set_named(object, set, setter)?;
    }
    let closing = store.clone();
    let close = function(scope, realm, "close", move |call| {
        let store = closing.clone();
        promise(call, Ok(async move { store.close().await }))
    })?;
    scope.set_named(object, "close", close)?;
    mark(scope, realm, object, Rc::new(NativeState(store)))?;
    Ok(object)
}
