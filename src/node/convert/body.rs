//! The body of an item, and JSON across the bridge.

use std::rc::Rc;

use crate::error::{Error, ErrorKind, Result};
use crate::node::runtime::{Argument, parse_json, stringify};
use crate::node::value::{Env, Persistent, Scope, Thrown, Value, thrown_in};
use crate::protocol::item::Item;
use crate::protocol::wire::weigh;
use crate::store::Json;

/// The body of an item, on whichever side of the bridge it came from.
#[derive(Debug, Clone)]
pub enum Body {
    /// A JavaScript object, carried by reference.
    Js(Persistent),
    /// JSON text.
    Json(Json),
    /// A JavaScript object, and the JSON text that it was found to be.
    Packed(Persistent, Json),
}

impl Argument for Body {
    fn to_js<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        match self {
            Self::Js(kept) | Self::Packed(kept, _) => kept.value(scope),
            Self::Json(text) => parse_json(scope, text),
        }
    }
}

impl Body {
    /// The body as JSON text.
    ///
    /// # Errors
    /// `MalformedItem` if it cannot be written as JSON.
    pub fn to_json(&self, env: &Rc<Env>) -> Result<Json> {
        match self {
            Self::Json(text) | Self::Packed(_, text) => Ok(Json::clone(text)),
            Self::Js(kept) => env
                .scope(|scope| stringify(scope, kept.value(scope)?))
                .map_err(unwritable),
        }
    }
}

/// Brings the item's body into the form of JSON text, and returns how many bytes that has.
///
/// # Errors
/// `MalformedItem` if it cannot be written as JSON, or nests too deep.
pub fn pack_as_json(env: &Rc<Env>, item: &mut Item<Body>) -> Result<usize> {
    let text = item.body.to_json(env)?;
    let size = weigh(&text)?;
    if let Body::Js(kept) = &item.body {
        item.body = Body::Packed(Persistent::clone(kept), text);
    }
    Ok(size)
}

fn unwritable(error: Error) -> Error {
    let message = format!("it must be writable as JSON, got: {}", error.message());
    let malformed = Error::new(ErrorKind::MalformedItem, "write an item", message);
    match thrown_in(&error) {
        Some(thrown) => malformed.caused_by(Thrown::new(thrown)),
        None => malformed.caused_by(error),
    }
}

/// A body that came as text.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the other way can fail, and both are asked for alike"
)]
pub fn as_body(json: &Json) -> Result<Body> {
    Ok(Body::Json(Json::clone(json)))
}
