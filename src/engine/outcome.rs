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
