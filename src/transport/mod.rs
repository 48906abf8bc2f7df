//! The exchange over HTTP.
//!
//! The messages are those of [`crate::protocol::wire`]; files lie beside them under `/files/`. What both
//! ends have to agree on is here, and in `docs/protocol.md` for who writes a peer in another language.

pub mod client;
pub mod gzip;

/// Where requests are posted.
pub const EXCHANGE_PATH: &str = "/sync/exchange";

/// What the path of a file begins with; its key follows, percent-encoded.
pub const FILES_PREFIX: &str = "/files/";
