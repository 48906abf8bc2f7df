//! What becomes of items on their way.

use crate::error::Error;

/// What became of an item that was to be taken in.
#[derive(Debug)]
pub enum Outcome {
    /// It is stored now and was not before.
    Applied,
    /// What is stored is as new, or newer.
    Stale,
    /// It could not be stored.
    Failed(Error),
    /// An earlier item of its node failed, and the order is strict.
    Behind,
}

/// Which way an item was going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the peer.
    Outbound,
    /// From the peer.
    Inbound,
}

impl Direction {
    /// How it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }

    /// The other one.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Outbound => Self::Inbound,
            Self::Inbound => Self::Outbound,
        }
    }
}
