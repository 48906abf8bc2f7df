//! The two messages as JSON text: what crosses a wire.
//!
//! A body is carried as the text that it came as. Only what the exchange itself needs is read of it: the
//! timestamp, the id, the table, the object. Fields that are not known are neither looked at nor lost.
//!
//! A message is read as JavaScript would read it: of two fields of one name the last counts, `1.0` is an
//! integer, a string may hold a lone surrogate. What is wrong with one is said with the place where.

mod envelope;
mod limits;
mod read;
mod write;

use crate::error::{Error, ErrorKind, Result};

pub use envelope::size_in_json;
pub use limits::{Json, MAX_BODY_DEPTH, MAX_DEPTH, MAX_NODE_ID};
pub use read::{Unread, read_answer, read_request};
pub use write::{Exact, write_answer, write_request, write_watermarks};

/// Whether a body fits into a message, and how many bytes it has there.
///
/// # Errors
/// `MalformedItem` if it nests too deep.
pub fn weigh(body: &Json) -> Result<usize> {
    if read::nests_deeper(body.as_bytes(), MAX_BODY_DEPTH) {
        return Err(Error::new(
            ErrorKind::MalformedItem,
            "write an item",
            format!(
                "it must not nest deeper than {MAX_BODY_DEPTH} levels of objects and arrays; store deep values \
                 as text"
            ),
        ));
    }
    Ok(body.len())
}
