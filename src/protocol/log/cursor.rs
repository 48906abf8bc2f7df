//! Positions in logs, and what two histories have in common.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::protocol::hlc::MAX_SAFE_INTEGER;

/// A stretch of the history of one file: from one opening of it to the next. A copy of the file begins stretches
/// of its own, so that what two files wrote after they parted is never taken for one history.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(Arc<str>);

impl Generation {
    /// At most this many characters.
    const LONGEST: usize = 64;

    /// The generation of this name, if it can be one: digits and lowercase letters.
    pub fn new(name: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (1..=Self::LONGEST).contains(&name.len()) && name.bytes().all(is_plain);
        fits.then(|| Self(name.into()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A position in a log: everything up to and with the number `seq`. As text it is `generation.seq`, which to
/// everybody but its log is a token that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// In which stretch of the history.
    pub generation: Generation,
    /// The number.
    pub seq: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation.name(), self.seq)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MALFORMED: &str = "a cursor must be <generation>.<number>";
        let (generation, seq) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let is_number = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
        let seq: u64 = seq.parse().map_err(|_| MALFORMED)?;
        match Generation::new(generation) {
            Some(generation) if is_number && seq <= MAX_SAFE_INTEGER => {
                Ok(Self { generation, seq })
            }
            _ => Err(MALFORMED),
        }
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The history of a log, newest stretch first: of each the last number that the log has of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(pub Vec<Cursor>);

impl History {
    /// Where the log ends.
    pub fn head(&self) -> Option<&Cursor> {
        self.0.first()
    }

    /// The stretches that reach `seq`, and at least so many of the newest ones: enough to know again who has noted that
    /// number.
    #[must_use]
    pub fn since(&self, seq: u64, least: usize) -> Self {
        let reaching = self.0.iter().take_while(|stretch| stretch.seq >= seq);
        let count = reaching.count().max(least);
        Self(self.0.iter().take(count).cloned().collect())
    }

    /// The position at a number of this log; `None` if nothing was ever written to it.
    pub fn at(&self, seq: u64) -> Option<Cursor> {
        let reached = self.0.iter().rev().find(|stretch| stretch.seq >= seq);
        let stretch = reached.or(self.0.first())?;
        Some(Cursor {
            generation: stretch.generation.clone(),
            seq,
        })
    }

    /// How far a side has this log that has taken in what `cursors` say. A stretch that is not known here was
    /// another file's; of a known one, what this log has of it is common to both.
    pub fn common(&self, cursors: &[Cursor]) -> Option<u64> {
        let of = |cursor: &Cursor| {
            self.last_of(&cursor.generation)
                .map(|last| last.min(cursor.seq))
        };
        cursors.iter().filter_map(of).max()
    }

    /// Whether a version that came from `origin` is in this log: it need not travel back.
    pub fn has(&self, origin: &Cursor) -> bool {
        self.last_of(&origin.generation)
            .is_some_and(|last| origin.seq <= last)
    }

    fn last_of(&self, generation: &Generation) -> Option<u64> {
        let mut known = self.0.iter();
        let found = known.find(|known| known.generation == *generation);
        found.map(|known| known.seq)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn history(text: &str) -> History {
        History(
            text.split_whitespace()
                .map(|one| one.parse().unwrap())
                .collect(),
        )
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_is_one() {
        let cursor: Cursor = "a1.12".parse().unwrap();
        assert_eq!(cursor.to_string(), "a1.12");
        for text in [
            "",
            "a",
            "a.",
            ".1",
            "a.-1",
            "a.+1",
            "A.1",
            "a b.1",
            "a.9007199254740992",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
        assert!(format!("{}.1", "a".repeat(65)).parse::<Cursor>().is_err());
    }

    #[test]
    fn two_histories_have_in_common_what_both_reached_of_a_stretch() {
        // A copy went on from 120 of the first stretch, the original reached 130 and went on after it.
        let copy = history("c.125 a.120");
        assert_eq!(copy.common(&history("b.140 a.130").0), Some(120));
        assert_eq!(copy.common(&history("a.100").0), Some(100));
        assert_eq!(copy.common(&history("b.140").0), None);
        assert!(copy.has(&"a.120".parse().unwrap()));
        assert!(!copy.has(&"a.121".parse().unwrap()) && !copy.has(&"b.1".parse().unwrap()));
    }

    #[test]
    fn a_position_is_of_the_stretch_that_its_number_was_given_in() {
        let history = history("c.125 b.120 a.110");
        let at = |seq| history.at(seq).unwrap().to_string();
        assert_eq!(
            [at(105), at(110), at(111), at(121)],
            ["a.105", "a.110", "b.111", "c.121"]
        );
    }
}
