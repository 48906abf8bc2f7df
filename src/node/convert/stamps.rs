//! Timestamps and version vectors across the bridge.

use crate::error::Result;
use crate::node::runtime::IntoJs;
use crate::node::value::{Intrinsic, Key, Kind, Scope, Value};
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;

/// A timestamp, or `None` if the value is none: both numbers are non-negative safe integers and the node
/// id is a string.
pub fn read_hlc(scope: Scope<'_>, value: Value<'_>) -> Result<Option<Hlc>> {
    if !matches!(scope.kind(value)?, Kind::Object | Kind::Function) {
        return Ok(None);
    }
    let wall_time = scope.get(value, Key::WallTime)?;
    let counter = scope.get(value, Key::Counter)?;
    let node_id = scope.interned(scope.get(value, Key::NodeId)?);
    let integer = |part| scope.as_number(part).and_then(safe_integer);
    let parts = integer(wall_time).zip(integer(counter)).zip(node_id);
    Ok(parts.map(|((wall_time, counter), node_id)| Hlc::new(wall_time, counter, node_id)))
}

/// The timestamp that a value has under `key`, if there is one.
pub fn read_hlc_of(scope: Scope<'_>, value: Value<'_>, key: Key) -> Result<Option<Hlc>> {
    if scope.is_nullish(value)? {
        return Ok(None);
    }
    read_hlc(scope, scope.get(value, key)?)
}

/// A timestamp as an object.
pub fn write_hlc<'s>(scope: Scope<'s>, hlc: &Hlc) -> Result<Value<'s>> {
    let object = scope.object()?;
    let wall_time = scope.count(hlc.wall_time)?;
    scope.set(object, Key::WallTime, wall_time)?;
    scope.set(object, Key::Counter, scope.count(hlc.counter)?)?;
    scope.set(object, Key::NodeId, scope.string(&hlc.node_id)?)?;
    Ok(object)
}

/// Of the timestamps that the items of an array have under `field`, or that they are, those that are `wanted`, with
/// the indexes of their items; `None` for what is no timestamp.
///
/// Most of a page are not wanted: one timestamp of each node serves to look at them all.
pub fn wanted_hlcs(
    scope: Scope<'_>,
    (items, field): (Value<'_>, Option<Key>),
    wanted: impl Fn(&Hlc) -> bool,
) -> Result<Vec<(u32, Option<Hlc>)>> {
    let field = match field {
        Some(field) => scope.key(field)?,
        None => scope.undefined()?,
    };
    let packed = scope.helper(Intrinsic::StampsOf, &[items, field])?;
    let numbers = scope.doubles(scope.element(packed, 0)?);
    let names = scope.element(packed, 1)?;
    let mut of_nodes = Vec::new();
    for index in 0..scope.length(names)? {
        let name = scope.interned(scope.element(names, index)?);
        of_nodes.push(Hlc::new(0, 0, name.unwrap_or_else(|| Text::from(""))));
    }
    let mut found = Vec::new();
    for (index, parts) in (0u32..).zip(numbers.chunks_exact(3)) {
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
    field: Option<Key>,
) -> Result<Vec<Option<Hlc>>> {
    let all = wanted_hlcs(scope, (items, field), |_| true)?;
    Ok(all.into_iter().map(|(_, hlc)| hlc).collect())
}

/// A version vector. `Err` says what is wrong with it.
pub fn read_watermarks(
    scope: Scope<'_>,
    value: Value<'_>,
) -> Result<std::result::Result<Watermarks, String>> {
    if scope.kind(value)? != Kind::Object || scope.is_array(value)? {
        let what = "watermarks must be an object of timestamps by nodeId";
        return Ok(Err(what.to_owned()));
    }
    let mut watermarks = Watermarks::default();
    let names = scope.own_names(value)?;
    for index in 0..scope.length(names)? {
        let wrong = scope.nested(|scope| {
            let name = scope.element(names, index)?;
            let hlc = read_hlc(scope, scope.property(value, name)?)?;
            let Some(node) = scope.interned(name) else {
                return Ok(None);
            };
            if hlc.is_none() {
                let node = node.to_string();
                return Ok(Some(format!(
                    "the watermark of {node:?} must be a timestamp"
                )));
            }
            watermarks.set(node, hlc);
            Ok(None)
        })?;
        if let Some(what) = wrong {
            return Ok(Err(what));
        }
    }
    Ok(Ok(watermarks))
}

/// A version vector as an object.
pub fn write_watermarks<'s>(scope: Scope<'s>, watermarks: &Watermarks) -> Result<Value<'s>> {
    let object = scope.object()?;
    for (node, hlc) in watermarks.iter() {
        scope.nested(|scope| {
            let hlc = write_hlc(scope, hlc)?;
            scope.define(object, scope.string(node)?, hlc)
        })?;
    }
    Ok(object)
}

impl IntoJs for Hlc {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        write_hlc(scope, &self)
    }
}

impl IntoJs for Watermarks {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        write_watermarks(scope, &self)
    }
}
