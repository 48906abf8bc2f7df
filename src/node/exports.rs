//! What the package exports.
//!
//! Each entry of the package (ESM and CommonJS) asks for exports of its own and hands in its error
//! classes, so that an app meets errors of the class that its own entry knows. Everything else is the
//! same behind all exports of a process.

use std::rc::Rc;

use napi::JsValue;
use napi::bindgen_prelude::Object;

use super::clock::create_hlc_clock;
use super::delta;
use super::error::{Thrown, invalid};
use super::files::{create_file_sync_engine, residency_of};
use super::helpers;
use super::http::{create_http_object_storage, create_http_sync_transport};
use super::notifier::create_change_notifier;
use super::reconciling::create_sync_engine;
use super::runtime::set_up_bridge;
use super::serving::{create_http_sync_handler, create_http_sync_server};
use super::stores::{STORES, create};
use super::transport::create_in_process;
use super::value::{Env, Function, Intrinsic, Kind, Scope, Value, function, keep_thrown_by};
use crate::error::Result;

/// The functions of the package, by name, but for those that make [stores](STORES).
const FUNCTIONS: &[(&str, Function)] = &[
    ("isLater", helpers::is_later),
    ("mergeWatermarks", helpers::merge_watermarks),
    ("watermarkFor", helpers::watermark_for),
    ("selectUnseen", helpers::select_unseen),
    ("computeRecordWatermarks", helpers::record_watermarks),
    ("computeAppSyncableWatermarks", helpers::row_watermarks),
    ("compareHLC", helpers::compare_hlc),
    ("serializeHLC", helpers::serialize_hlc),
    ("deserializeHLC", helpers::deserialize_hlc),
    ("createHLCClock", create_hlc_clock),
    ("createChangeNotifier", create_change_notifier),
    ("createFileSyncEngine", create_file_sync_engine),
    ("residencyOf", residency_of),
    ("createSyncEngine", create_sync_engine),
    ("createInProcessSyncTransport", create_in_process),
    ("createHttpSyncHandler", create_http_sync_handler),
    ("createHttpSyncServer", create_http_sync_server),
    ("createHttpSyncTransport", create_http_sync_transport),
    ("createHttpObjectStorage", create_http_object_storage),
];

/// Adds `makeExports` to the addon's exports: given what [`FROM_ENTRY`] names, it answers the package.
#[napi_derive::napi(module_exports)]
pub fn exports(exports: Object, raw_env: napi::Env) -> napi::Result<()> {
    let scope = Scope::of_callback(raw_env.raw());
    let exports = scope.value(exports.raw());
    add_make_exports(scope, exports).map_err(|error| napi::Error::from_reason(error.to_string()))
}

fn add_make_exports(scope: Scope<'_>, exports: Value<'_>) -> Result<()> {
    keep_thrown_by(Thrown::error);
    let env = Env::new(scope.raw_env())?;
    let make = function(scope, &env, "makeExports", |call| {
        let env = Env::new(call.scope.raw_env())?;
        build_exports(call.scope, &env, call.arg(0))
    })?;
    scope.set_named(exports, "makeExports", make)
}

/// What an entry hands in, and where it is kept.
const FROM_ENTRY: &[(&str, Intrinsic)] = &[
    ("fault", Intrinsic::Fault),
    ("traced", Intrinsic::Traced),
    ("warn", Intrinsic::Warn),
    ("runInTransaction", Intrinsic::RunInTransaction),
    ("endTransaction", Intrinsic::EndTransaction),
    ("isInTransaction", Intrinsic::IsInTransaction),
    ("headersOf", Intrinsic::HeadersOf),
    ("fetchAnswer", Intrinsic::FetchAnswer),
    ("logOf", Intrinsic::LogOf),
];

fn build_exports<'s>(scope: Scope<'s>, env: &Rc<Env>, entry: Value<'s>) -> Result<Value<'s>> {
    for (name, intrinsic) in FROM_ENTRY {
        let function = scope.get_named(entry, name)?;
        if scope.kind(function)? != Kind::Function {
            return Err(invalid(
                "makeExports",
                "is called by the package's own entries",
            ));
        }
        env.set_intrinsic(scope, *intrinsic, function)?;
    }
    set_up_bridge(scope, env, scope.get_named(entry, "createBridge")?)?;
    let zero = helpers::zero_hlc(scope, env)?;
    env.set_intrinsic(scope, Intrinsic::ZeroHlc, zero)?;
    let exports = scope.object()?;
    scope.set_named(exports, "ZERO_HLC", zero)?;
    for (name, body) in FUNCTIONS {
        scope.set_named(exports, name, function(scope, env, name, *body)?)?;
    }
    for (factory, open) in STORES {
        let make = function(scope, env, factory.name, |call| {
            create(call, factory, *open)
        })?;
        scope.set_named(exports, factory.name, make)?;
    }
    let helpers = scope.object()?;
    for (name, body) in delta::HELPERS {
        scope.set_named(helpers, name, function(scope, env, name, *body)?)?;
    }
    scope.set_named(exports, "deltaHelpers", helpers)?;
    Ok(exports)
}
