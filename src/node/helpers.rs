//! The helpers on watermarks and timestamps.

use std::collections::BTreeMap;

use super::convert::{read_hlc, read_hlcs, read_watermarks, wanted_hlcs, write_hlc};
use super::error::{invalid, must_be, to_js, warn};
use super::value::{Call, Intrinsic, Key, Kind, Scope, Thrown, Value};
use crate::error::{Error, Result};
use crate::protocol::hlc::safe_integer;
use crate::protocol::hlc::{Hlc, wins};
use crate::protocol::text::Text;

/// What a timestamp must be.
pub const TIMESTAMP: &str = "a timestamp { wallTime, counter, nodeId }";

const WATERMARKS: &str = "an object of timestamps by nodeId";

fn hlc_arg(call: &Call<'_>, index: usize, argument: &str) -> Result<Hlc> {
    read_hlc(call.scope, call.arg(index))?
        .ok_or_else(|| must_be(argument, TIMESTAMP, &call.scope.describe(call.arg(index))))
}

/// The own entry of a map under `name`, where there is one and it is a timestamp.
fn entry<'s>(call: &Call<'s>, map: Value<'s>, name: Value<'s>) -> Result<Option<(Value<'s>, Hlc)>> {
    let scope = call.scope;
    if scope.kind(map)? != Kind::Object {
        return Err(must_be("watermarks", WATERMARKS, &scope.describe_kind(map)));
    }
    if !scope.has_own(map, name)? {
        return Ok(None);
    }
    let value = scope.property(map, name)?;
    Ok(read_hlc(scope, value)?.map(|hlc| (value, hlc)))
}

/// `isLater(wallTime, counter, nodeId, …)`: whether the first timestamp is later than the second, or the
/// second is none.
pub fn is_later<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let stamp = |first: usize| {
        let integer = |index| call.scope.as_number(call.arg(index)).and_then(safe_integer);
        let node_id = call.scope.interned(call.arg(first + 2))?;
        Some(Hlc::new(integer(first)?, integer(first + 1)?, node_id))
    };
    let incoming = stamp(0).ok_or_else(|| {
        let part = |index| call.scope.describe(call.arg(index));
        let got = format!(
            "{{ wallTime: {}, counter: {}, nodeId: {} }}",
            part(0),
            part(1),
            part(2)
        );
        must_be("advanceWatermark(hlc)", TIMESTAMP, &got)
    })?;
    call.scope.boolean(wins(&incoming, stamp(3).as_ref()))
}

/// `mergeWatermarks(into, incoming)`
pub fn merge_watermarks<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let merged = scope.object()?;
    for (map, argument) in [(call.arg(0), "into"), (call.arg(1), "incoming")] {
        if scope.kind(map)? != Kind::Object {
            let got = scope.describe_kind(map);
            return Err(must_be(
                &format!("mergeWatermarks({argument})"),
                WATERMARKS,
                &got,
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
        let got = scope.describe_kind(map);
        return Err(must_be("watermarkFor(watermarks)", WATERMARKS, &got));
    }
    if scope.has_own(map, name)? {
        let value = scope.property(map, name)?;
        if !scope.is_nullish(value)? {
            return Ok(value);
        }
    }
    scope.intrinsic(Intrinsic::ZeroHlc)
}

/// `selectUnseen(records, watermarks)`
pub fn select_unseen<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, records) = (call.scope, call.arg(0));
    if !scope.is_array(records)? {
        let got = scope.describe_kind(records);
        return Err(must_be(
            "selectUnseen(records)",
            "an array of records",
            &got,
        ));
    }
    let watermarks = read_watermarks(scope, call.arg(1))?
        .map_err(|what| invalid("selectUnseen(watermarks)", &what))?;
    let zero = Hlc::zero();
    let is_unseen = |hlc: &Hlc| hlc > watermarks.get(&hlc.node_id).unwrap_or(&zero);
    let field = Key::UpdatedAt;
    let unseen = scope.array()?;
    for (at, (index, hlc)) in (0u32..).zip(wanted_hlcs(scope, (records, Some(field)), is_unseen)?) {
        if hlc.is_none() {
            return Err(no_stamp(call, "selectUnseen(records", index, field)?);
        }
        scope.nested(|scope| scope.set_element(unseen, at, scope.element(records, index)?))?;
    }
    Ok(unseen)
}

/// `computeRecordWatermarks(records)`, of an array.
pub fn record_watermarks<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    newest_of(call, "computeRecordWatermarks(records", Key::UpdatedAt)
}

/// `computeAppSyncableWatermarks(rows)`, of an array.
pub fn row_watermarks<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    newest_of(call, "computeAppSyncableWatermarks(rows", Key::Timestamp)
}

/// Per node the greatest timestamp that the items of an array have under `field`: the first of equal ones, and
/// the object itself.
fn newest_of<'s>(call: &Call<'s>, argument: &str, field: Key) -> Result<Value<'s>> {
    let (scope, items) = (call.scope, call.arg(0));
    let mut newest: BTreeMap<Text, (u32, Hlc)> = BTreeMap::new();
    for (index, stamp) in (0u32..).zip(read_hlcs(scope, items, Some(field))?) {
        let Some(hlc) = stamp else {
            return Err(no_stamp(call, argument, index, field)?);
        };
        let stands = newest.get(&hlc.node_id).map(|(_, stands)| stands);
        if wins(&hlc, stands) {
            newest.insert(hlc.node_id.clone(), (index, hlc));
        }
    }
    let watermarks = scope.object()?;
    for (node, (index, _)) in &newest {
        let stamp = scope.get(scope.element(items, *index)?, field)?;
        scope.define(watermarks, scope.string(node)?, stamp)?;
    }
    Ok(watermarks)
}

/// That an item of the array that is the first argument has no timestamp.
fn no_stamp(call: &Call<'_>, argument: &str, index: u32, field: Key) -> Result<Error> {
    let scope = call.scope;
    let item = scope.element(call.arg(0), index)?;
    Ok(match scope.kind(item)? {
        Kind::Object => {
            let got = scope.describe(scope.get(item, field)?);
            must_be(
                &format!("{argument}[{index}].{})", field.name()),
                TIMESTAMP,
                &got,
            )
        }
        _ => must_be(
            &format!("{argument}[{index}])"),
            "an object",
            &scope.describe_kind(item),
        ),
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
    let text = text.ok_or_else(|| {
        let got = call.scope.describe_kind(call.arg(0));
        must_be("deserializeHLC(text)", "a string", &got)
    })?;
    write_hlc(call.scope, &Hlc::parse_text(&text)?)
}

/// The zero timestamp, as a frozen object.
pub fn zero_hlc(scope: Scope<'_>) -> Result<Value<'_>> {
    let zero = write_hlc(scope, &Hlc::zero())?;
    let object = scope.get_named(scope.global()?, "Object")?;
    scope.call(object, scope.get_named(object, "freeze")?, &[zero])
}

/// `mustBe(option, what, value, hides)`: the error of an argument that is not what it must be. One that `hides` shows
/// no more than what kind of value it got.
pub fn must_be_error<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let text = |index| {
        let text = scope.as_text(call.arg(index));
        text.map(|text| text.to_string()).unwrap_or_default()
    };
    let got = if scope.is_truthy(call.arg(3)) {
        scope.describe_kind(call.arg(2))
    } else {
        scope.describe(call.arg(2))
    };
    to_js(scope, &must_be(&text(0), &text(1), &got))
}

/// `listenerThrew(error)`: warns of it.
pub fn listener_threw<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let error = Thrown::kept(call.scope.keep(call.arg(0))?, "a change listener");
    warn(call.env, "a change listener threw", Some(&error));
    call.scope.undefined()
}

/// `describe(value)`: the value, if it is short, or what kind of value it is.
pub fn describe<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    call.scope.text(&call.scope.describe(call.arg(0)))
}

/// `isPromise(value)`: whether it is a promise of the language, of whichever global object.
pub fn is_promise<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    call.scope.boolean(call.scope.is_promise(call.arg(0)))
}

/// `warn(message)`
pub fn warn_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let message = call.scope.as_text(call.arg(0));
    let message = message.map(|message| message.to_string());
    warn(call.env, &message.unwrap_or_default(), None);
    call.scope.undefined()
}
