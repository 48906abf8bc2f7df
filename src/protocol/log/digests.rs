//! What is held: all versions, and which of them are tombstones.

use super::digest::Digest;

/// The digests of what is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digests {
    /// Of all versions.
    pub all: Digest,
    /// Of the tombstones among them.
    pub deleted: Digest,
}

impl Digests {
    /// What is alive.
    pub fn alive(self) -> Digest {
        self.all.without(self.deleted)
    }

    /// Of two sets that have nothing in common.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            all: self.all.and(other.all),
            deleted: self.deleted.and(other.deleted),
        }
    }

    /// Without what a set counts for that is part of it.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            all: self.all.without(other.all),
            deleted: self.deleted.without(other.deleted),
        }
    }

    /// Adds the digest of versions that are all tombstones, or all not.
    pub fn add_some(&mut self, some: Digest, are_deleted: bool) {
        self.all = self.all.and(some);
        if are_deleted {
            self.deleted = self.deleted.and(some);
        }
    }

    /// Adds a version.
    pub fn add(&mut self, hash: u64, is_deleted: bool) {
        let mut one = Digest::default();
        one.add(hash);
        self.add_some(one, is_deleted);
    }
}
