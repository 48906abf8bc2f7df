//! Pages that an adapter of the app's takes in as a whole: `applyRecords` and `applyRows`.

use std::rc::Rc;

use crate::engine::ports::{Order, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::node::convert::Body;
use crate::node::error::{Thrown, invalid};
use crate::node::runtime::await_js;
use crate::node::value::{Env, Handle, Key, Kind, Scope, Value};
use crate::protocol::item::Item;

/// An adapter, the option it came in, and its function that takes in a page.
pub struct Batch<'a> {
    /// The adapter.
    pub adapter: &'a Handle,
    /// The option that it came in.
    pub option: &'static str,
    /// The function.
    pub key: Key,
}

/// Whether the adapter has the function.
pub fn has_function(adapter: &Handle, key: Key) -> Result<bool> {
    let env = adapter.env();
    env.scope(|scope| {
        let adapter = adapter.value(scope)?;
        if !matches!(scope.kind(adapter)?, Kind::Object | Kind::Function) {
            return Ok(false);
        }
        let function = scope.get(env, adapter, key)?;
        Ok(scope.kind(function)? == Kind::Function)
    })
}

impl Batch<'_> {
    /// Stores a page. Where the call fails or answers what it must not, no item counts as stored: what was
    /// stored all the same is found stale when it comes again.
    pub async fn store(&self, page: &[Item<Body>], order: Order) -> Result<Vec<Outcome>> {
        let env = self.adapter.env();
        let operation = format!("{}.{}", self.option, self.key.name());
        await_js(
            env,
            &operation,
            |scope, invoke| {
                let items = scope.array()?;
                for (index, item) in (0u32..).zip(page) {
                    env.scope(|scope| {
                        scope.set_element(items, index, item.body.to_js(scope, env)?)
                    })?;
                }
                let options = scope.object()?;
                scope.set(
                    env,
                    options,
                    Key::StrictOrder,
                    scope.boolean(order == Order::Strict)?,
                )?;
                let adapter = self.adapter.value(scope)?;
                invoke.method(scope, (adapter, self.option), self.key, &[items, options])
            },
            |scope, answer| read_outcomes(scope, env, &operation, answer, page.len()),
        )
        .await
    }
}

pub(super) fn read_outcomes(
    scope: Scope<'_>,
    env: &Rc<Env>,
    operation: &str,
    answer: Value<'_>,
    count: usize,
) -> Result<Vec<Outcome>> {
    if !scope.is_array(answer)? || scope.length(answer)? as usize != count {
        let what = "must answer an array with one result for each item, in their order";
        return Err(invalid(operation, what));
    }
    let mut outcomes = Vec::with_capacity(count);
    for index in 0..scope.length(answer)? {
        outcomes.push(
            env.scope(|scope| read_outcome(scope, env, operation, scope.element(answer, index)?))?,
        );
    }
    Ok(outcomes)
}

fn read_outcome(
    scope: Scope<'_>,
    env: &Rc<Env>,
    operation: &str,
    result: Value<'_>,
) -> Result<Outcome> {
    let status = match scope.kind(result)? {
        Kind::Object => scope.as_text(scope.get(env, result, Key::Status)?),
        _ => None,
    };
    let status = status.map(|status| status.to_string());
    Ok(match status.as_deref() {
        Some("applied") => Outcome::Applied,
        Some("stale") => Outcome::Stale,
        Some("behind") => Outcome::Behind,
        Some("failed") => {
            let error = scope.get(env, result, Key::Error)?;
            Outcome::Failed(if scope.is_nullish(error)? {
                Error::new(
                    ErrorKind::Foreign,
                    operation.to_owned(),
                    "the item could not be stored; the adapter gives no reason",
                )
            } else {
                refusal(scope, env, operation, error)?
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
fn refusal(scope: Scope<'_>, env: &Rc<Env>, operation: &str, error: Value<'_>) -> Result<Error> {
    let thrown = Thrown::new(env.keep(scope, error)?);
    let code = match scope.kind(error)? {
        Kind::Object => scope.as_text(scope.get(env, error, Key::Code)?),
        _ => None,
    };
    let kind = code.and_then(|code| ErrorKind::of_code(&code.to_string()));
    let kind = match kind {
        Some(ErrorKind::InvalidArgument) => Some(ErrorKind::MalformedItem),
        kind => kind,
    };
    Ok(match kind.filter(|kind| kind.is_of_one_item()) {
        Some(kind) => Error::new(kind, operation.to_owned(), thrown.to_string()).caused_by(thrown),
        None => Error::foreign(operation.to_owned(), thrown),
    })
}
