//! JavaScript values, as far as the bridge needs them.
//!
//! A [`Value`] lives in a [`Scope`] and cannot leave it; a [`Persistent`] holds a value for as long as it is
//! held. Every call into the engine's JavaScript opens a scope of its own, so that a round over any
//! number of records leaves no handles behind.

mod calls;
mod describe;
mod env;
mod function;
mod handle;
mod intrinsics;
mod keys;
mod kind;
mod make;
mod native;
mod object;
mod read;
mod remote;

pub use env::{Env, Persistent, Runtime, Scope, Thrown, Value, thrown_in};
pub use function::{Call, Function, Method, function};
pub use handle::{Handle, bound, enter};
pub use intrinsics::Intrinsic;
pub use keys::Key;
pub use kind::Kind;
pub use make::list;
pub use native::{brand, native_of};
pub use remote::Remote;
