//! How far a reconciliation is.

/// What a reconciliation is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Each side holds its log against its tables. What is counted are sides.
    Verify,
    /// Ranges of keys are compared. What is counted are ranges.
    Compare,
    /// What differs travels. What is counted are items.
    Items,
    /// Objects are looked for on both sides. What is counted are keys.
    Objects,
}

impl Phase {
    /// How it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Compare => "compare",
            Self::Items => "items",
            Self::Objects => "objects",
        }
    }
}

/// How far a reconciliation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// In which phase.
    pub phase: Phase,
    /// How much of it is done.
    pub done: usize,
    /// How much there is, as far as is known by now.
    pub of: Option<usize>,
}
