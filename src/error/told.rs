//! What a caller from elsewhere hears of an error.

use super::{Error, ErrorKind, one_line};

impl Error {
    /// The same error, of which a caller from elsewhere hears this instead of the message.
    #[must_use]
    pub fn told_as(mut self, told: impl Into<String>) -> Self {
        self.0.told = Some(one_line(told.into()));
        self
    }

    /// All that a caller from elsewhere hears of it: what is about that which the caller sent, and nothing of the
    /// inside. Paths, what the database says, and what the app's own code threw stay on this side.
    pub fn told(&self) -> String {
        let sentence = match self.kind() {
            ErrorKind::InvalidKey
            | ErrorKind::ClockAhead
            | ErrorKind::BlobMissing
            | ErrorKind::HashMismatch
            | ErrorKind::SizeMismatch
            | ErrorKind::MalformedItem
            | ErrorKind::ItemTooLarge
            | ErrorKind::UnknownApp
            | ErrorKind::Forbidden => match &self.0.told {
                Some(told) => told,
                None => return self.to_string(),
            },
            ErrorKind::Constraint => "a constraint of the table refuses the row; change the row",
            ErrorKind::Busy => "the store is busy; try again in a second",
            ErrorKind::StorageFull => "the server's disk is full",
            _ => "the store of that side failed; its log says how",
        };
        sentence.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_hears_what_it_can_mend_and_nothing_of_the_inside() {
        let error = |kind| Error::new(kind, "do it", "/srv/store of \"secrets\"");
        for kind in [
            ErrorKind::Constraint,
            ErrorKind::Busy,
            ErrorKind::StorageFull,
            ErrorKind::Io,
            ErrorKind::Database,
            ErrorKind::Foreign,
            ErrorKind::Internal,
            ErrorKind::Sync,
        ] {
            assert!(!error(kind).told().contains("secrets"), "{kind:?}");
        }
        let known = error(ErrorKind::InvalidKey);
        assert_eq!(known.told(), known.to_string());
        assert_eq!(known.told_as("no key").told(), "no key");
    }
}
