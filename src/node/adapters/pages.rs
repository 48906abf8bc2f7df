//! Pages of an adapter of the app's: those that it answers, and those that it takes in as a whole (`applyRecords`,
//! `applyRows`).

use crate::engine::ports::{Order, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::node::convert::Body;
use crate::node::error::invalid;
use crate::node::runtime::{Argument, JsObject, Made};
use crate::node::value::{Intrinsic, Kind, Persistent, Scope, Thrown, Value, list};
use crate::protocol::item::Item;

/// What a page is asked for with.
pub fn page_options<'s>(
    scope: Scope<'s>,
    page_size: f64,
    cursor: Option<&Persistent>,
) -> Result<Value<'s>> {
    let cursor = given(scope, cursor)?;
    scope.object_of(&[("limit", scope.number(page_size)?), ("cursor", cursor)])
}

fn given<'s>(scope: Scope<'s>, cursor: Option<&Persistent>) -> Result<Value<'s>> {
    cursor.map_or_else(|| scope.undefined(), |cursor| cursor.value(scope))
}

/// What `js/bridge/pages.js` found in the answer of the method, unless it says what is wrong with it.
fn fit<'s>(
    scope: Scope<'s>,
    (adapter, method): (&JsObject, &str),
    found: Value<'s>,
) -> Result<Value<'s>> {
    match scope.as_string(found) {
        Some(wrong) => Err(adapter.wrong(method, &wrong)),
        None => Ok(found),
    }
}

/// The items of the page that the method answered, an array under `list`.
pub fn items_of<'s>(
    scope: Scope<'s>,
    method: (&JsObject, &str),
    (answer, list): (Value<'s>, &str),
) -> Result<Value<'s>> {
    let items = scope.helper(Intrinsic::ItemsOf, &[answer, scope.text(list)?])?;
    fit(scope, method, items)
}

/// What follows a page that was answered to the cursor `asked`: the cursor of the next, or nothing after the last.
pub fn next_of<'s>(
    scope: Scope<'s>,
    method: (&JsObject, &str),
    (answer, items): (Value<'s>, Value<'s>),
    asked: Option<&Persistent>,
) -> Result<Option<Persistent>> {
    let next = scope.helper(Intrinsic::NextOf, &[answer, items, given(scope, asked)?])?;
    let next = fit(scope, method, next)?;
    let is_last = scope.length(next)? == 0;
    (!is_last)
        .then(|| scope.keep(scope.element(next, 0)?))
        .transpose()
}

/// Stores a page by the method. Where the call fails or answers what it must not, no item counts as stored:
/// what was stored all the same is found stale when it comes again.
pub async fn store_page(
    adapter: &JsObject,
    method: &'static str,
    page: &[Item<Body>],
    order: Order,
) -> Result<Vec<Outcome>> {
    let items = Made(|scope| list(scope, page, |scope, item| item.body.to_js(scope)));
    let options = Made(|scope| {
        let strict = scope.boolean(order == Order::Strict)?;
        scope.object_of(&[("strictOrder", strict)])
    });
    let read = |scope: Scope<'_>, answer: Value<'_>| {
        read_outcomes(scope, &adapter.method(method), answer, page.len())
    };
    adapter.call(method, &[&items, &options], read).await
}

pub(super) fn read_outcomes(
    scope: Scope<'_>,
    operation: &str,
    answer: Value<'_>,
    count: usize,
) -> Result<Vec<Outcome>> {
    if !scope.is_array(answer)? || scope.length(answer)? as usize != count {
        let what = "must answer an array with one result for each item, in their order";
        return Err(invalid(operation, what));
    }
    scope.each(answer, |scope, result| {
        read_outcome(scope, operation, result)
    })
}

fn read_outcome(scope: Scope<'_>, operation: &str, result: Value<'_>) -> Result<Outcome> {
    let status = match scope.kind(result)? {
        Kind::Object => scope.as_string(scope.get(result, "status")?),
        _ => None,
    };
    Ok(match status.as_deref() {
        Some("applied") => Outcome::Applied,
        Some("stale") => Outcome::Stale,
        Some("behind") => Outcome::Behind,
        Some("failed") => {
            let error = scope.get(result, "error")?;
            Outcome::Failed(if scope.is_nullish(error)? {
                Error::new(
                    ErrorKind::Foreign,
                    operation.to_owned(),
                    "the item could not be stored; the adapter gives no reason",
                )
            } else {
                refusal(scope, operation, error)?
            })
        }
        _ => Outcome::Failed(invalid(
            operation,
            "must answer a status that is applied, stale, failed or behind",
        )),
    })
}

/// The error that an adapter gives for an item. One of this package's codes that is about a single item says what
/// kind it is.
fn refusal(scope: Scope<'_>, operation: &str, error: Value<'_>) -> Result<Error> {
    let thrown = Thrown::new(scope.keep(error)?);
    let code = match scope.kind(error)? {
        Kind::Object => scope.as_string(scope.get(error, "code")?),
        _ => None,
    };
    let kind = code.and_then(|code| ErrorKind::of_code(&code));
    let kind = match kind {
        Some(ErrorKind::InvalidArgument) => Some(ErrorKind::MalformedItem),
        kind => kind,
    };
    Ok(match kind.filter(|kind| kind.is_of_one_item()) {
        Some(kind) => Error::new(kind, operation.to_owned(), thrown.to_string()).caused_by(thrown),
        None => Error::foreign(operation.to_owned(), thrown),
    })
}
