//! What an app hears of a round or a reconciliation that runs: how far it is, and which objects are on their way.

use serde::Serialize;

use crate::error::Error;
use crate::protocol::text::Text;

/// What is told. What is data alone of it can be written as JSON.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum News {
    /// How far it is.
    Progress(Progress),
    /// An object sets out, or its way is over.
    Transfer(Transfer),
}

impl News {
    /// What an object's way ended in, if it did not arrive.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Progress(_) => None,
            Self::Transfer(transfer) => transfer.ended.as_ref()?.error.as_ref(),
        }
    }
}

/// An object on its way.
#[derive(Debug, Clone, Serialize)]
pub struct Transfer {
    /// A number that no other transfer of this process has.
    pub transfer: u64,
    /// The object's key.
    pub key: Text,
    /// Which way it goes.
    pub direction: &'static str,
    /// What it came to, once that is known.
    #[serde(flatten)]
    pub ended: Option<Ended>,
}

/// What became of an object on its way.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// The bytes that travelled.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Why it did not arrive.
    #[serde(skip)]
    pub error: Option<Error>,
}

/// What a round or a reconciliation is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Each side holds its log against its tables. What is counted are sides.
    Verify,
    /// Ranges of keys are compared. What is counted are ranges.
    Compare,
    /// Items travel. What is counted are items.
    Items,
    /// Objects are looked for on both sides. What is counted are keys.
    Objects,
    /// The objects of a page are brought to the peer. What is counted are objects.
    Upload,
    /// The objects of a page are fetched from the peer. What is counted are objects.
    Download,
}

/// How far a round or a reconciliation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// In which phase.
    pub phase: Phase,
    /// How much of it is done.
    pub done: usize,
    /// How much there is, as far as is known by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<usize>,
    /// The bytes that travelled in this phase, of a round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How many there will be, as far as is known by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_of: Option<u64>,
}
