//! What comes after a place in an order, as SQL. Null is the least of all values.

use std::fmt::Write as _;

use super::Direction;

/// The condition for it, which is made step by step of the order.
#[derive(Debug)]
pub(in crate::store) struct AfterPlace {
    /// The operator that compares values of which both may be null.
    same: &'static str,
    alternatives: Vec<String>,
    equal_so_far: String,
}

impl AfterPlace {
    pub(in crate::store) fn new(same: &'static str) -> Self {
        Self {
            same,
            alternatives: Vec::new(),
            equal_so_far: String::new(),
        }
    }

    /// The next step of the order, by a field; both that and its value at the place are SQL.
    pub(in crate::store) fn then(
        &mut self,
        (field, direction): (&str, Direction),
        (value, is_null): (&str, bool),
    ) {
        let Self {
            same, equal_so_far, ..
        } = self;
        let later = match (direction, is_null) {
            (Direction::Asc, true) => Some(format!("{field} IS NOT NULL")),
            (Direction::Asc, false) => Some(format!("{field} > {value}")),
            (Direction::Desc, true) => None,
            (Direction::Desc, false) => Some(format!("({field} < {value} OR {field} IS NULL)")),
        };
        let later = later.map(|later| format!("({equal_so_far}{later})"));
        self.alternatives.extend(later);
        // Writing to a string does not fail.
        let _ = write!(equal_so_far, "{field} {same} {value} AND ");
    }

    pub(in crate::store) fn condition(&self) -> String {
        format!("({})", self.alternatives.join(" OR "))
    }
}
