//! What the package exports.
//!
//! Each entry of the package (ESM and CommonJS) asks for exports of its own and hands in its error
//! classes, so that an app meets errors of the class that its own entry knows. Everything else is the
//! same behind all exports of a process.

use std::sync::Arc;

use napi::JsValue;
use napi::bindgen_prelude::Object;

use super::adapters::copy_object;
use super::clock::{create_hlc_clock, is_store};
use super::engine::create_sync_engine;
use super::error::invalid;
use super::http::{create_http_object_storage, create_http_sync_transport};
use super::options::{Factory, Options};
use super::runtime::set_up_waits;
use super::serving::{create_http_sync_handler, create_http_sync_server};
use super::stores::STORES;
use super::timestamps;
use super::transport::create_in_process;
use super::value::{Env, Function, Intrinsic, Kind, Scope, Value, add_functions, function};
use crate::error::{Error, Result};
use crate::joint::native_log;

/// The functions of the package, by name, that are not made in `js/`.
const FUNCTIONS: &[(&str, Function)] = &[
    ("compareHLC", timestamps::compare_hlc),
    ("serializeHLC", timestamps::serialize_hlc),
    ("deserializeHLC", timestamps::deserialize_hlc),
];

/// Those that take options, which `js/options.js` reads, but for those that make [stores](STORES).
const FACTORIES: &[(&str, Factory)] = &[
    ("createHLCClock", create_hlc_clock),
    ("createSyncEngine", create_sync_engine),
    ("createInProcessSyncTransport", create_in_process),
    ("createHttpSyncHandler", create_http_sync_handler),
    ("createHttpSyncServer", create_http_sync_server),
    ("createHttpSyncTransport", create_http_sync_transport),
    ("createHttpObjectStorage", create_http_object_storage),
];

/// What the functions in `js/` ask, besides what they ask about [timestamps].
const HELPERS: &[(&str, Function)] = &[("isStore", is_store), ("copyObject", copy_object)];

/// Adds `makeExports` to the addon's exports: given what `js/exports.js` hands in, it answers the package.
#[napi_derive::napi(module_exports)]
pub fn exports(exports: Object, raw_env: napi::Env) -> napi::Result<()> {
    let add = || {
        let env = Env::new(raw_env.raw())?;
        let scope = Scope::of(&env);
        let make = function(scope, "makeExports", |call| {
            // Each entry has its own.
            let env = Env::new(call.scope.raw_env())?;
            let exports = build_exports(Scope::of(&env), call.arg(0))?;
            Ok(call.scope.value(exports.raw()))
        })?;
        scope.set(scope.value(exports.raw()), "makeExports", make)
    };
    add().map_err(|error: Error| napi::Error::from_reason(error.to_string()))
}

fn build_exports<'s>(scope: Scope<'s>, entry: Value<'s>) -> Result<Value<'s>> {
    let create_waits = scope.get(entry, "createWaits")?;
    if scope.kind(create_waits)? != Kind::Function {
        let what = "is called by the package's own entries";
        return Err(invalid("makeExports", what));
    }
    set_up_waits(scope, create_waits)?;
    for (intrinsic, name) in Intrinsic::ALL {
        let value = scope.get(entry, name)?;
        if !scope.is_nullish(value)? {
            scope.set_intrinsic(*intrinsic, value)?;
        }
    }
    let remote = Arc::clone(&scope.env().remote);
    native_log::hear(Arc::new(move |message| remote.say(message)));
    let exports = scope.object()?;
    add_functions(scope, exports, FUNCTIONS)?;
    let factories = scope.object()?;
    for (name, create) in FACTORIES.iter().chain(STORES) {
        let factory = function(scope, name, |call| {
            create(call, &Options::new(call.scope, call.arg(0))?)
        })?;
        scope.set(factories, name, factory)?;
    }
    scope.set(exports, "factories", factories)?;
    let helpers = scope.object()?;
    add_functions(scope, helpers, HELPERS)?;
    add_functions(scope, helpers, timestamps::HELPERS)?;
    scope.set(exports, "helpers", helpers)?;
    Ok(exports)
}
