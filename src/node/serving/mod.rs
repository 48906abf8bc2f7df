//! The answering side over HTTP, as JavaScript sees it.
//!
//! Requests are answered on the native threads, by [`crate::transport::server`]. What only JavaScript can
//! do (an adapter of the app's, its `authorize`) comes back to its thread as a [task](crate::joint::tasks::TaskQueue), and runs
//! in the asynchronous context that the handler or `listen()` was called in.

mod channel;
mod handler;
mod server;

pub use handler::create_http_sync_handler;
pub use server::create_http_sync_server;
