//! What `js/sqlite/` asks about timestamps that lie in an app's own database.
//!
//! The statements run where the app's handle is, in JavaScript. Which timestamp is greater, which rows
//! make a page and what an error of `SQLite` means is decided here, in batches, by the same code that
//! decides it for the native stores.

use std::cell::RefCell;
use std::rc::Rc;

use super::convert::{read_hlcs, read_watermarks, write_watermarks};
use super::error::{invalid, must_be, to_js};
use super::runtime::IntoJs;
use super::value::{Call, Function, Key, Kind, Scope, Thrown, Value, function};
use crate::error::Result;
use crate::protocol::delta::{Ask, Selection};
use crate::protocol::hlc::safe_integer;
use crate::protocol::hlc::{Hlc, text_floor, wins};
use crate::protocol::watermarks::Watermarks;
use crate::store::sqlite::{FieldKind, fault_of_code, fields_of_columns, ignored, is_of_one_row};

/// The helpers, by name.
pub const HELPERS: &[(&str, Function)] = &[
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
];

fn time(scope: Scope<'_>, value: Value<'_>) -> Option<Hlc> {
    Hlc::parse_text(&scope.as_text(value)?).ok()
}

/// The timestamps that an array of texts spells, `None` where one spells none.
fn times(scope: Scope<'_>, texts: Value<'_>) -> Result<Vec<Option<Hlc>>> {
    if !scope.is_array(texts)? {
        return Ok(Vec::new());
    }
    scope.each(texts, |scope, text| Ok(time(scope, text)))
}

/// What is being chosen: rows are known by the order in which they were offered.
struct Choice {
    ask: Ask,
    page: Selection<u32>,
    offered: u32,
}

/// `choosePage(watermarks, limit)`: `{ floor(node), offer(texts, inOrder), finish() }`.
fn choose_page<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let seen = read_watermarks(scope, call.arg(0))?
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
    let floor = function(scope, "floor", move |call| {
        let node = call.scope.as_text(call.arg(0));
        let choice = of_floor.borrow();
        text_floor(node.and_then(|node| choice.ask.seen.get(&node))).into_js(call.scope)
    })?;
    scope.set_named(object, "floor", floor)?;
    let of_offer = Rc::clone(&choice);
    let offer = function(scope, "offer", move |call| {
        let in_order = call.scope.as_boolean(call.arg(1)).unwrap_or(false);
        let times = times(call.scope, call.arg(0))?;
        let goes_on = of_offer.borrow_mut().offer(times, in_order);
        call.scope.boolean(goes_on)
    })?;
    scope.set_named(object, "offer", offer)?;
    let finish = function(scope, "finish", move |call| {
        let page = std::mem::replace(&mut choice.borrow_mut().page, Selection::new(1));
        let (chosen, more) = page.finish().into_items();
        let rows: Vec<_> = chosen.into_iter().map(|(_, row)| row).collect();
        let scope = call.scope;
        scope.object_of(&[
            ("rows", rows.into_js(scope)?),
            ("hasMore", more.into_js(scope)?),
        ])
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

/// `newestOf(texts)`: per node the greatest of these timestamps. What is none belongs to no node.
fn newest_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let mut marks = Watermarks::default();
    for hlc in times(call.scope, call.arg(0))?.iter().flatten() {
        marks.advance(hlc);
    }
    write_watermarks(call.scope, &marks)
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
    let incoming = read_hlcs(scope, call.arg(0), field(call)?)?;
    let stored = times(scope, call.arg(2))?;
    let verdicts = incoming.iter().zip(stored).map(|(incoming, stored)| {
        let incoming = incoming.as_ref()?;
        Some(holds(incoming, stored.as_ref()))
    });
    verdicts.collect::<Vec<_>>().into_js(scope)
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
    let times = read_hlcs(call.scope, call.arg(0), field(call)?)?;
    let texts = times.into_iter().map(|hlc| hlc.map(|hlc| hlc.to_text()));
    texts.collect::<Vec<_>>().into_js(call.scope)
}

/// `timesOf(texts)`: the timestamps, `null` where a text spells none.
fn times_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    times(call.scope, call.arg(0))?.into_js(call.scope)
}

/// `floorOf(text)`: where in text order the usual rows begin that may be later than this timestamp, `null`
/// if none can be, `undefined` if it is no timestamp.
fn floor_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    match time(call.scope, call.arg(0)) {
        None => call.scope.undefined(),
        Some(hlc) => text_floor(Some(&hlc)).into_js(call.scope),
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
    let rows = found.into_iter().map(|(_, row)| row);
    rows.collect::<Vec<_>>().into_js(scope)
}

/// `columnsOf(names)`: for each column `{ field, kind }`, or `null` where it is not clear.
fn columns_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, names) = (call.scope, call.arg(0));
    let columns = scope.each(names, |scope, name| {
        let name = scope.as_text(name).map(|name| name.to_string());
        Ok(name.unwrap_or_default())
    })?;
    let described = fields_of_columns(&columns).into_iter().map(|column| {
        let (field, kind) = column?;
        Some(Column(field, kind))
    });
    described.collect::<Vec<_>>().into_js(scope)
}

/// What lies in a column: which field, and how.
struct Column(String, FieldKind);

impl IntoJs for Column {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let kind = match self.1 {
            FieldKind::Text => "text",
            FieldKind::Integer => "integer",
            FieldKind::Time => "time",
            FieldKind::Foreign => "foreign",
        };
        scope.object_of(&[("field", scope.text(&self.0)?), ("kind", scope.text(kind)?)])
    }
}

/// `sqliteIgnored(operation, row)`: the error where a statement that must change the row has changed none.
fn sqlite_ignored<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let text = |index| {
        let text = call.scope.as_text(call.arg(index));
        text.map(|text| text.to_string()).unwrap_or_default()
    };
    to_js(call.scope, &ignored(text(0), &text(1)))
}

/// `sqliteFault(operation, code, message, thrown, row)`: `{ error, ofOneRow }` for what `node:sqlite` threw;
/// `row` names the row that it was about.
fn sqlite_fault<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
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
    let of_one_row = scope.boolean(is_of_one_row(&fault))?;
    let error = match scope.kind(call.arg(3))? {
        Kind::Object => {
            let thrown = scope.keep(call.arg(3))?;
            fault.caused_by(Thrown::new(thrown))
        }
        _ => fault,
    };
    scope.object_of(&[("error", to_js(scope, &error)?), ("ofOneRow", of_one_row)])
}
