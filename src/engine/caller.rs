//! A caller: what a round works with.

use std::cell::RefCell;

use serde::Deserialize;

use crate::given;
use crate::protocol::message::DEFAULT_PAGE_LIMIT;

use super::change_log::MOST_WAITING;
use super::ports::Side;
use super::session::Session;
use super::sweep::Sweep;
use super::watch::Watch;

/// How far ahead a timestamp may lie by default: 24 hours, in milliseconds.
pub const DEFAULT_MAX_CLOCK_SKEW_MS: u64 = 24 * 60 * 60 * 1000;

/// How many objects are on their way at one time by default.
pub const DEFAULT_BLOB_CONCURRENCY: usize = 8;

/// What an engine may be told.
#[derive(Debug, Clone, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each stands alone")]
#[serde(rename_all = "camelCase", default)]
pub struct RoundOptions {
    /// Items in a page, of either direction.
    #[serde(deserialize_with = "given::count")]
    pub page_limit: usize,
    /// Objects on their way at one time.
    #[serde(deserialize_with = "given::count")]
    pub blob_concurrency: usize,
    /// Whether there are more of them where they are small and the storages take it.
    pub more_small_blobs: bool,
    /// Whether the bytes of objects are checked against the hashes that their items name.
    pub verify_content_hash: bool,
    /// Whether an item that could not be applied stops its node until it is applied; for a node that others
    /// pull from.
    pub strict_order: bool,
    /// Whether a record that cannot be stored is held and never ends a round in its error, also where nothing else was
    /// taken in: the app wants to settle it.
    pub holds_all: bool,
    /// How far ahead of the system's clock a timestamp may lie, in milliseconds.
    #[serde(deserialize_with = "given::whole_ms")]
    pub max_clock_skew_ms: Option<u64>,
    /// At most this many items wait for the peer, between two sides with change logs.
    pub most_waiting: usize,
}

impl Default for RoundOptions {
    fn default() -> Self {
        Self {
            page_limit: DEFAULT_PAGE_LIMIT,
            blob_concurrency: DEFAULT_BLOB_CONCURRENCY,
            more_small_blobs: true,
            verify_content_hash: false,
            strict_order: false,
            holds_all: false,
            max_clock_skew_ms: Some(DEFAULT_MAX_CLOCK_SKEW_MS),
            most_waiting: MOST_WAITING,
        }
    }
}

/// A caller: its side, its peer, and what it remembers.
pub struct Engine<S: Side, O, X, T, E> {
    /// The own stores.
    pub side: S,
    /// The own objects.
    pub local: O,
    /// The objects of the other side.
    pub remote: O,
    /// The way to the other side.
    pub peer: X,
    /// What is persisted; without it every sweep begins at nothing.
    pub state: Option<T>,
    /// The listeners, told of what was applied.
    pub events: E,
    /// See [`RoundOptions`].
    pub options: RoundOptions,
    /// See [`Sweep`].
    pub sweep: RefCell<Sweep<S::Body>>,
    /// See [`Session`].
    pub session: RefCell<Session<S::Body>>,
    /// See [`Watch`].
    pub watch: Watch,
}
