//! Setting up the border of an environment.

use std::rc::Rc;

use crate::binding::js::{Intrinsic, Realm, Scope, Value, function};
use crate::error::Result;

/// The border's functions of `js/bridge/`.
const FROM_BORDER: &[(&str, Intrinsic)] = &[
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
    ("emitApplied", Intrinsic::EmitApplied),
    ("textOf", Intrinsic::TextOf),
];

/// Sets up the border of an environment: `create` is `createBorder` of `js/bridge/index.js`.
pub fn set_up_border(scope: Scope<'_>, realm: &Rc<Realm>, create: Value<'_>) -> Result<()> {
    let settle = function(scope, realm, "settle", |call| {
        call.realm.executor.waits.settle(call)?;
        Ok(call.scope.nothing())
    })?;
    let lost = function(scope, realm, "lost", |call| {
        call.realm.executor.waits.lose(call);
        call.scope.undefined()
    })?;
    let native = scope.object()?;
    let [keys, slab] = realm.arrays(scope)?;
    for (name, value) in [
        ("settle", settle),
        ("lost", lost),
        ("keys", keys),
        ("slab", slab),
    ] {
        scope.set_named(native, name, value)?;
    }
    let border = scope.call(scope.undefined()?, create, &[native])?;
    for (name, intrinsic) in FROM_BORDER {
        realm.set_intrinsic(scope, *intrinsic, scope.get_named(border, name)?)?;
    }
    let part = |name| scope.get_named(border, name);
    let arrays = [part("desk")?, part("page")?, part("letters")?];
    realm.desk.set_up(scope, arrays)
}
