//! What the package exports.
//!
//! Each entry of the package (ESM and CommonJS) asks for a face of its own and hands in its error
//! classes, so that an app meets errors of the class that its own entry knows. Everything else is the
//! same behind all faces of a process.

use std::rc::Rc;

use napi::JsValue;
use napi::bindgen_prelude::{Env, Object};

use super::clock::create_hlc_clock;
use super::delta;
use super::engine::create_sync_engine;
use super::error::invalid;
use super::executor::set_up_border;
use super::files::{create_file_sync_engine, residency_of};
use super::helpers;
use super::http::{
    create_http_object_storage, create_http_sync_handler, create_http_sync_server,
    create_http_sync_transport,
};
use super::js::{Call, Intrinsic, Kind, Realm, Scope, Value, function};
use super::notifier::create_change_notifier;
use super::stores::{STORES, create};
use super::transport::create_in_process;
use crate::error::Result;

/// The body of an exported function.
pub type Body = for<'c> fn(&Call<'c>) -> Result<Value<'c>>;

/// The functions of the package, by name, but for those that make [stores](STORES).
const FUNCTIONS: &[(&str, Body)] = &[
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

/// Adds `face` to the addon's exports: given what [`FROM_ENTRY`] names, it answers the package.
#[napi_derive::napi(module_exports)]
pub fn exports(exports: Object, env: Env) -> napi::Result<()> {
    let scope = Scope::of_callback(env.raw());
    let exports = scope.value(exports.raw());
    add_face(scope, exports).map_err(|error| napi::Error::from_reason(error.to_string()))
}

fn add_face(scope: Scope<'_>, exports: Value<'_>) -> Result<()> {
    let realm = Realm::new(scope.env())?;
    let make = function(scope, &realm, "face", |call| {
        let realm = Realm::new(call.scope.env())?;
        build_face(call.scope, &realm, call.arg(0))
    })?;
    scope.set_named(exports, "face", make)
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
];

fn build_face<'s>(scope: Scope<'s>, realm: &Rc<Realm>, entry: Value<'s>) -> Result<Value<'s>> {
    for (name, intrinsic) in FROM_ENTRY {
        let function = scope.get_named(entry, name)?;
        if scope.kind(function)? != Kind::Function {
            return Err(invalid("face", "is called by the package's own entries"));
        }
        realm.set_intrinsic(scope, *intrinsic, function)?;
    }
    set_up_border(scope, realm, scope.get_named(entry, "createBorder")?)?;
    let zero = helpers::zero_hlc(scope, realm)?;
    realm.set_intrinsic(scope, Intrinsic::ZeroHlc, zero)?;
    let face = scope.object()?;
    scope.set_named(face, "ZERO_HLC", zero)?;
    for (name, body) in FUNCTIONS {
        scope.set_named(face, name, function(scope, realm, name, *body)?)?;
    }
    for (factory, open) in STORES {
        let make = function(scope, realm, factory.name, |call| {
            create(call, factory, *open)
        })?;
        scope.set_named(face, factory.name, make)?;
    }
    let helpers = scope.object()?;
    for (name, body) in delta::HELPERS {
        scope.set_named(helpers, name, function(scope, realm, name, *body)?)?;
    }
    scope.set_named(face, "deltaHelpers", helpers)?;
    Ok(face)
}
