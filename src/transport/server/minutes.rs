//! Bytes by the minute, for the last hour.

use serde::Serialize;

/// For how many minutes bytes are counted one by one.
pub(super) const MINUTES: usize = 60;

/// A minute.
pub(super) const MINUTE_MS: u64 = 60_000;

/// See the [module page](self): a ring.
#[derive(Debug)]
pub(super) struct Minutes([(u64, u64, u64); MINUTES]);

impl Default for Minutes {
    fn default() -> Self {
        Self([(0, 0, 0); MINUTES])
    }
}

impl Minutes {
    /// Bytes came and went in this minute, counted from when the server was made.
    pub(super) fn add(&mut self, minute: u64, (came, went): (u64, u64)) {
        if let Some(slot) = self.0.get_mut(place_of(minute)) {
            if slot.0 != minute {
                *slot = (minute, 0, 0);
            }
            slot.1 += came;
            slot.2 += went;
        }
    }

    /// The last ones up to `minute`, which began at `at`; the oldest is the first. Before the first there are none.
    pub(super) fn last(&self, minute: u64, at: u64) -> Vec<MinuteOfBytes> {
        let first = minute.saturating_sub(MINUTES as u64 - 1);
        let shown = |each: u64| {
            let slot = self.0.get(place_of(each)).filter(|slot| slot.0 == each);
            MinuteOfBytes {
                at: at.saturating_sub((minute - each) * MINUTE_MS),
                bytes_in: slot.map_or(0, |slot| slot.1),
                bytes_out: slot.map_or(0, |slot| slot.2),
            }
        };
        (first..=minute).map(shown).collect()
    }
}

fn place_of(minute: u64) -> usize {
    usize::try_from(minute % MINUTES as u64).unwrap_or_default()
}

/// What came and went within a minute, which began at `at`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MinuteOfBytes {
    at: u64,
    bytes_in: u64,
    bytes_out: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn bytes_are_counted_by_the_minute_for_an_hour() {
        let mut minutes = Minutes::default();
        minutes.add(0, (1, 2));
        minutes.add(1, (3, 4));
        minutes.add(1, (0, 1));
        let of = |at, bytes_in, bytes_out| MinuteOfBytes {
            at,
            bytes_in,
            bytes_out,
        };
        let two = minutes.last(1, 100_000);
        assert_eq!(two, [of(40_000, 1, 2), of(100_000, 3, 5)]);
        minutes.add(60, (7, 0));
        let hour = minutes.last(60, 3_700_000);
        assert_eq!(hour.len(), MINUTES);
        assert_eq!(hour[0], of(160_000, 3, 5));
        assert_eq!(hour[59], of(3_700_000, 7, 0));
        assert!(
            minutes
                .last(500, 0)
                .iter()
                .all(|minute| minute.bytes_in + minute.bytes_out == 0)
        );
    }
}
