//! What becomes of items on their way.

use crate::error::{Error, ErrorKind, Result};

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

impl Outcome {
    /// What a store says of an item, by the name of its status; `reason` is asked where it failed.
    ///
    /// # Errors
    /// That of `reason`.
    pub fn said(
        operation: &str,
        status: Option<&str>,
        reason: impl FnOnce() -> Result<Option<Error>>,
    ) -> Result<Self> {
        let failed = |kind, what: &'static str| Error::new(kind, operation.to_owned(), what);
        Ok(match status {
            Some("applied") => Self::Applied,
            Some("stale") => Self::Stale,
            Some("behind") => Self::Behind,
            Some("failed") => Self::Failed(reason()?.unwrap_or_else(|| {
                let what = "the item could not be stored; the adapter gives no reason";
                failed(ErrorKind::Foreign, what)
            })),
            _ => Self::Failed(failed(
                ErrorKind::InvalidArgument,
                "must answer a status that is applied, stale, failed or behind",
            )),
        })
    }

    /// What becomes of an item of which the store said nothing.
    pub(super) fn unsaid() -> Self {
        Self::Failed(Error::new(
            ErrorKind::Internal,
            "take in an item",
            "the store did not say what became of it",
        ))
    }

    /// What became of the one item that was given to a store.
    pub(super) fn of_one(taken: Result<Vec<Self>>) -> Self {
        match taken {
            Ok(outcomes) => outcomes.into_iter().next().unwrap_or_else(Self::unsaid),
            Err(error) => Self::Failed(error),
        }
    }
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
