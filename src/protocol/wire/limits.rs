//! What a body is, and how much a message may hold.

use std::sync::Arc;

/// A body as JSON text.
pub type Json = Arc<str>;

/// Messages that nest deeper are refused. It keeps code that reads a body by recursion from running out
/// of stack.
pub const MAX_DEPTH: usize = 2048;

/// How deep a body may nest, so that the message around it is not refused.
pub const MAX_BODY_DEPTH: usize = MAX_DEPTH - 2;

/// The longest node id, in UTF-16 code units. A node id is kept for ever in every watermark.
pub const MAX_NODE_ID: usize = 4096;
