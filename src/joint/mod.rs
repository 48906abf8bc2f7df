//! Where stores and transports meet, neither of which knows the other.
//!
//! [`round`] is what a round over stores of this crate's own speaks to; [`serving`] is what stands behind the routes of
//! a server over such stores. What of either only the app can do is a task of [`tasks`]: for a round see [`asking`], for
//! a server [`across`].

pub mod across;
pub mod asking;
pub mod native_log;
pub mod round;
pub mod serving;
pub mod tasks;
pub mod threads;
mod web;
