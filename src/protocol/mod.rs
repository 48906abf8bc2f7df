//! The rules of the exchange, and nothing else: no I/O, no async, no clock reads.
//!
//! Every node stamps what it writes with a hybrid logical clock ([`hlc`]). Two nodes tell each other
//! what they have seen as one timestamp per node ([`watermarks`]); whatever is newer is unseen. A page
//! ([`delta`]) holds the smallest unseen timestamps of all streams together, so that a watermark never
//! passes an item that was not sent. Of two versions of one item the greater timestamp wins ([`item`]).
//!
//! ```text
//! caller                                              answering side
//!   unseen items, at most a page  ── Request ──▶        take in, last writer wins
//!   take in, advance over each    ◀── Answer ───        unseen items, at most a page,
//!   node's contiguous prefix                            what it holds per node
//! ```
//!
//! One assumption carries it: a store gains the items of one node in the order of their timestamps. It
//! holds because a node's clock only moves forward and because pages are cut in that order. Two sides with
//! change logs ([`log`]) do without it.

pub mod delta;
pub mod grant;
pub mod hlc;
pub mod item;
pub mod log;
pub mod message;
pub mod text;
pub mod watermarks;
pub mod wire;
