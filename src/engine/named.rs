//! What a side's log says of a caller's items: each is named once, and at most [`NAMED_WITHIN`] are within a minute. A
//! caller decides how many of its items cannot be taken in, and must not fill the disk of the other side with that.

use std::collections::HashSet;

use crate::protocol::hlc::Hlc;
use crate::protocol::item::ItemKind;

/// At most this many items are remembered as named; those of a hostile caller are not remembered for ever.
const REMEMBERED: usize = 4096;

/// Within a [`WINDOW_MS`] at most this many items are named.
const NAMED_WITHIN: usize = 100;

/// How long the items are counted, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// Which items the log named already, and how many lately.
#[derive(Debug, Default)]
pub(super) struct Named {
    items: HashSet<(ItemKind, Option<Hlc>)>,
    since_ms: u64,
    lately: usize,
}

/// What the log says of an item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// It is named.
    Named,
    /// It is named, and those after it are not, for a while.
    Last,
    /// Nothing.
    Silent,
}

impl Named {
    /// What the log is to say of an item at the time `now_ms` of the system's clock.
    pub fn name(&mut self, kind: &ItemKind, hlc: Option<&Hlc>, now_ms: u64) -> Naming {
        let item = (kind.clone(), hlc.cloned());
        if self.items.contains(&item) {
            return Naming::Silent;
        }
        if now_ms < self.since_ms || now_ms - self.since_ms >= WINDOW_MS {
            self.since_ms = now_ms;
            self.lately = 0;
        }
        if self.lately == NAMED_WITHIN {
            return Naming::Silent;
        }
        if self.items.len() >= REMEMBERED {
            self.items.clear();
        }
        self.items.insert(item);
        self.lately += 1;
        if self.lately == NAMED_WITHIN {
            Naming::Last
        } else {
            Naming::Named
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMED_WITHIN, Named, Naming, WINDOW_MS};
    use crate::protocol::item::ItemKind;
    use crate::protocol::text::Text;

    fn record(number: usize) -> ItemKind {
        ItemKind::Record(Text::from(format!("r{number}").as_str()))
    }

    #[test]
    fn an_item_is_named_once() {
        let mut named = Named::default();
        assert_eq!(named.name(&record(1), None, 0), Naming::Named);
        assert_eq!(named.name(&record(1), None, 0), Naming::Silent);
        assert_eq!(named.name(&record(1), None, 2 * WINDOW_MS), Naming::Silent);
    }

    #[test]
    fn a_minute_names_a_hundred_and_the_next_one_names_what_was_left_out() {
        let mut named = Named::default();
        let said: Vec<Naming> = (0..200).map(|n| named.name(&record(n), None, 7)).collect();
        assert!(said[..NAMED_WITHIN - 1].iter().all(|s| *s == Naming::Named));
        assert_eq!(said[NAMED_WITHIN - 1], Naming::Last);
        assert!(said[NAMED_WITHIN..].iter().all(|s| *s == Naming::Silent));
        assert_eq!(named.name(&record(150), None, 7 + WINDOW_MS), Naming::Named);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nothing() {
        let mut named = Named::default();
        for n in 0..NAMED_WITHIN {
            named.name(&record(n), None, 10 * WINDOW_MS);
        }
        assert_eq!(named.name(&record(500), None, 1), Naming::Named);
    }
}
