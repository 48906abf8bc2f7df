//! What `js/watermarks.js` leaves to be decided here about timestamps, and what `js/sqlite/` asks about those that lie in
//! an app's own database.
//!
//! The statements of the latter run where the app's handle is, in JavaScript. Which timestamp is greater, which rows
//! make a page and what an error of `SQLite` means is decided by the code that decides it for the native stores, and
//! asked here in batches.

use std::cell::RefCell;
use std::rc::Rc;

use super::convert::{
    TIMESTAMP, read_hlc, read_hlcs, read_watermarks, wanted_hlcs, write_hlc, write_watermarks,
};
use super::error::{invalid, to_js};
use super::runtime::{IntoJs, write_data};
use super::value::{Call, Function, Method, Scope, Thrown, Value, object_of_methods};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, safe_integer, text_floor, wins};
use crate::protocol::log::canonical_body;
use crate::protocol::message::as_count;
use crate::protocol::watermarks::{Watermarks, newest_of_nodes};
use crate::store::sqlite::handle::{Choice, rows_between};
use crate::store::sqlite::{fault_of_code, fields_of_columns, ignored, is_of_one_row};

/// The helpers, by name.
pub const HELPERS: &[(&str, Function)] = &[
    ("isLater", is_later),
    ("selectUnseen", select_unseen),
    ("newestOf", newest_of),
    ("choosePage", choose_page),
    // `(texts)`: per node the greatest of these timestamps. What is none belongs to no node.
    ("newestTimes", |call| {
        let mut marks = Watermarks::default();
        for hlc in times(call.scope, call.arg(0))?.iter().flatten() {
            marks.advance(hlc);
        }
        write_watermarks(call.scope, &marks)
    }),
    ("winners", |call| compare(call, wins)),
    ("sameTimes", |call| {
        compare(call, |item, stored| Some(item) == stored)
    }),
    // `(items, field)`: the text forms, `null` where there is no timestamp.
    ("textsOf", |call| {
        let texts = incoming(call)?.into_iter();
        let texts = texts.map(|hlc| hlc.map(|hlc| hlc.to_text()));
        texts.collect::<Vec<_>>().into_js(call.scope)
    }),
    ("timesOf", |call| {
        times(call.scope, call.arg(0))?.into_js(call.scope)
    }),
    // `(text)`: where in text order the usual rows begin that may be later than this timestamp, `null` if none can be,
    // `undefined` if it is no timestamp.
    ("floorOf", |call| match time(call.scope, call.arg(0)) {
        None => call.scope.undefined(),
        Some(hlc) => text_floor(Some(&hlc)).into_js(call.scope),
    }),
    // `(texts, since, after, upto)`: see `rows_between`. What is `null` bounds nothing.
    ("rowsBetween", |call| {
        let [since, after, upto] = [1, 2, 3].map(|index| time(call.scope, call.arg(index)));
        let times = times(call.scope, call.arg(0))?;
        let rows = rows_between(times, since.as_ref(), after.as_ref(), upto.as_ref());
        rows.into_js(call.scope)
    }),
    ("columnsOf", columns_of),
    ("sqliteFault", sqlite_fault),
    ("sqliteIgnored", |call| {
        let fault = ignored(text(call, 0), &text(call, 1));
        to_js(call.scope, &fault)
    }),
    ("brandLog", super::adapters::brand_log),
    // `(a, b)`: which of two texts of JSON is greater in canonical form: 1, -1, or 0.
    ("compareBodies", |call| {
        let order = canonical_body(&text(call, 0)).cmp(&canonical_body(&text(call, 1)));
        call.scope.number(f64::from(order as i8))
    }),
];

fn text(call: &Call<'_>, index: usize) -> String {
    call.scope.as_string(call.arg(index)).unwrap_or_default()
}

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

/// `choosePage(watermarks, limit)`: `{ floor(node), offer(texts, inOrder), finish() }`.
fn choose_page<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let seen = read_watermarks(scope, call.arg(0))?
        .map_err(|what| invalid("queryUnseen(watermarks)", &what))?;
    let limit = scope
        .as_number(call.arg(1))
        .filter(|limit| limit.is_finite());
    let limit = limit
        .and_then(as_count)
        .ok_or_else(|| scope.must_be("queryUnseen(limit)", "an integer from 1", call.arg(1)))?;
    let choice = Rc::new(RefCell::new(Choice::new(seen, limit)));
    object_of_methods(scope, scope.undefined()?, OF_CHOICE, &choice)
}

const OF_CHOICE: &[(&str, Method<Rc<RefCell<Choice>>>)] = &[
    ("floor", |call, choice| {
        let node = call.scope.as_text(call.arg(0));
        choice.borrow().floor(node.as_ref()).into_js(call.scope)
    }),
    ("offer", |call, choice| {
        let in_order = call.scope.is_truthy(call.arg(1));
        let times = times(call.scope, call.arg(0))?;
        let goes_on = choice.borrow_mut().offer(times, in_order);
        call.scope.boolean(goes_on)
    }),
    ("finish", |call, choice| {
        let (scope, (rows, more)) = (call.scope, choice.borrow_mut().finish());
        let (rows, more) = (rows.into_js(scope)?, scope.boolean(more)?);
        scope.object_of(&[("rows", rows), ("hasMore", more)])
    }),
];

/// `winners(incoming, field, stored)`: for each item whether it replaces what is stored, as a text or
/// nothing; `null` where the item has no timestamp. `sameTimes(…)`: whether it has the timestamp of this text.
fn compare<'s>(call: &Call<'s>, holds: impl Fn(&Hlc, Option<&Hlc>) -> bool) -> Result<Value<'s>> {
    let incoming = incoming(call)?;
    let stored = times(call.scope, call.arg(2))?;
    let verdicts = incoming.iter().zip(stored).map(|(incoming, stored)| {
        let incoming = incoming.as_ref()?;
        Some(holds(incoming, stored.as_ref()))
    });
    verdicts.collect::<Vec<_>>().into_js(call.scope)
}

/// The timestamps of the items that are the first argument, under the field that is the second, or that they are.
fn incoming(call: &Call<'_>) -> Result<Vec<Option<Hlc>>> {
    let field = call.scope.as_string(call.arg(1));
    read_hlcs(call.scope, call.arg(0), field.as_deref())
}

/// `columnsOf(names)`: for each column `{ field, kind }`, or `null` where it is not clear.
fn columns_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let names = scope.each(call.arg(0), |scope, name| {
        Ok(scope.as_string(name).unwrap_or_default())
    })?;
    write_data(scope, &fields_of_columns(&names))
}

/// `sqliteFault(operation, code, message, thrown, row)`: `{ error, ofOneRow }` for what `node:sqlite` threw;
/// `row` names the row that it was about.
fn sqlite_fault<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, thrown) = (call.scope, call.arg(3));
    let code = scope.as_number(call.arg(1)).unwrap_or(1.0);
    let row = scope.as_string(call.arg(4));
    let mut fault = fault_of_code(text(call, 0), code, &text(call, 2), row.as_deref());
    let of_one_row = scope.boolean(is_of_one_row(&fault))?;
    if scope.is_object(thrown)? {
        fault = fault.caused_by(Thrown::new(scope.keep(thrown)?));
    }
    scope.object_of(&[("error", to_js(scope, &fault)?), ("ofOneRow", of_one_row)])
}

/// `isLater(wallTime, counter, nodeId, …)`: whether the first timestamp is later than the second, or the
/// second is none; `null` if the first is none.
fn is_later<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let stamp = |first: usize| {
        let integer = |index| call.scope.as_number(call.arg(index)).and_then(safe_integer);
        let node_id = call.scope.as_text(call.arg(first + 2))?;
        Some(Hlc::new(integer(first)?, integer(first + 1)?, node_id))
    };
    let is_later = stamp(0).map(|incoming| wins(&incoming, stamp(3).as_ref()));
    is_later.into_js(call.scope)
}

/// `selectUnseen(records, watermarks)`: the indexes of those that are unseen, or that of one without a timestamp.
fn select_unseen<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, records) = (call.scope, call.arg(0));
    let watermarks = read_watermarks(scope, call.arg(1))?
        .map_err(|what| invalid("selectUnseen(watermarks)", &what))?;
    let zero = Hlc::zero();
    let is_unseen = |hlc: &Hlc| hlc > watermarks.get(&hlc.node_id).unwrap_or(&zero);
    let wanted = wanted_hlcs(scope, (records, Some("updatedAt")), is_unseen)?;
    if let Some((faulty, _)) = wanted.iter().find(|(_, hlc)| hlc.is_none()) {
        return faulty.into_js(scope);
    }
    let unseen = wanted.into_iter().map(|(index, _)| index);
    unseen.collect::<Vec<_>>().into_js(scope)
}

/// `newestOf(items, field)`: per node the index of the item that has the greatest timestamp under `field`, the first of
/// equal ones; or the index of an item without one.
fn newest_of<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    match newest_of_nodes(incoming(call)?) {
        Ok(indexes) => indexes.into_js(call.scope),
        Err(faulty) => faulty.into_js(call.scope),
    }
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
