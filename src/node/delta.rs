//! What `js/sqlite/` asks about timestamps that lie in an app's own database.
//!
//! The statements run where the app's handle is, in JavaScript. Which timestamp is greater, which rows
//! make a page and what an error of `SQLite` means is decided here, in batches, by the same code that
//! decides it for the native stores.

use std::cell::RefCell;
use std::rc::Rc;

use super::convert::{read_hlcs, read_watermarks, write_hlc, write_watermarks};
use super::error::{Thrown, invalid, must_be, to_js};
use super::helpers;
use super::value::{Call, Function, Key, Kind, Scope, Value, function};
use crate::error::Result;
use crate::protocol::delta::{Ask, Selection};
use crate::protocol::hlc::safe_integer;
use crate::protocol::hlc::{Hlc, text_floor, wins};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::sqlite::{FieldKind, fault_of_code, fields_of_columns, ignored, is_of_one_row};

/// The helpers, by name.
pub const HELPERS: &[(&str, Function)] = &[
    ("mustBe", helpers::must_be_error),
    ("checkOptions", helpers::check_options),
    ("choosePage", choose_page),
    ("newestOf", newest_of),
    ("winners", winners),
    ("sameTimes", same_times),
    ("textsOf", texts_of),
    ("timesOf", times_of),
    ("floorOf", floor_of),
    ("rowsBetween", rows_between),
    ("columnsOf", columns_of),
    ("sqliteFault", sqlite_fault),
    ("sqliteIgnored", sqlite_ignored),
    ("brandLog", super::adapters::brand_log),
    ("compareBodies", super::adapters::compare_bodies),
];

fn time(scope: Scope<'_>, value: Value<'_>) -> Option<Hlc> {
    Hlc::parse_text(&scope.as_text(value)?).ok()
}

/// The timestamps that an array of texts spells, `None` where one spells none.
fn times(scope: Scope<'_>, texts: Value<'_>) -> Result<Vec<Option<Hlc>>> {
    if !scope.is_array(texts)? {
        return Ok(Vec::new());
    }
    (0..scope.length(texts)?)
        .map(|index| Ok(time(scope, scope.element(texts, index)?)))
        .collect()
}

/// What is being chosen: rows are known by the order in which they were offered.
struct Choice {
    ask: Ask,
    page: Selection<u32>,
    offered: u32,
}

/// `choosePage(watermarks, limit)`: `{ floor(node), offer(texts, inOrder), finish() }`.
fn choose_page<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let seen = read_watermarks(scope, env, call.arg(0))?
        .map_err(|what| invalid("queryUnseen(watermarks)", &what))?;
    let limit = scope.as_number(call.arg(1)).and_then(safe_integer);
    let limit = limit
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| *limit > 0);
    let limit = limit.ok_or_else(|| {
        let got = scope.describe(call.arg(1));
        must_be("queryUnseen(limit)", "an integer from 1", &got)
    })?;
    let choice = Rc::new(RefCell::new(Choice {
        ask: Ask {
            seen,
            limit,
            ..Ask::default()
        },
        page: Selection::new(limit),
        offered: 0,
    }));
    let object = scope.object()?;
    let of_floor = Rc::clone(&choice);
    let floor = function(scope, env, "floor", move |call| {
        let node = call.scope.as_text(call.arg(0));
        let choice = of_floor.borrow();
        match text_floor(node.and_then(|node| choice.ask.seen.get(&node))) {
            Some(floor) => call.scope.text(&floor),
            None => call.scope.null(),
        }
    })?;
    scope.set_named(object, "floor", floor)?;
    let of_offer = Rc::clone(&choice);
    let offer = function(scope, env, "offer", move |call| {
        let in_order = call.scope.as_boolean(call.arg(1)).unwrap_or(false);
        let times = times(call.scope, call.arg(0))?;
        let goes_on = of_offer.borrow_mut().offer(times, in_order);
        call.scope.boolean(goes_on)
    })?;
    scope.set_named(object, "offer", offer)?;
    let finish = function(scope, env, "finish", move |call| {
        let page = std::mem::replace(&mut choice.borrow_mut().page, Selection::new(1));
        let (chosen, more) = page.finish().into_items();
        let rows = numbers(call.scope, chosen.into_iter().map(|(_, row)| row))?;
        let answer = call.scope.object()?;
        call.scope.set_named(answer, "rows", rows)?;
        call.scope
            .set_named(answer, "hasMore", call.scope.boolean(more)?)?;
        Ok(answer)
    })?;
    scope.set_named(object, "finish", finish)?;
    Ok(object)
}

impl Choice {
    /// Whether a later row could still get a place, if they come in the order of timestamps.
    fn offer(&mut self, times: Vec<Option<Hlc>>, in_order: bool) -> bool {
        let first = self.offered;
        self.offered += u32::try_from(times.len()).unwrap_or(u32::MAX);
        for (row, hlc) in (first..).zip(times) {
            let Some(hlc) = hlc.filter(|hlc| self.ask.wants(hlc)) else {
                continue;
            };
            if !self.page.admits(&hlc) {
                if in_order {
                    return false;
                }
                continue;
            }
            self.page.offer(hlc, row);
        }
        true
    }
}

fn numbers(scope: Scope<'_>, items: impl IntoIterator<Item = u32>) -> Result<Value<'_>> {
    let array = scope.array()?;
    for (at, number) in (0u32..).zip(items) {
        scope.set_element(array, at, scope.count(u64::from(number))?)?;
    }
    Ok(array)
}

/// `newestOf(texts)`: per node the greatest of these timestamps. What is none belongs to no node.
fn newest_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let mut marks = Watermarks::default();
    for hlc in times(call.scope, call.arg(0))?.iter().flatten() {
        marks.advance(hlc);
    }
    write_watermarks(call.scope, call.env, &marks)
}

/// `winners(incoming, field, stored)`: for each item whether it replaces what is stored, as a text or
/// nothing; `null` where the item has no timestamp.
fn winners<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    compare(call, wins)
}

/// `sameTimes(items, field, stored)`: for each item whether it has the timestamp of this text.
fn same_times<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    compare(call, |item, stored| Some(item) == stored)
}

fn compare<'s>(call: &Call<'s>, holds: impl Fn(&Hlc, Option<&Hlc>) -> bool) -> Result<Value<'s>> {
    let scope = call.scope;
    let incoming = read_hlcs(scope, call.env, call.arg(0), field(call)?)?;
    let stored = times(scope, call.arg(2))?;
    let verdicts = scope.array()?;
    for (index, (incoming, stored)) in (0u32..).zip(incoming.iter().zip(stored)) {
        let verdict = match incoming {
            Some(incoming) => scope.boolean(holds(incoming, stored.as_ref()))?,
            None => scope.null()?,
        };
        scope.set_element(verdicts, index, verdict)?;
    }
    Ok(verdicts)
}

/// The second argument: the field under which the timestamps lie.
fn field(call: &Call<'_>) -> Result<Option<Key>> {
    let name = call.scope.as_text(call.arg(1)).map(|name| name.to_string());
    match name.as_deref() {
        Some("updatedAt") => Ok(Some(Key::UpdatedAt)),
        Some("deletedAt") => Ok(Some(Key::DeletedAt)),
        Some("timestamp") => Ok(Some(Key::Timestamp)),
        None => Ok(None),
        Some(other) => Err(invalid("sqlite-delta", &format!("knows no field {other}"))),
    }
}

/// `textsOf(items, field)`: the text forms, `null` where there is no timestamp.
fn texts_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let texts = scope.array()?;
    let times = read_hlcs(scope, call.env, call.arg(0), field(call)?)?;
    for (index, hlc) in (0u32..).zip(times) {
        call.env.scope(|scope| {
            let text = match hlc {
                Some(hlc) => scope.string(&hlc.to_text())?,
                None => scope.null()?,
            };
            scope.set_element(texts, index, text)
        })?;
    }
    Ok(texts)
}

/// `timesOf(texts)`: the timestamps, `null` where a text spells none.
fn times_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let answer = scope.array()?;
    for (index, hlc) in (0u32..).zip(times(scope, call.arg(0))?) {
        call.env.scope(|scope| {
            let value = match hlc {
                Some(hlc) => write_hlc(scope, call.env, &hlc)?,
                None => scope.null()?,
            };
            scope.set_element(answer, index, value)
        })?;
    }
    Ok(answer)
}

/// `floorOf(text)`: where in text order the usual rows begin that may be later than this timestamp, `null`
/// if none can be, `undefined` if it is no timestamp.
fn floor_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    match time(call.scope, call.arg(0)) {
        None => call.scope.undefined(),
        Some(hlc) => match text_floor(Some(&hlc)) {
            Some(floor) => call.scope.text(&floor),
            None => call.scope.null(),
        },
    }
}

/// `rowsBetween(texts, since, after, upto)`: which of these timestamps, in their order, are later than
/// `since` and in a later moment than `after`, and in no later moment than `upto`. A moment is a
/// wall time and a counter. What is `null` bounds nothing.
fn rows_between<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let bound = |index| time(scope, call.arg(index));
    let (since, after, upto) = (bound(1), bound(2), bound(3));
    let moment = |hlc: &Hlc| (hlc.wall_time, hlc.counter);
    let mut found: Vec<(Hlc, u32)> = (0u32..)
        .zip(times(scope, call.arg(0))?)
        .filter_map(|(row, hlc)| Some((hlc?, row)))
        .filter(|(hlc, _)| since.as_ref().is_none_or(|since| hlc > since))
        .filter(|(hlc, _)| {
            let (after, upto) = (after.as_ref().map(moment), upto.as_ref().map(moment));
            after.is_none_or(|after| moment(hlc) > after)
                && upto.is_none_or(|end| moment(hlc) <= end)
        })
        .collect();
    found.sort();
    numbers(scope, found.into_iter().map(|(_, row)| row))
}

/// `columnsOf(names)`: for each column `{ field, kind }`, or `null` where it is not clear.
fn columns_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, names) = (call.scope, call.arg(0));
    let mut columns = Vec::new();
    for index in 0..scope.length(names)? {
        let name = scope.as_text(scope.element(names, index)?);
        columns.push(name.unwrap_or_else(|| Text::from("")).to_string());
    }
    let answer = scope.array()?;
    for (index, column) in (0u32..).zip(fields_of_columns(&columns)) {
        let Some((field, kind)) = column else {
            scope.set_element(answer, index, scope.null()?)?;
            continue;
        };
        let object = scope.object()?;
        let kind = match kind {
            FieldKind::Text => "text",
            FieldKind::Integer => "integer",
            FieldKind::Time => "time",
            FieldKind::Foreign => "foreign",
        };
        scope.set_named(object, "field", scope.text(&field)?)?;
        scope.set_named(object, "kind", scope.text(kind)?)?;
        scope.set_element(answer, index, object)?;
    }
    Ok(answer)
}

/// `sqliteIgnored(operation, row)`: the error where a statement that must change the row has changed none.
fn sqlite_ignored<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let text = |index| {
        let text = call.scope.as_text(call.arg(index));
        text.map(|text| text.to_string()).unwrap_or_default()
    };
    to_js(call.scope, call.env, &ignored(text(0), &text(1)))
}

/// `sqliteFault(operation, code, message, thrown, row)`: `{ error, ofOneRow }` for what `node:sqlite` threw;
/// `row` names the row that it was about.
fn sqlite_fault<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let text = |index| {
        let text = scope.as_text(call.arg(index));
        text.map(|text| text.to_string()).unwrap_or_default()
    };
    #[allow(
        clippy::cast_possible_truncation,
        reason = "result codes are small integers"
    )]
    let code = scope.as_number(call.arg(1)).unwrap_or(1.0) as i32;
    let row = scope.as_text(call.arg(4)).map(|row| row.to_string());
    let fault = fault_of_code(text(0), code, &text(2), row.as_deref());
    let answer = scope.object()?;
    let of_one_row = scope.boolean(is_of_one_row(&fault))?;
    let error = match scope.kind(call.arg(3))? {
        Kind::Object => {
            let thrown = env.keep(scope, call.arg(3))?;
            fault.caused_by(Thrown::new(thrown))
        }
        _ => fault,
    };
    scope.set_named(answer, "error", to_js(scope, env, &error)?)?;
    scope.set_named(answer, "ofOneRow", of_one_row)?;
    Ok(answer)
}
