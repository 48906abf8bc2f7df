//! A record as an item brings it: what its body must be.

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::store::Json;

/// The operation of its errors.
pub(in crate::store) const TAKE_IN: &str = "take in a record";

/// The id of the record that an item is.
pub(in crate::store) fn record_id(item: &Item<Json>) -> Result<String> {
    let ItemKind::Record(id) = &item.kind else {
        return Err(refuse(
            "a row of an app is no record; a store of app rows takes it in",
        ));
    };
    id.to_utf8()
        .ok_or_else(|| refuse("a record's id must be well-formed Unicode"))
}

/// Fails where the record inside an item is another one than its envelope says.
pub(in crate::store) fn check_inside(
    (id, updated_at): (&str, &Hlc),
    item: &Item<Json>,
    envelope_id: &str,
) -> Result<()> {
    if id == envelope_id && *updated_at == item.hlc {
        return Ok(());
    }
    Err(refuse(
        "the record inside has another id or updatedAt than its envelope says",
    ))
}

fn refuse(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, TAKE_IN, message)
}
