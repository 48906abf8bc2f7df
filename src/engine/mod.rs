//! The round of data, over ports.
//!
//! [`round`] is the caller's side of an exchange, [`responder`] the answering side. Both gather what the
//! other has not seen with [`outbound`] and [`scan`], and take in items with [`apply`]: what `admission` lets through
//! goes to [`apply_records`] and [`apply_rows`], and [`order_guard`] says what waits behind a failure. `blobs` moves the
//! objects, each with `bring` and [`copying`], and [`transfer`] tells of each. [`sweep`] is what the caller remembers from
//! round to round, so that an item which is held keeps nothing else from moving, and `advancing` how far the watermarks
//! go. [`shipment`] says which items of a page
//! may go into a message, [`held`] what is said of those that may not. `guards` says what of the watermarks counts where a
//! clock went back, a node id is in two places, or a store lost what it had.
//!
//! Two sides whose stores keep change logs exchange by them instead. `greeting` asks a peer where its logs stand,
//! `round_logged` sends a page of the own log (`outgoing`) and gets one, `learning` takes in the answer (`receiving` its
//! items) and notes how far both got (`log_answer`), `proving` compares what both sides hold, and `differences` and
//! `reconcile` mend what differs; `first_sync` begins with that. The answering side is `answer_logged` (`answer_compare`); `beside` says which of its requests run
//! together, and `memory` which need no store. [`session`] is what is remembered of the peer, [`change_log`] what is asked
//! of a store, and `backlog` counts what the peer lacks.
//!
//! An answering side keeps `left_behind` from one request to the next. Its answers say what it holds (`answer_coverage`)
//! and what it did not take in or cannot send (`refusals`), within `answer_room`.
//!
//! [`conflict`] says which versions are in conflict, and `meeting` where a caller finds them.
//!
//! [`purge`] says which tombstones may go for good, by what was heard of peers.
//!
//! A caller without logs is told by a peer that keeps them what its watermarks have passed over: `overtaken`.
//!
//! Nothing here knows a database, a socket or JavaScript: the world is in [`ports`].
//!
//! Invariants of rounds by logs:
//! - how far a log was taken in is noted in the store that took it in, never before the items and their objects are
//!   there or are noted to wait;
//! - what waits holds only itself;
//! - two sides are said to be in sync only if the digests of both are equal and nothing waits.
//!
//! Invariants of rounds by watermarks:
//! - a persisted watermark never passes an item that was not taken in whole, nor one that was not shipped;
//! - an item is shipped only once its object is at the other side;
//! - nothing waits behind a held item but what the same node wrote after it;
//! - an object takes the place of another one only if it is what the newest item of its key says it is.

pub mod action;
mod admission;
mod advancing;
mod ahead;
mod answer_compare;
mod answer_coverage;
mod answer_logged;
mod answer_page;
mod answer_room;
pub mod apply;
mod apply_logged;
mod apply_page;
pub mod apply_records;
pub mod apply_rows;
pub mod arrival;
mod asking;
mod at_hand;
mod backlog;
mod beside;
mod blobs;
mod bring;
mod caller;
mod carry;
pub mod change_log;
mod claims;
mod common;
pub mod conflict;
pub mod copying;
mod differences;
mod first_sync;
pub mod freshness;
pub mod granted;
mod greeting;
mod guarding;
mod guards;
pub mod held;
mod holding;
mod inbound;
mod learning;
mod left_behind;
mod log_answer;
mod meeting;
mod memory;
mod named;
pub mod node_ids;
pub mod object;
pub mod order_guard;
pub mod outbound;
pub mod outcome;
mod outgoing;
mod overtaken;
pub mod pages;
mod pair;
mod planes;
pub mod ports;
mod prepared;
pub mod progress;
mod proving;
pub mod purge;
mod receiving;
mod reconcile;
pub mod reconcile_all;
pub mod reconcile_objects;
mod refusals;
pub mod responder;
mod resting;
pub mod round;
mod round_logged;
pub mod scan;
mod sending;
pub mod session;
pub mod shipment;
mod step;
mod stuck;
mod superseded;
pub mod sweep;
pub mod transfer;
mod waiting;
pub mod watch;
mod window;
