//! JavaScript values, as far as the bridge needs them.
//!
//! A [`Value`] lives in a [`Scope`] and cannot leave it; a [`Persistent`] outlives it. Every call into the engine's
//! JavaScript opens a scope of its own, so that a round over any number of records leaves no handles behind.

mod env;
mod function;
mod intrinsics;
mod make;
mod native;
mod read;
mod remote;

pub use napi::ValueType as Kind;

pub use env::{Env, Persistent, Runtime, Scope, Thrown, Value, thrown_in};
pub use function::{
    Call, Function, Method, add_functions, bound, enter, function, object_of_methods,
};
pub use intrinsics::Intrinsic;
pub use make::list;
pub use native::{brand, half};
pub use remote::Remote;
