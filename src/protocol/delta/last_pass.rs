//! How long a full pass over a store stands for the store.
//!
//! A store that is only read page by page has to be read whole to find what a peer lacks. In a first sync each page
//! that is taken in would cost a pass over all that came with the pages before. What is taken in is known without one,
//! and what else is written meanwhile may wait, though not for ever: a pass is made again once some time has gone by and
//! as much was taken in as the last one met. So all passes together read a few times what is stored in the end, however
//! many pages there are.

use super::ask::Ask;
use crate::protocol::hlc::Hlc;
use crate::protocol::watermarks::Watermarks;

/// A store in which the last pass met fewer is read each time: that costs less than a page does.
const LEAST: usize = if cfg!(feature = "testing") { 4 } else { 1000 };

/// A pass stands for so long in any case, in milliseconds.
const LASTS_MS: u64 = if cfg!(feature = "testing") { 2 } else { 2000 };

/// What the last full pass over the records of a store showed.
#[derive(Debug, Default)]
pub struct LastPass {
    /// Covers everything that the store held then, and what was taken in since. `None` if a pass left something out.
    covered: Option<Watermarks>,
    /// When the pass began, in milliseconds since the epoch.
    began_ms: u64,
    /// How many records it met.
    met: usize,
    /// How many were taken in since.
    since: usize,
}

impl LastPass {
    /// A pass for `ask` begins.
    pub fn begin(&mut self, now_ms: u64) {
        *self = Self {
            began_ms: now_ms,
            ..Self::default()
        };
    }

    /// It met `met` records, of which the wanted ones are not newer than `newest`. It stands for the store only if
    /// it `left_out` none.
    pub fn end(&mut self, ask: &Ask, newest: &Watermarks, met: usize, left_out: bool) {
        let is_whole = ask.skip.is_empty() && !left_out;
        self.covered = is_whole.then(|| {
            let mut covered = ask.seen.clone();
            covered.merge(newest);
            covered
        });
        self.met = met;
        self.since = 0;
    }

    /// A record with this timestamp was taken in.
    pub fn took_in(&mut self, hlc: &Hlc) {
        self.since += 1;
        if let Some(covered) = &mut self.covered {
            covered.advance(hlc);
        }
    }

    /// When it began, if it still shows at `now_ms` that the store holds nothing that `ask` wants.
    pub fn shows_nothing_for(&self, ask: &Ask, now_ms: u64) -> Option<u64> {
        let lasts = (self.began_ms..self.began_ms.saturating_add(LASTS_MS)).contains(&now_ms);
        let stands = self.met >= LEAST && (lasts || self.since < self.met);
        let covered = self.covered.as_ref().filter(|_| stands)?;
        ask.seen.covers_all(covered).then_some(self.began_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::text::Text;

    /// When a pass that began at 100 has stood for long.
    const LATER: u64 = 100 + LASTS_MS;

    fn at(wall: u64) -> Hlc {
        Hlc::new(wall, 0, Text::from("n"))
    }

    fn ask(seen: u64) -> Ask {
        Ask {
            seen: [(Text::from("n"), at(seen))].into_iter().collect(),
            limit: 2,
            ..Ask::default()
        }
    }

    /// A pass for one that has seen everything up to 3, which met up to 9.
    fn passed() -> LastPass {
        let mut pass = LastPass::default();
        pass.begin(100);
        pass.end(&ask(3), &ask(9).seen, LEAST, false);
        pass
    }

    #[test]
    fn a_pass_shows_nothing_for_one_that_has_seen_all_it_met() {
        assert_eq!(passed().shows_nothing_for(&ask(9), LATER), Some(100));
        assert_eq!(passed().shows_nothing_for(&ask(8), LATER), None);
        assert_eq!(LastPass::default().shows_nothing_for(&ask(9), LATER), None);
    }

    #[test]
    fn what_was_taken_in_since_has_to_be_seen_as_well() {
        let mut pass = passed();
        pass.took_in(&at(12));
        assert_eq!(pass.shows_nothing_for(&ask(9), LATER), None);
        assert_eq!(pass.shows_nothing_for(&ask(12), LATER), Some(100));
    }

    #[test]
    fn a_pass_is_made_again_once_as_much_was_taken_in_as_it_met() {
        let mut pass = passed();
        for _ in 1..LEAST {
            pass.took_in(&at(5));
        }
        assert!(pass.shows_nothing_for(&ask(9), LATER).is_some());
        pass.took_in(&at(5));
        assert_eq!(pass.shows_nothing_for(&ask(9), LATER), None);
    }

    #[test]
    fn a_pass_stands_for_a_while_however_much_was_taken_in() {
        let mut pass = passed();
        for _ in 0..2 * LEAST {
            pass.took_in(&at(5));
        }
        assert!(pass.shows_nothing_for(&ask(9), LATER - 1).is_some());
        assert_eq!(pass.shows_nothing_for(&ask(9), LATER), None);
        assert_eq!(pass.shows_nothing_for(&ask(9), 99), None);
    }

    #[test]
    fn a_pass_that_left_something_out_stands_for_nothing() {
        let mut pass = passed();
        pass.end(&ask(3), &ask(9).seen, LEAST, true);
        assert_eq!(pass.shows_nothing_for(&ask(9), LATER), None);
        let mut skips = ask(3);
        skips.skip.insert(Text::from("other"));
        pass.end(&skips, &ask(9).seen, LEAST, false);
        assert_eq!(pass.shows_nothing_for(&ask(9), LATER), None);
    }

    #[test]
    fn a_small_store_is_read_each_time() {
        let mut pass = passed();
        pass.end(&ask(3), &ask(9).seen, LEAST - 1, false);
        assert_eq!(pass.shows_nothing_for(&ask(9), LATER), None);
    }
}
