//! How far a round or a reconciliation is.

use serde::Serialize;

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
