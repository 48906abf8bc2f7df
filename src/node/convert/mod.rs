//! Timestamps, watermarks and items across the bridge.

mod body;
mod items;
mod stamps;

pub use body::{Body, as_body, pack_as_json};
pub use items::{
    faulty_record, faulty_row, is_nameless, malformed, read_record, read_row, read_size,
    read_stamped, unreadable,
};
pub use stamps::{
    TIMESTAMP, read_hlc, read_hlc_of, read_hlcs, read_watermarks, wanted_hlcs, write_hlc,
    write_watermarks,
};
