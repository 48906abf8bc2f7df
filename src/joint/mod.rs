//! Where stores and transports meet, neither of which knows the other.
//!
//! [`round`] is what a round over stores of this crate's own speaks to; [`serving`] is what stands behind the routes of
//! a server over such stores.

pub mod round;
pub mod serving;
