//! The helpers on watermarks and timestamps: what of them `js/watermarks.js` leaves to be decided here.

use std::collections::BTreeMap;

use super::convert::{TIMESTAMP, read_hlc, read_hlcs, read_watermarks, wanted_hlcs, write_hlc};
use super::error::invalid;
use super::runtime::IntoJs;
use super::value::{Call, Value};
use crate::error::Result;
use crate::protocol::hlc::safe_integer;
use crate::protocol::hlc::{Hlc, wins};
use crate::protocol::text::Text;

/// `isLater(wallTime, counter, nodeId, …)`: whether the first timestamp is later than the second, or the
/// second is none; `null` if the first is none.
pub fn is_later<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let stamp = |first: usize| {
        let integer = |index| call.scope.as_number(call.arg(index)).and_then(safe_integer);
        let node_id = call.scope.as_text(call.arg(first + 2))?;
        Some(Hlc::new(integer(first)?, integer(first + 1)?, node_id))
    };
    let is_later = stamp(0).map(|incoming| wins(&incoming, stamp(3).as_ref()));
    is_later.into_js(call.scope)
}

/// `selectUnseen(records, watermarks)`: those that are unseen, or the index of one without a timestamp.
pub fn select_unseen<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, records) = (call.scope, call.arg(0));
    let watermarks = read_watermarks(scope, call.arg(1))?
        .map_err(|what| invalid("selectUnseen(watermarks)", &what))?;
    let zero = Hlc::zero();
    let is_unseen = |hlc: &Hlc| hlc > watermarks.get(&hlc.node_id).unwrap_or(&zero);
    let unseen = scope.array()?;
    let wanted = wanted_hlcs(scope, (records, Some("updatedAt")), is_unseen)?;
    for (at, (index, hlc)) in (0u32..).zip(wanted) {
        if hlc.is_none() {
            return index.into_js(scope);
        }
        scope.nested(|scope| scope.set_element(unseen, at, scope.element(records, index)?))?;
    }
    Ok(unseen)
}

/// `newestOf(items, field)`: per node the greatest timestamp that the items of an array have under `field`, the first of
/// equal ones, and the object itself; or the index of an item without one.
pub fn newest_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, items) = (call.scope, call.arg(0));
    let field = scope.as_string(call.arg(1)).unwrap_or_default();
    let mut newest: BTreeMap<Text, (u32, Hlc)> = BTreeMap::new();
    for (index, stamp) in (0u32..).zip(read_hlcs(scope, items, Some(&field))?) {
        let Some(hlc) = stamp else {
            return index.into_js(scope);
        };
        let stands = newest.get(&hlc.node_id).map(|(_, stands)| stands);
        if wins(&hlc, stands) {
            newest.insert(hlc.node_id.clone(), (index, hlc));
        }
    }
    let watermarks = scope.object()?;
    for (node, (index, _)) in &newest {
        let stamp = scope.get(scope.element(items, *index)?, &field)?;
        scope.define(watermarks, scope.string(node)?, stamp)?;
    }
    Ok(watermarks)
}

fn hlc_arg(call: &Call<'_>, index: usize, argument: &str) -> Result<Hlc> {
    let (scope, value) = (call.scope, call.arg(index));
    read_hlc(scope, value)?.ok_or_else(|| scope.must_be(argument, TIMESTAMP, value))
}

/// `compareHLC(a, b)`: negative, zero or positive.
pub fn compare_hlc<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let order = hlc_arg(call, 0, "compareHLC(a)")?.cmp(&hlc_arg(call, 1, "compareHLC(b)")?);
    call.scope.number(f64::from(order as i8))
}

/// `serializeHLC(hlc)`
pub fn serialize_hlc<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let hlc = hlc_arg(call, 0, "serializeHLC(hlc)")?;
    hlc.to_text().into_js(call.scope)
}

/// `deserializeHLC(text)`
pub fn deserialize_hlc<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, given) = (call.scope, call.arg(0));
    let text = scope.as_text(given);
    let text = text.ok_or_else(|| scope.must_be_some("deserializeHLC(text)", "a string", given))?;
    write_hlc(scope, &Hlc::parse_text(&text)?)
}
