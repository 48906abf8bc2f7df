//! x
pub mod error;
pub mod protocol;
pub mod engine;
pub mod store;
#[cfg(feature = "binding")]
mod binding;
