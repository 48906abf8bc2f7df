//! Requests and answers as JavaScript objects.

use super::convert::{Body, read_record, read_row};
use super::runtime::{Argument, IntoJs, parse_json};
use super::value::{Intrinsic, Kind, Scope, Value, list};
use crate::error::{Error, Result};
use crate::protocol::item::{Item, ItemKind, NoItem};
use crate::protocol::message::{Answer, Request};
use crate::protocol::wire::{self, Unread};

type Reader = fn(Scope<'_>, Value<'_>) -> Result<std::result::Result<Item<Body>, NoItem>>;

/// A message of the app's: what it says besides its items, as `read` reads it in the JSON of `helper`, and the items,
/// which stay as they are. Errors call it `what`.
fn read_message<'s, M>(
    scope: Scope<'s>,
    value: Value<'s>,
    (what, operation, helper): (&str, &'static str, Intrinsic),
    read: impl FnOnce(&[u8]) -> Result<M>,
) -> Result<(M, Vec<Item<Body>>)> {
    if scope.kind(value)? != Kind::Object {
        return Err(Error::sync(operation, format!("{what} must be an object")));
    }
    let parts = scope.helper(helper, &[value])?;
    if let Some(wrong) = scope.as_string(parts) {
        return Err(Error::sync(operation, wrong));
    }
    let head = scope.as_string(scope.element(parts, 0)?);
    let head = read(head.unwrap_or_default().as_bytes())?;
    let mut items = Vec::new();
    for (part, name, read) in [
        (1, "records", read_record as Reader),
        (2, "appSyncableRows", read_row),
    ] {
        let list = scope.element(parts, part)?;
        if scope.is_nullish(list)? {
            continue;
        }
        for (index, item) in scope.each(list, read)?.into_iter().enumerate() {
            let wrong = |what| Error::sync(operation, format!("{name}[{index}]: {what}"));
            items.push(item.map_err(wrong)?);
        }
    }
    Ok((head, items))
}

/// A request as `SyncTransport.exchange` takes it. Lists without items are left `undefined`.
pub fn write_request(scope: Scope<'_>, mut request: Request<Body>) -> Result<Value<'_>> {
    let items = std::mem::take(&mut request.items);
    let has_limit = request.limit != usize::MAX;
    let head = request.with_bodies(|body| body.to_json(scope.env()))?;
    let object = write_around(scope, &wire::write_request(&head), (&items, true))?;
    if !has_limit {
        scope.set(object, "limit", scope.number(f64::INFINITY)?)?;
    }
    Ok(object)
}

/// Reads a request.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_request(scope: Scope<'_>, value: Value<'_>) -> Result<Request<Body>> {
    let what = (
        "a request",
        "malformed exchange request",
        Intrinsic::RequestHead,
    );
    let (head, items) = read_message(scope, value, what, |text| {
        Unread::request_here(text)?.into_request()
    })?;
    let head = head.with_bodies(|json| Ok(Body::of(json)))?;
    Ok(Request { items, ..head })
}

/// An answer as `SyncTransport.exchange` gives it.
impl IntoJs for Answer<Body> {
    fn into_js(mut self, scope: Scope<'_>) -> Result<Value<'_>> {
        let items = std::mem::take(&mut self.items);
        let head = self.with_bodies(|body| body.to_json(scope.env()))?;
        write_around(scope, &wire::write_answer(&head), (&items, false))
    }
}

/// Reads an answer.
///
/// # Errors
/// `Sync` where it is malformed.
pub fn read_answer(scope: Scope<'_>, value: Value<'_>) -> Result<Answer<Body>> {
    let what = (
        "an answer",
        "malformed exchange answer",
        Intrinsic::AnswerHead,
    );
    let (head, items) = read_message(scope, value, what, |text| {
        Unread::answer_here(text)?.into_answer()
    })?;
    let head = head.with_bodies(|json| Ok(Body::of(json)))?;
    Ok(Answer { items, ..head })
}

/// The message, whose head is JSON: with the records and the rows, each in an array of their own.
fn write_around<'s>(
    scope: Scope<'s>,
    head: &str,
    (items, leaves_out): (&[Item<Body>], bool),
) -> Result<Value<'s>> {
    let message = parse_json(scope, head)?;
    for (name, records) in [("records", true), ("appSyncableRows", false)] {
        let is_one = |item: &&Item<Body>| matches!(item.kind, ItemKind::Record(_)) == records;
        let items: Vec<_> = items.iter().filter(is_one).collect();
        let list = if items.is_empty() && leaves_out {
            scope.undefined()?
        } else {
            list(scope, items, |scope, item| item.body.to_js(scope))?
        };
        scope.set(message, name, list)?;
    }
    Ok(message)
}
