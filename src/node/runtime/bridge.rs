//! Setting up the bridge of an environment.

use std::rc::Rc;

use super::executor::Executor;
use crate::error::Result;
use crate::node::value::{Env, Intrinsic, Scope, Value, function};

/// The bridge's functions of `js/bridge/`.
const FROM_BRIDGE: &[(&str, Intrinsic)] = &[
    ("nodeNames", Intrinsic::NodeNames),
    ("numberOfName", Intrinsic::NumberOfName),
    ("packHlcs", Intrinsic::PackHlcs),
    ("pickAt", Intrinsic::PickAt),
    ("packHlc", Intrinsic::PackHlc),
    ("packWatermarks", Intrinsic::PackWatermarks),
    ("packPage", Intrinsic::PackPage),
    ("packRest", Intrinsic::PackRest),
    ("packRecord", Intrinsic::PackRecord),
    ("packRecordAt", Intrinsic::PackRecordAt),
    ("packAbilities", Intrinsic::PackAbilities),
    ("packNow", Intrinsic::PackNow),
    ("makeHlc", Intrinsic::MakeHlc),
    ("makeWatermarks", Intrinsic::MakeWatermarks),
    ("makeResult", Intrinsic::MakeResult),
    ("callMethod", Intrinsic::CallMethod),
    ("callWithHlc", Intrinsic::CallWithHlc),
    ("callWithWatermarks", Intrinsic::CallWithWatermarks),
    ("callWithQuery", Intrinsic::CallWithQuery),
    ("take", Intrinsic::Take),
    ("loosen", Intrinsic::Loosen),
    ("never", Intrinsic::Never),
    ("createEmit", Intrinsic::CreateEmit),
    ("createReconcile", Intrinsic::CreateReconcile),
    ("emitApplied", Intrinsic::EmitApplied),
    ("textOf", Intrinsic::TextOf),
];

/// Sets up the bridge of an environment: `create` is `createBridge` of `js/bridge/index.js`.
pub fn set_up_bridge(scope: Scope<'_>, env: &Rc<Env>, create: Value<'_>) -> Result<()> {
    let waits = Rc::clone(&Executor::of(env).waits);
    let settling = Rc::clone(&waits);
    let settle = function(scope, env, "settle", move |call| {
        settling.settle(call)?;
        Ok(call.scope.nothing())
    })?;
    let lost = function(scope, env, "lost", move |call| {
        waits.lose(call);
        call.scope.undefined()
    })?;
    let native = scope.object()?;
    let [keys, slab] = env.arrays(scope)?;
    for (name, value) in [
        ("settle", settle),
        ("lost", lost),
        ("keys", keys),
        ("slab", slab),
    ] {
        scope.set_named(native, name, value)?;
    }
    let bridge = scope.call(scope.undefined()?, create, &[native])?;
    for (name, intrinsic) in FROM_BRIDGE {
        env.set_intrinsic(scope, *intrinsic, scope.get_named(bridge, name)?)?;
    }
    let part = |name| scope.get_named(bridge, name);
    let arrays = [part("shared")?, part("page")?, part("letters")?];
    env.shared.set_up(scope, arrays)
}
