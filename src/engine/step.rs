//! One request of a round by logs.

use super::round::Report;

/// One request and all that follows from it.
pub(super) struct Step<B> {
    pub(super) report: Report<B>,
    /// Nothing went out, because other objects are in the way which may not be replaced before all is heard.
    pub(super) only_heard: bool,
    /// The peer has less than it had.
    pub(super) rewound: bool,
}

impl<B> Step<B> {
    /// Whether another request follows in any case.
    pub(super) fn is_partial(&self) -> bool {
        self.only_heard || self.rewound
    }
}
