//! The bridge to JavaScript: the only folder that knows napi.
//!
//! - [`value`] is the language: values in their scopes, values kept for later, functions, promises.
//! - [`runtime`] polls rounds on the JS thread.
//! - [`adapters`] makes the app's adapters, and this package's own stores, ports of the engine.
//! - the other modules are what JavaScript sees.
//!
//! No rule of the protocol is decided here.

mod adapters;
mod clock;
mod console;
mod convert;
mod engine;
mod error;
mod exports;
mod http;
mod inside;
mod messages;
mod native_round;
mod options;
mod report;
mod runtime;
mod serving;
mod stores;
mod timestamps;
mod transport;
mod value;
