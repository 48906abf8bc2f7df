//! Timestamps, watermarks and items across the bridge.

mod items;
mod stamps;

pub use items::{Body, id_of, pack_as_json, read_record, read_row, read_size, read_stored};
pub use stamps::{
    TIMESTAMP, read_hlc, read_hlc_of, read_hlcs, read_watermarks, wanted_hlcs, write_hlc,
    write_watermarks,
};
