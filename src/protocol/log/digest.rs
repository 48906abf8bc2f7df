//! The digest of a set of versions: how many they are, and the sum of their hashes.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Hashes and sums have this many bits: they are numbers of SQL and of JavaScript alike, and adding two of them
/// overflows in neither. Two different sets have one digest by chance once in 4 × 10^15 times.
const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;

/// How many versions, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How many.
    pub count: u64,
    /// The sum, modulo 2^52.
    pub sum: u64,
}

impl Digest {
    /// The digest of the sums of the upper and the lower halves of `count` hashes.
    pub fn of_halves(count: u64, upper: u64, lower: u64) -> Self {
        let upper = upper.wrapping_shl(BITS / 2);
        Self {
            count,
            sum: upper.wrapping_add(lower) & MASK,
        }
    }

    /// The digest of two sets that have nothing in common.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            sum: self.sum.wrapping_add(other.sum) & MASK,
        }
    }

    /// The digest without that of a set that is part of it.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_sub(other.count),
            sum: self.sum.wrapping_sub(other.sum) & MASK,
        }
    }

    /// Adds a version.
    pub fn add(&mut self, hash: u64) {
        *self = self.and(Self {
            count: 1,
            sum: hash,
        });
    }
}

/// The hash of the version of an item that was written at `time`, given in the text form of timestamps.
pub fn entry_hash(stream: &str, id: &str, time: &str) -> u64 {
    let mut hasher = Sha256::new();
    for part in [stream, "\0", id, "\0", time] {
        hasher.update(part.as_bytes());
    }
    let bytes: [u8; 32] = hasher.finalize().into();
    let first = bytes.iter().take(8);
    first.fold(0u64, |number, byte| number << 8 | u64::from(*byte)) & MASK
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_digest_depends_on_the_set_and_not_on_its_order(mut hashes in prop::collection::vec(0..=MASK, 0..40)) {
            let digest = |hashes: &[u64]| {
                let mut digest = Digest::default();
                for hash in hashes {
                    digest.add(*hash);
                }
                digest
            };
            let forwards = digest(&hashes);
            hashes.reverse();
            prop_assert_eq!(forwards, digest(&hashes));
            let upper = hashes.iter().map(|hash| hash >> (BITS / 2)).sum();
            let lower = hashes.iter().map(|hash| hash & ((1 << (BITS / 2)) - 1)).sum();
            prop_assert_eq!(forwards, Digest::of_halves(hashes.len() as u64, upper, lower));
            let whole = digest(&hashes);
            let some = hashes.len() / 3;
            prop_assert_eq!(whole.without(digest(&hashes[..some])), digest(&hashes[some..]));
            hashes.push(1);
            prop_assert_ne!(forwards, digest(&hashes));
        }
    }

    #[test]
    fn a_hash_tells_apart_what_is_divided_otherwise() {
        assert_ne!(entry_hash("a", "bc", "t"), entry_hash("ab", "c", "t"));
        assert!(entry_hash("", "x", "y") <= MASK);
    }

    #[test]
    fn the_stream_and_the_key_and_the_time_count_in_a_hash() {
        let others = [("b", "a", "a"), ("a", "b", "a"), ("a", "a", "b")];
        for (stream, id, time) in others {
            assert_ne!(entry_hash("a", "a", "a"), entry_hash(stream, id, time));
        }
    }
}
