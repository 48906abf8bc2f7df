//! Timestamps and version vectors across the bridge.

use crate::error::Result;
use crate::node::value::{Env, Intrinsic, Key, NumberedNames, Scope, SharedBuffer, Slot, Value};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::watermarks::Watermarks;

/// A timestamp, or `None` if the value is none: both numbers are non-negative safe integers and the node
/// id is a string.
pub fn read_hlc(scope: Scope<'_>, env: &Env, value: Value<'_>) -> Result<Option<Hlc>> {
    read_one(scope, env, value, None)
}

/// The timestamp that a value has under `key`, if there is one.
pub fn read_hlc_of(scope: Scope<'_>, env: &Env, value: Value<'_>, key: Key) -> Result<Option<Hlc>> {
    read_one(scope, env, value, Some(key))
}

fn read_one(
    scope: Scope<'_>,
    env: &Env,
    value: Value<'_>,
    key: Option<Key>,
) -> Result<Option<Hlc>> {
    env.shared.put_key(key);
    env.helper(scope, Intrinsic::PackHlc, &[value])?;
    let stamp = env.shared.from(Slot::First, NumberedNames::STRIDE);
    env.with_names(scope, |names| names.hlc_at(stamp))
}

/// A timestamp as an object.
pub fn write_hlc<'s>(scope: Scope<'s>, env: &Env, hlc: &Hlc) -> Result<Value<'s>> {
    env.put_hlc(scope, 0, hlc)?;
    env.helper(scope, Intrinsic::MakeHlc, &[])
}

/// The timestamps that the items of an array have under `field`, or that they are; `None` where there is
/// none.
pub fn read_hlcs(
    scope: Scope<'_>,
    env: &Env,
    items: Value<'_>,
    field: Option<Key>,
) -> Result<Vec<Option<Hlc>>> {
    let (apart, length) = pack_hlcs(scope, env, items, field)?;
    let numbers = env
        .shared
        .list(scope, apart, NumberedNames::STRIDE * length)?;
    env.with_names(scope, |names| {
        let stamps = numbers.chunks_exact(NumberedNames::STRIDE);
        stamps.map(|stamp| names.hlc_at(stamp)).collect()
    })
}

/// Lays the timestamps of an array's items down; they lie on the page or apart. Answers how many there are.
fn pack_hlcs<'s>(
    scope: Scope<'s>,
    env: &Env,
    items: Value<'s>,
    field: Option<Key>,
) -> Result<(Value<'s>, usize)> {
    let length = scope.length(items)? as usize;
    env.shared.put_key(field);
    let apart = env.helper(scope, Intrinsic::PackHlcs, &[items])?;
    Ok((apart, length))
}

/// Of so many timestamps, which lie on the page or apart, those that are wanted, with their index; `None`
/// for what is no timestamp.
pub fn wanted_hlcs<'s>(
    scope: Scope<'s>,
    env: &Env,
    (apart, length): (Value<'s>, usize),
    wanted: impl Fn(&Hlc) -> bool,
) -> Result<Vec<(u32, Option<Hlc>)>> {
    let numbers = env
        .shared
        .list(scope, apart, NumberedNames::STRIDE * length)?;
    env.with_names(scope, |names| names.wanted_hlcs(numbers, wanted))
}

/// The items of an array whose timestamps under `field` are `wanted`, as an array. `Err` is the index of one
/// that has no timestamp.
pub fn pick_wanted<'s>(
    scope: Scope<'s>,
    env: &Env,
    (items, field): (Value<'s>, Key),
    wanted: impl Fn(&Hlc) -> bool,
) -> Result<std::result::Result<Value<'s>, u32>> {
    let (apart, length) = pack_hlcs(scope, env, items, Some(field))?;
    let found = wanted_hlcs(scope, env, (apart, length), wanted)?;
    if let Some((index, _)) = found.iter().find(|(_, hlc)| hlc.is_none()) {
        return Ok(Err(*index));
    }
    // The timestamps have been read: the indexes take their place.
    let numbers = env.shared.list(scope, apart, length)?;
    let mut count = 0u32;
    for (number, (index, _)) in numbers.iter().zip(&found) {
        number.set(f64::from(*index));
        count += 1;
    }
    env.shared.put(Slot::Count, f64::from(count));
    env.helper(scope, Intrinsic::PickAt, &[items, apart])
        .map(Ok)
}

/// Numbers of an entry of watermarks: that of the name it stands under, and the timestamp's three.
const ENTRY_STRIDE: usize = 4;

const ENTRIES_ON_DESK: usize = SharedBuffer::ROOM / ENTRY_STRIDE;

/// A version vector. `Err` says what is wrong with it.
pub fn read_watermarks(
    scope: Scope<'_>,
    env: &Env,
    value: Value<'_>,
) -> Result<std::result::Result<Watermarks, String>> {
    let apart = env.helper(scope, Intrinsic::PackWatermarks, &[value])?;
    let Some(count) = env.shared.count(Slot::Count) else {
        let what = "watermarks must be an object of timestamps by nodeId";
        return Ok(Err(what.to_owned()));
    };
    let numbers = env.shared.list(scope, apart, ENTRY_STRIDE * count)?;
    env.with_names(scope, |names| {
        let mut watermarks = Watermarks::default();
        for entry in numbers.chunks_exact(ENTRY_STRIDE) {
            let Some(node) = names.name(entry[0].get()) else {
                continue;
            };
            let Some(hlc) = names.hlc_at(&entry[1..]) else {
                let node = node.to_string();
                return Err(format!("the watermark of {node:?} must be a timestamp"));
            };
            watermarks.set(node.clone(), Some(hlc));
        }
        Ok(watermarks)
    })
}

/// A version vector as an object.
pub fn write_watermarks<'s>(
    scope: Scope<'s>,
    env: &Env,
    watermarks: &Watermarks,
) -> Result<Value<'s>> {
    let object = scope.object()?;
    let mut entries = watermarks.iter().peekable();
    while entries.peek().is_some() {
        put_entries(scope, env, entries.by_ref().take(ENTRIES_ON_DESK))?;
        env.helper(scope, Intrinsic::MakeWatermarks, &[object])?;
    }
    Ok(object)
}

/// Lays a version vector down; `false` where it does not fit.
pub fn put_watermarks(scope: Scope<'_>, env: &Env, watermarks: &Watermarks) -> Result<bool> {
    if watermarks.len() > ENTRIES_ON_DESK {
        return Ok(false);
    }
    put_entries(scope, env, watermarks.iter())?;
    Ok(true)
}

fn put_entries<'w>(
    scope: Scope<'_>,
    env: &Env,
    entries: impl Iterator<Item = (&'w NodeId, &'w Hlc)>,
) -> Result<()> {
    let mut count = 0u32;
    for (node, hlc) in entries {
        let at = count as usize * ENTRY_STRIDE;
        let name = env.number_of(scope, node)?;
        env.shared.put_after(Slot::First, at, name);
        env.put_hlc(scope, at + 1, hlc)?;
        count += 1;
    }
    env.shared.put(Slot::Count, f64::from(count));
    Ok(())
}
