//! The clock that stamps.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Hlc, MAX_SAFE_INTEGER};

/// The moving part of a hybrid logical clock. Pure: the physical time is an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockState {
    /// The greatest wall time seen, in milliseconds.
    pub wall_time: u64,
    /// Events within that millisecond.
    pub counter: u64,
}

impl ClockState {
    /// The state after a local event at `physical` milliseconds.
    #[must_use]
    pub fn tick(self, physical: u64) -> Self {
        if physical > self.wall_time {
            Self {
                wall_time: physical,
                counter: 0,
            }
        } else {
            self.next()
        }
    }

    /// The state after hearing of `remote` at `physical` milliseconds.
    #[must_use]
    pub fn receive(self, remote: &Hlc, physical: u64) -> Self {
        let heard = Self {
            wall_time: remote.wall_time,
            counter: remote.counter,
        };
        if physical > self.wall_time && physical > heard.wall_time {
            return Self {
                wall_time: physical,
                counter: 0,
            };
        }
        match self.wall_time.cmp(&heard.wall_time) {
            Ordering::Greater => self.next(),
            Ordering::Less => heard.next(),
            Ordering::Equal => Self {
                wall_time: self.wall_time,
                counter: self.counter.max(heard.counter),
            }
            .next(),
        }
    }

    /// One event later. A full counter moves into the wall time, so that both stay safe integers.
    fn next(self) -> Self {
        if self.counter < MAX_SAFE_INTEGER {
            Self {
                counter: self.counter + 1,
                ..self
            }
        } else {
            Self {
                wall_time: self.wall_time + 1,
                counter: 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::any_hlc;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_clock_never_goes_back(a in any_hlc(), physical in 0..1u64 << 48, wall in 0..1u64 << 48) {
            let state = ClockState { wall_time: wall, counter: 7 };
            let heard = state.receive(&a, physical);
            prop_assert!((heard.wall_time, heard.counter) > (state.wall_time, state.counter));
            prop_assert!((heard.wall_time, heard.counter) > (a.wall_time, a.counter));
            let ticked = heard.tick(physical);
            prop_assert!((ticked.wall_time, ticked.counter) > (heard.wall_time, heard.counter));
        }
    }
}
