//! JavaScript values, as far as the bridge needs them.
//!
//! A [`Value`] lives in a [`Scope`] and cannot leave it; a [`Persistent`] holds a value for as long as it is
//! held. Every call into the engine's JavaScript opens a scope of its own, so that a round over any
//! number of records leaves no handles behind.

mod describe;
mod env;
mod function;
mod handle;
mod intrinsics;
mod keys;
mod make;
mod names;
mod native;
mod numbering;
mod object;
mod read;
mod remote;
mod scope;
mod shared_buffer;

pub use env::{Env, Persistent, Runtime};
pub use function::{Call, Function, Method, function};
pub use handle::{Handle, bound, enter};
pub use intrinsics::Intrinsic;
pub use keys::Key;
pub use names::NumberedNames;
pub use native::{brand, native_of};
pub use remote::Remote;
pub use scope::{Kind, Scope, Value, keep_thrown_by};
pub use shared_buffer::{FULFILLED, NOT_CALLABLE, SharedBuffer, Slot, WAITING};
