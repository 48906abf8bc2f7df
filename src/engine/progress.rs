//! How far a round or a reconciliation is.

/// What a round or a reconciliation is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Phase {
    /// How it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Compare => "compare",
            Self::Items => "items",
            Self::Objects => "objects",
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

/// How far a round or a reconciliation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// In which phase.
    pub phase: Phase,
    /// How much of it is done.
    pub done: usize,
    /// How much there is, as far as is known by now.
    pub of: Option<usize>,
    /// The bytes that travelled in this phase, of a round.
    pub bytes: Option<u64>,
    /// How many there will be, as far as is known by now.
    pub bytes_of: Option<u64>,
}
