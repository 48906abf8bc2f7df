//! The helpers on watermarks and timestamps.

use super::convert::{pick_wanted, read_hlc, read_watermarks, write_hlc};
use super::error::invalid;
use super::js::{Call, Intrinsic, Key, Kind, Realm, Scope, Value};
use crate::error::Result;
use crate::protocol::hlc::safe_integer;
use crate::protocol::hlc::{Hlc, wins};

fn hlc_arg(call: &Call<'_>, index: usize, argument: &str) -> Result<Hlc> {
    read_hlc(call.scope, call.realm, call.arg(index))?
        .ok_or_else(|| invalid(argument, "is a timestamp { wallTime, counter, nodeId }"))
}

/// The own entry of a map under `name`, where there is one and it is a timestamp.
fn entry<'s>(call: &Call<'s>, map: Value<'s>, name: Value<'s>) -> Result<Option<(Value<'s>, Hlc)>> {
    let scope = call.scope;
    if scope.kind(map)? != Kind::Object {
        return Err(invalid(
            "watermarks",
            "is an object of timestamps by nodeId",
        ));
    }
    if !scope.has_own(map, name)? {
        return Ok(None);
    }
    let value = scope.property(map, name)?;
    Ok(read_hlc(scope, call.realm, value)?.map(|hlc| (value, hlc)))
}

/// `isLater(wallTime, counter, nodeId, …)`: whether the first timestamp is later than the second, or the
/// second is none.
pub fn is_later<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let stamp = |first: usize| {
        let integer = |index| call.scope.as_number(call.arg(index)).and_then(safe_integer);
        let node_id = call.realm.interned(call.scope, call.arg(first + 2))?;
        Some(Hlc::new(integer(first)?, integer(first + 1)?, node_id))
    };
    let incoming = stamp(0).ok_or_else(|| {
        invalid(
            "advanceWatermark(hlc)",
            "is a timestamp { wallTime, counter, nodeId }",
        )
    })?;
    call.scope.boolean(wins(&incoming, stamp(3).as_ref()))
}

/// `mergeWatermarks(into, incoming)`
pub fn merge_watermarks<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let merged = scope.object()?;
    for map in [call.arg(0), call.arg(1)] {
        if scope.kind(map)? != Kind::Object {
            return Err(invalid(
                "mergeWatermarks",
                "takes two objects of timestamps by nodeId",
            ));
        }
        let names = scope.own_names(map)?;
        for index in 0..scope.length(names)? {
            let name = scope.element(names, index)?;
            let Some((value, hlc)) = entry(call, map, name)? else {
                continue;
            };
            let stands = entry(call, merged, name)?;
            if stands.is_none_or(|(_, stands)| hlc > stands) {
                scope.define(merged, name, value)?;
            }
        }
    }
    Ok(merged)
}

/// `watermarkFor(watermarks, nodeId)`
pub fn watermark_for<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, map, name) = (call.scope, call.arg(0), call.arg(1));
    if scope.kind(map)? != Kind::Object {
        return Err(invalid(
            "watermarkFor(watermarks)",
            "is an object of timestamps by nodeId",
        ));
    }
    if scope.has_own(map, name)? {
        let value = scope.property(map, name)?;
        if !scope.is_nullish(value)? {
            return Ok(value);
        }
    }
    call.realm.intrinsic(scope, Intrinsic::ZeroHlc)
}

/// `selectUnseen(records, watermarks)`
pub fn select_unseen<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, realm, records) = (call.scope, call.realm, call.arg(0));
    if !scope.is_array(records)? {
        return Err(invalid("selectUnseen(records)", "is an array of records"));
    }
    let watermarks = read_watermarks(scope, realm, call.arg(1))?
        .map_err(|what| invalid("selectUnseen(watermarks)", &what))?;
    let zero = Hlc::zero();
    let is_unseen = |hlc: &Hlc| hlc > watermarks.get(&hlc.node_id).unwrap_or(&zero);
    pick_wanted(scope, realm, (records, Key::UpdatedAt), is_unseen)?.map_err(|index| {
        invalid(
            &format!("selectUnseen(records[{index}].updatedAt)"),
            "is no timestamp",
        )
    })
}

/// `compareHLC(a, b)`: negative, zero or positive.
pub fn compare_hlc<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let order = hlc_arg(call, 0, "compareHLC(a)")?.cmp(&hlc_arg(call, 1, "compareHLC(b)")?);
    call.scope.number(f64::from(order as i8))
}

/// `serializeHLC(hlc)`
pub fn serialize_hlc<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let hlc = hlc_arg(call, 0, "serializeHLC(hlc)")?;
    call.scope.string(&hlc.to_text())
}

/// `deserializeHLC(text)`
pub fn deserialize_hlc<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let text = call.scope.as_text(call.arg(0));
    let text = text.ok_or_else(|| invalid("deserializeHLC(text)", "is a string"))?;
    write_hlc(call.scope, call.realm, &Hlc::parse_text(&text)?)
}

/// The zero timestamp, as a frozen object.
pub fn zero_hlc<'s>(scope: Scope<'s>, realm: &Realm) -> Result<Value<'s>> {
    let zero = write_hlc(scope, realm, &Hlc::zero())?;
    let object = scope.get_named(scope.global()?, "Object")?;
    scope.call(object, scope.get_named(object, "freeze")?, &[zero])
}
