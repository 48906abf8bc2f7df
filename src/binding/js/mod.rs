//! JavaScript values, as far as the border needs them.
//!
//! A [`Value`] lives in a [`Scope`] and cannot leave it; a [`Kept`] holds a value for as long as it is
//! held. Every call into the engine's JavaScript opens a scope of its own, so that a round over any
//! number of records leaves no handles behind.

mod describe;
mod desk;
mod function;
mod handle;
mod intrinsics;
mod keys;
mod make;
mod names;
mod native;
mod object;
mod read;
mod realm;
mod remote;
mod value;

pub use desk::{Desk, FULFILLED, NOT_CALLABLE, Place, WAITING};
pub use function::{Call, function};
pub use handle::{Handle, bound, enter};
pub use intrinsics::Intrinsic;
pub use keys::Key;
pub use names::NumberedNames;
pub use native::{behind, mark};
pub use realm::{Kept, Realm};
pub use remote::Remote;
pub use value::{Kind, Scope, Value};
