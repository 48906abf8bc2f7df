//! The change log of a database that the app opened with a library of its own.
//!
//! The statements are those of the native stores ([`log`](super::log)); they run on the app's handle, which is reached
//! through [`AppHandle`], each look and each page in one transaction. Where the app has a transaction of its own open,
//! that is the one, and what is told of it is told so that it may be rolled back.

mod app;
mod choice;
mod json;
mod keys;
mod known;
mod logged;

pub use self::app::{Accepted, AppHandle, WantedKey};
pub use self::choice::{Choice, rows_between};
pub use self::json::AskHandle;
pub use self::known::HandleLog;
pub use self::logged::Logged;
