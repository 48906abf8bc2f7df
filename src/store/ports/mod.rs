//! The stores as ports of the engine, each kind once: for a round on this thread ([`Here`]), and for one that
//! has the work of stores done elsewhere (another [`Threading`]).

mod chosen;
mod log;
mod objects;
mod port;
mod records;
mod state;

pub use self::chosen::Chosen;
pub use self::objects::ObjectPort;
pub use self::port::{Here, Port, Threading};
pub use self::records::{RecordPort, RowPort};
pub use self::state::{StatePort, start_over};
