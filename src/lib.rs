//! The native core of `@starkeep/sync-engine`.
//!
//! Starkeep keeps people's files and their apps' data on their own laptop and in their own cloud account.
//! One round of this engine compares, per node, what two sides have seen, ships what the other lacks
//! together with its objects, takes in what it lacks itself, last writer wins.
//!
//! | layer | knows | does not know |
//! |---|---|---|
//! | [`protocol`] | timestamps, watermarks, pages: the rules | I/O, async, clocks |
//! | [`engine`] | the round, the answering side, over ports | stores, sockets, JavaScript |
//! | [`store`] | SQLite files, folders, buckets | its callers |
//! | [`transport`] | HTTP: client and server | stores, JavaScript |
//! | [`polling`] | work that is polled by what it waits for | what that is, JavaScript |
//! | [`joint`] | how stores and transports meet | JavaScript |
//! | `node` | JavaScript | any rule |
//! | `testing` | the ports in memory, for tests: a feature, not in the product | SQLite, sockets, JavaScript |
//!
//! What holds, whatever fails:
//!
//! - No persisted watermark passes an item that was not taken in whole, or that was not shipped.
//! - An item is shipped only once its object is at the other side.
//! - An item that is held keeps nothing from moving but what its own node wrote after it.

pub mod engine;
pub mod error;
mod given;
pub mod joint;
mod moving;
pub mod polling;
pub mod protocol;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;

// The bridge has no tests of its own here: it is tested from JavaScript.
#[cfg(all(feature = "node", not(test)))]
mod node;
