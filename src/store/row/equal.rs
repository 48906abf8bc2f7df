//! Two versions with one timestamp: which of them stands on every side.

use std::cmp::Ordering;

use crate::protocol::log::canonical_body;

/// Whether the version that came is the greater one in its canonical form, which stands; `None` if both say the same.
pub(in crate::store) fn is_greater(came: &str, stored: &str) -> Option<bool> {
    match canonical_body(came).cmp(&canonical_body(stored)) {
        Ordering::Equal => None,
        order => Some(order == Ordering::Greater),
    }
}
