//! Two versions with one timestamp: which of them stands on every side.

use std::cmp::Ordering;

use super::record::Fields;
use crate::protocol::log::canonical_body;

/// Whether the version that came is the greater one in its canonical form, which stands; `None` if both say the same.
pub(in crate::store) fn is_greater(came: &str, stored: &str) -> Option<bool> {
    match canonical_body(came).cmp(&canonical_body(stored)) {
        Ordering::Equal => None,
        order => Some(order == Ordering::Greater),
    }
}

/// The same of two rows of an app. The nodes of their times are no content.
pub(in crate::store) fn is_greater_row(came: &str, stored: &str) -> Option<bool> {
    is_greater(&without_node(came), &without_node(stored))
}

fn without_node(json: &str) -> String {
    let mut fields: Fields<'_> = serde_json::from_str(json).unwrap_or_default();
    fields.remove("node_id");
    serde_json::to_string(&fields).unwrap_or_else(|_| json.to_owned())
}
