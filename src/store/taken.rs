//! What a store says of an item that it was to take in.

use crate::engine::outcome::Outcome;
use crate::error::{Error, ErrorKind};

/// What is said of two versions with one timestamp.
pub(crate) const SHARED_NODE: &str = "two versions of an item have one timestamp and different content: two machines write \
     with one node id, or one stamps twice; the one that is greater in a canonical form stands on every side";

/// What became of an item that was to be taken in.
#[derive(Debug)]
pub enum Taken {
    /// It is stored.
    Applied,
    /// What is stored is not older.
    Stale,
    /// It could not be stored.
    Failed(Error),
    /// An earlier item of its node could not be stored, and order is strict.
    Behind,
}

impl From<Taken> for Outcome {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Applied => Self::Applied,
            Taken::Stale => Self::Stale,
            // To an engine the item is no argument of the app's: it came from a peer.
            Taken::Failed(error) if error.kind() == ErrorKind::InvalidArgument => {
                Self::Failed(error.as_kind(ErrorKind::MalformedItem))
            }
            Taken::Failed(error) => Self::Failed(error),
            Taken::Behind => Self::Behind,
        }
    }
}
