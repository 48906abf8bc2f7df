//! The body of an answer.

use bytes::Bytes;

use crate::engine::object::Chunks;

/// The greatest answer, in bytes, whose request is not in work any more once the answer is handed over: until it is taken
/// it only lies in memory.
pub const SMALL_ANSWER: u64 = 64 * 1024;

/// The body of an answer.
pub enum AnswerBody {
    /// Bytes that are there.
    Whole(Bytes),
    /// Bytes that come in pieces.
    Pieces(Chunks),
}
