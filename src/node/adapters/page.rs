//! A page that an adapter of the app's answered.

use crate::error::Result;
use crate::node::runtime::JsObject;
use crate::node::value::{Kind, Persistent, Scope, Value};

/// What a page is asked for with.
pub fn page_options<'s>(
    scope: Scope<'s>,
    page_size: f64,
    cursor: Option<&Persistent>,
) -> Result<Value<'s>> {
    let cursor = match cursor {
        Some(cursor) => cursor.value(scope)?,
        None => scope.undefined()?,
    };
    scope.object_of(&[("limit", scope.number(page_size)?), ("cursor", cursor)])
}

/// The items of the page that the method answered, an array under `list`.
pub fn items_of<'s>(
    scope: Scope<'s>,
    (adapter, method): (&JsObject, &str),
    (answer, list): (Value<'s>, &str),
) -> Result<Value<'s>> {
    let wrong = |what: &str| Err(adapter.wrong(method, what));
    if scope.kind(answer)? != Kind::Object {
        return wrong("must answer a page, an object; got something else");
    }
    let items = scope.get(answer, list)?;
    if !scope.is_array(items)? {
        return wrong(&format!("must answer a page with an array of `{list}`"));
    }
    Ok(items)
}

/// What follows a page that was answered to the cursor `asked`: the cursor of the next, or nothing after the last.
/// `hasMore` counts as in JavaScript; where it is missing, the cursor says it.
pub fn next_of(
    scope: Scope<'_>,
    (adapter, method): (&JsObject, &str),
    (answer, items): (Value<'_>, Value<'_>),
    asked: Option<&Persistent>,
) -> Result<Option<Persistent>> {
    let is_empty = scope.length(items)? == 0;
    let has_more = scope.get(answer, "hasMore")?;
    let is_told = !scope.is_nullish(has_more)?;
    if is_told && !scope.is_truthy(has_more) {
        return Ok(None);
    }
    let next = scope.get(answer, "nextCursor")?;
    if !scope.is_nullish(next)? {
        let is_same = match asked {
            Some(asked) => scope.is_same(asked.value(scope)?, next),
            None => false,
        };
        if is_empty && is_same && scope.kind(next)? != Kind::Object {
            return Err(adapter.wrong(
                method,
                "answered an empty page and the cursor that it was given, and would do so for ever; it must answer \
                 `hasMore: false` with the last page",
            ));
        }
        return scope.keep(next).map(Some);
    }
    if is_told {
        return Err(adapter.wrong(
            method,
            "answered `hasMore` without a `nextCursor`, so what follows cannot be read; it must answer the \
             cursor of the next page, and `hasMore: false` with the last",
        ));
    }
    if is_empty || scope.has(answer, "nextCursor")? {
        return Ok(None);
    }
    Err(adapter.wrong(
        method,
        "answered neither `hasMore` nor `nextCursor`, so whether more follows cannot be told; it must answer \
         `hasMore: false` with the last page",
    ))
}
