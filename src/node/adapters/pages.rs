//! Pages of an adapter of the app's: those that it answers, and those that it takes in as a whole (`applyRecords`,
//! `applyRows`).

use crate::engine::ports::{Order, Outcome, Scanned};
use crate::error::{Error, Result};
use crate::node::convert::{Body, id_of, read_stored, wanted_hlcs};
use crate::node::error::invalid;
use crate::node::runtime::{Argument, JsObject, Made};
use crate::node::value::{Intrinsic, Persistent, Scope, Thrown, Value, list};
use crate::protocol::delta::{Ask, Standing};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::Stream;
use crate::protocol::text::Text;

/// What a page is asked for with.
pub fn page_options<'s>(
    scope: Scope<'s>,
    page_size: f64,
    cursor: Option<&Persistent>,
) -> Result<Value<'s>> {
    let cursor = scope.if_kept(cursor)?;
    scope.object_of(&[("limit", scope.number(page_size)?), ("cursor", cursor)])
}

/// The items of the page that the method answered, an array under `list`. Where it `goes_on`, also what follows a page
/// that was answered to the cursor `asked`: the cursor of the next, or nothing after the last.
pub fn page_in<'s>(
    scope: Scope<'s>,
    (adapter, method): (&JsObject, &str),
    (answer, list): (Value<'s>, &str),
    (asked, goes_on): (Option<&Persistent>, bool),
) -> Result<(Value<'s>, Option<Persistent>)> {
    let mut args = vec![answer, scope.text(list)?];
    if goes_on {
        args.push(scope.if_kept(asked)?);
    }
    let page = scope.helper(Intrinsic::PageOf, &args)?;
    let items = scope.element(page, 0)?;
    if let Some(wrong) = scope.as_string(items) {
        return Err(adapter.wrong(method, &wrong));
    }
    let is_last = scope.length(page)? == 1;
    let next = (!is_last).then(|| scope.keep(scope.element(page, 1)?));
    Ok((items, next.transpose()?))
}

/// Reads a page of a scan: what `ask` wants of it, up to the `horizon`.
pub fn read_page(
    scope: Scope<'_>,
    (stream, items): (&Stream, Value<'_>),
    (ask, horizon): (&Ask, Option<&Hlc>),
    next: Option<Persistent>,
) -> Result<Scanned<Body, Persistent>> {
    let is_of_records = *stream == Stream::Records;
    let field = stream.time_field();
    let mut reached: Option<Hlc> = None;
    let wanted = |hlc: &Hlc| {
        let is_later = |reached: &Hlc| reached.wall_time < hlc.wall_time;
        // Only rows are scanned in the order of timestamps.
        if !is_of_records && hlc.wall_time_fits_text() && reached.as_ref().is_none_or(is_later) {
            reached = Some(hlc.clone());
        }
        ask.standing(hlc) != Standing::Unwanted
    };
    let wanted = wanted_hlcs(scope, (items, Some(field)), wanted)?;
    let mut scanned = Scanned {
        reached,
        met: scope.length(items)? as usize,
        next,
        ..Scanned::default()
    };
    for (index, stamp) in wanted {
        // A scope for each: a page may be the whole table.
        scope.nested(|scope| {
            let stored = scope.element(items, index)?;
            let Some(hlc) = stamp else {
                let item = read_stored(scope, stream, stored, Err(stream.without_time()))?;
                scanned.unorderable.push(item);
                return Ok(());
            };
            match ask.place_of(&hlc, horizon) {
                Some(true) => {
                    let item = read_stored(scope, stream, stored, Ok(hlc))?;
                    // What has no name cannot be asked for again by it: a further scan has to meet it.
                    let id = item.kind.record_id();
                    scanned.has_ids &= id.is_none_or(|id| *id != ItemKind::NAMELESS.into());
                    scanned.items.push(item);
                }
                Some(false) => {
                    let id = is_of_records.then(|| id_of(scope, stored));
                    scanned.has_ids &= id != Some(None);
                    let id = id.flatten().unwrap_or_else(|| Text::from(""));
                    scanned.others.push((hlc, id));
                }
                None => {}
            }
            Ok(())
        })?;
    }
    Ok(scanned)
}

/// The items as an array of JavaScript.
pub fn page_of<'s>(scope: Scope<'s>, items: &[Item<Body>]) -> Result<Value<'s>> {
    list(scope, items, |scope, item| item.body.to_js(scope))
}

/// Stores a page by the method. Where the call fails or answers what it must not, no item counts as stored:
/// what was stored all the same is found stale when it comes again.
pub async fn store_page(
    adapter: &JsObject,
    method: &'static str,
    page: &[Item<Body>],
    order: Order,
) -> Result<Vec<Outcome>> {
    let items = Made(|scope| page_of(scope, page));
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
    let status = scope.string_in(result, "status")?;
    Outcome::said(operation, status.as_deref(), || {
        let error = scope.get(result, "error")?;
        let is_given = !scope.is_nullish(error)?;
        is_given
            .then(|| refusal(scope, operation, error))
            .transpose()
    })
}

/// The error that an adapter gives for an item. One of this package's codes that is about a single item says what
/// kind it is.
fn refusal(scope: Scope<'_>, operation: &str, error: Value<'_>) -> Result<Error> {
    let thrown = Thrown::new(scope.keep(error)?);
    let code = scope.string_in(error, "code")?;
    Ok(Error::thrown(code.as_deref(), operation.to_owned(), thrown))
}
