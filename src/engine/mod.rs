//! The round of data, over ports. Nothing here knows a database, a socket or JavaScript: the world is in [`ports`], and in
//! [`change_log`] what a store says of its changes. Each file has one subject; these are all of them, in the order in which
//! data goes through them.
//!
//! **A caller** (`caller`) is asked for an [`action`]. `asking` and [`watch`] are what an app sees and stops of one that runs,
//! [`progress`] what it hears.
//!
//! **A round by watermarks** ([`round`]) sends what the other side has not seen:
//! - [`outbound`] gathers a page, by an index or by a [`scan`] ([`pages`]); [`shipment`] says what of it may go into one
//!   message, and `sending` sends it;
//! - [`sweep`] is what is remembered from round to round, so that an item which is held (`holding`) keeps nothing else from
//!   moving, and `advancing` how far the watermarks go;
//! - `guards` and `guarding` say what of the watermarks counts where a clock went back, a node id is in two places, or a store
//!   lost what it had; `superseded` and `resting` spare what need not be sent or read again.
//!
//! **A round by change logs** (`round_logged`, one `step` after the other) is between two sides whose stores keep them:
//! - `greeting` asks a peer where its logs stand; `first_sync` is for two sides that both hold something. [`session`] is what is
//!   remembered of the peer, of each plane (`planes`) as a `pair` of logs;
//! - `outgoing` is a page of the own log, and `ahead` (`prepared`) reads the next one while the peer works;
//! - `learning` takes in the answer: `receiving` its items, `log_answer` how far both logs got. `waiting` and `stuck` are what
//!   waits;
//! - `proving` compares what both sides hold, and `differences` and `reconcile` mend what differs.
//!
//! **Taking in** is [`apply`] by watermarks, and `apply_logged` by logs. What `admission` lets through goes to [`apply_records`]
//! and [`apply_rows`], or as a page to a store that is able to (`apply_page`). [`order_guard`] says what waits behind a failure,
//! [`node_ids`] how many nodes there may be. [`arrival`], `inbound`, [`outcome`] and [`held`] are what becomes of items.
//! [`conflict`] says which versions are in conflict, and `meeting` where a caller finds them.
//!
//! **Objects** of a round are in `carry`: `claims` says which item decides what is under a key, `blobs` moves many at one time
//! (`window`), `bring` one of them, [`copying`] its bytes, [`object`] those between native storages. [`transfer`] tells of each.
//!
//! **The answering side** is [`responder`], which sees what a caller may ([`granted`]):
//! - `answer_logged` and `answer_compare` are its answers by logs, `common` what the two sides both have;
//! - an answer says what it holds (`answer_coverage`) and what it did not take in or cannot send (`refusals`, `named`), within
//!   `answer_page` and `answer_room`. `left_behind` is kept from one request to the next;
//! - `beside` says which requests run together, and `memory` which need no store (`at_hand`, [`freshness`]);
//! - `overtaken` tells a caller without logs what its watermarks have passed over.
//!
//! **What an app asks for itself**: [`reconcile_all`] and [`reconcile_objects`], `backlog`, and [`purge`], which says what
//! tombstones may go for good.
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
