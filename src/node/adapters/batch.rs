//! Pages that an adapter of the app's takes in as a whole: `applyRecords` and `applyRows`.

use crate::engine::ports::{Order, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::node::convert::Body;
use crate::node::error::invalid;
use crate::node::runtime::JsObject;
use crate::node::value::{Kind, Scope, Thrown, Value, list};
use crate::protocol::item::Item;

/// Stores a page by the method. Where the call fails or answers what it must not, no item counts as stored:
/// what was stored all the same is found stale when it comes again.
pub async fn store_page(
    adapter: &JsObject,
    method: &'static str,
    page: &[Item<Body>],
    order: Order,
) -> Result<Vec<Outcome>> {
    adapter
        .call(
            method,
            |scope| {
                let items = list(scope, page, |scope, item| item.body.to_js(scope))?;
                let strict = scope.boolean(order == Order::Strict)?;
                Ok(vec![items, scope.object_of(&[("strictOrder", strict)])?])
            },
            |scope, answer| read_outcomes(scope, &adapter.method(method), answer, page.len()),
        )
        .await
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
