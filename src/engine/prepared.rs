//! What a caller has before it needs it, see [`ahead`](super::ahead).

use crate::protocol::log::LogAnswer;
use crate::protocol::message::Answer;

use super::change_log::{Look, View};
use super::outgoing::Outgoing;
use super::pair::{Pair, Planes};

/// What is there before it is needed.
#[derive(Debug)]
pub(super) struct Prepared<B> {
    /// The page of the own log that follows on the one that was sent last, and what was asked for it.
    pub(super) page: Option<(Planes<Look>, Planes<View<B>>)>,
    /// The peer's page that follows on the one that was taken in last.
    pub(super) early: Option<Early<B>>,
}

impl<B> Default for Prepared<B> {
    fn default() -> Self {
        Self {
            page: None,
            early: None,
        }
    }
}

/// An answer that was asked for early.
#[derive(Debug)]
pub(super) struct Early<B> {
    /// What was thought to be known of the peer when the answer would be needed.
    pub(super) pairs: Planes<Pair>,
    pub(super) limit: usize,
    pub(super) out: Outgoing<B>,
    pub(super) answer: Answer<B>,
    pub(super) told: LogAnswer,
}
