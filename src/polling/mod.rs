//! Work on one thread that is polled by what it waits for.
//!
//! A [`Task`] is polled when it begins and whenever something that it waits for has happened, by whoever says so to its
//! [`Waits`], right there. There is no queue of tasks that are ready: whatever surrounds the saying, such as an
//! asynchronous context of JavaScript, surrounds what the task does next. Polls of one task never nest.

mod task;
mod turns;
mod waits;

pub use task::{Task, Tasks};
pub use turns::{Turn, Turns};
pub use waits::{Waiting, Waits};
