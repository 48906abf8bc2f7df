//! Ranges of keys, in SQL.

use super::super::param::Param;
use crate::protocol::log::Range;

/// A query about the entries `e` of a range, and its parameters.
pub fn within(range: &Range, select: &str, order: &str) -> (Vec<Param>, String) {
    // No key here has a NUL, so a bound that has one lies just behind what stands before it.
    let cut = |bound: &str| match bound.split_once('\0') {
        Some((before, _)) => (before.to_owned(), true),
        None => (bound.to_owned(), false),
    };
    let (from, from_behind) = cut(&range.from);
    let to = range.to.as_deref().map(cut);
    let begins = if from_behind { ">" } else { ">=" };
    let ends = match &to {
        Some((_, true)) => "AND e.key <= $3",
        Some((_, false)) => "AND e.key < $3",
        None => "",
    };
    let query = format!(
        "{select} FROM @ AS e WHERE e.stream = (SELECT id FROM @_streams WHERE name = $1) AND e.key {begins} $2 {ends} {order}"
    );
    let stream = cut(&range.stream).0;
    let bounds = [stream, from].into_iter().chain(to.map(|(to, _)| to));
    (bounds.map(Param::text).collect(), query)
}
