//! Timestamps and version vectors across the bridge.

use crate::error::Result;
use crate::node::runtime::{Argument, parse_json};
use crate::node::value::{Intrinsic, Scope, Value};
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::protocol::wire;

/// The numbers of a timestamp in what `js/bridge/stamps.js` answers.
const STRIDE: usize = 3;

/// What a timestamp must be.
pub const TIMESTAMP: &str = "a timestamp { wallTime, counter, nodeId }";

/// A timestamp, or `None` if the value is none: both numbers are non-negative safe integers and the node
/// id is a string.
pub fn read_hlc(scope: Scope<'_>, value: Value<'_>) -> Result<Option<Hlc>> {
    if !scope.is_object(value)? {
        return Ok(None);
    }
    let parts = ["wallTime", "counter", "nodeId"];
    let [wall_time, counter, node_id] = scope.pick(value, parts)?;
    let integer = |part| scope.as_number(part).and_then(safe_integer);
    let parts = integer(wall_time).zip(integer(counter));
    let parts = parts.zip(scope.as_text(node_id));
    Ok(parts.map(|((wall_time, counter), node_id)| Hlc::new(wall_time, counter, node_id)))
}

/// The timestamp that a value has under `key`, if there is one.
pub fn read_hlc_of(scope: Scope<'_>, value: Value<'_>, key: &str) -> Result<Option<Hlc>> {
    if scope.is_nullish(value)? {
        return Ok(None);
    }
    read_hlc(scope, scope.get(value, key)?)
}

/// A timestamp as an object.
pub fn write_hlc<'s>(scope: Scope<'s>, hlc: &Hlc) -> Result<Value<'s>> {
    let parts = [
        scope.count(hlc.wall_time)?,
        scope.count(hlc.counter)?,
        scope.string(&hlc.node_id)?,
    ];
    scope.helper(Intrinsic::StampOf, &parts)
}

/// Of the timestamps that the items of an array have under `field`, or that they are, those that are `wanted`, with
/// the indexes of their items; `None` for what is no timestamp.
///
/// Most of a page are not wanted: one timestamp of each node serves to look at them all.
pub fn wanted_hlcs(
    scope: Scope<'_>,
    (items, field): (Value<'_>, Option<&str>),
    mut wanted: impl FnMut(&Hlc) -> bool,
) -> Result<Vec<(u32, Option<Hlc>)>> {
    let field = match field {
        Some(field) => scope.text(field)?,
        None => scope.undefined()?,
    };
    let packed = scope.helper(Intrinsic::StampsOf, &[items, field])?;
    let count = scope.length(items)?;
    let numbers = scope.doubles(scope.element(packed, 0)?, count as usize * STRIDE);
    let mut of_nodes = scope.each(scope.element(packed, 1)?, |scope, name| {
        let name = scope.as_text(name).unwrap_or_else(|| Text::from(""));
        Ok(Hlc::new(0, 0, name))
    })?;
    let mut found = Vec::new();
    for (index, parts) in (0u32..).zip(numbers.chunks_exact(STRIDE)) {
        let [wall_time, counter, node] = [0, 1, 2].map(|part| safe_integer(parts[part]));
        let node = node.and_then(|node| of_nodes.get_mut(usize::try_from(node).ok()?));
        match (wall_time, counter, node) {
            (Some(wall_time), Some(counter), Some(hlc)) => {
                (hlc.wall_time, hlc.counter) = (wall_time, counter);
                if wanted(hlc) {
                    found.push((index, Some(hlc.clone())));
                }
            }
            _ => found.push((index, None)),
        }
    }
    Ok(found)
}

/// All timestamps that the items of an array have under `field`, or that they are; `None` where there is none.
pub fn read_hlcs(
    scope: Scope<'_>,
    items: Value<'_>,
    field: Option<&str>,
) -> Result<Vec<Option<Hlc>>> {
    let all = wanted_hlcs(scope, (items, field), |_| true)?;
    Ok(all.into_iter().map(|(_, hlc)| hlc).collect())
}

/// A version vector. `Err` says what is wrong with it.
pub fn read_watermarks(
    scope: Scope<'_>,
    value: Value<'_>,
) -> Result<std::result::Result<Watermarks, String>> {
    let marks = scope.helper(Intrinsic::MarksOf, &[value])?;
    let Some(json) = scope.as_string(marks) else {
        let wrong = scope.as_string(scope.element(marks, 0)?);
        return Ok(Err(wrong.unwrap_or_default()));
    };
    let marks: serde_json::Result<Watermarks> = serde_json::from_str(&json);
    Ok(marks.map_err(|error| error.to_string()))
}

/// A version vector as an object.
pub fn write_watermarks<'s>(scope: Scope<'s>, watermarks: &Watermarks) -> Result<Value<'s>> {
    parse_json(scope, &wire::write_watermarks(watermarks))
}

impl Argument for Hlc {
    fn to_js<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        write_hlc(scope, self)
    }
}

impl Argument for Watermarks {
    fn to_js<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        write_watermarks(scope, self)
    }
}
