//! The names of nodes by number, as `js/bridge/names.js` numbers them.
//!
//! Both sides know the same names, so that a timestamp crosses as three numbers.

use std::cell::Cell;
use std::collections::HashMap;

use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::text::Text;

/// What this side knows of the numbering.
#[derive(Default)]
pub struct NumberedNames {
    pub(super) generation: f64,
    pub(super) names: Vec<Text>,
    pub(super) numbers: HashMap<Text, u32>,
}

impl NumberedNames {
    /// Numbers of a timestamp: wall time, counter, and the number of the node's name.
    pub const STRIDE: usize = 3;

    /// The name with this number.
    pub fn name(&self, number: f64) -> Option<&Text> {
        self.names.get(usize::try_from(safe_integer(number)?).ok()?)
    }

    /// Of timestamps in cells, those that are `wanted`, with their index; `None` for what is none.
    ///
    /// Most of a page are not wanted: one timestamp of each node serves to look at them all.
    pub fn wanted_hlcs(
        &self,
        cells: &[Cell<f64>],
        wanted: impl Fn(&Hlc) -> bool,
    ) -> Vec<(u32, Option<Hlc>)> {
        let of_node = |name: &Text| Hlc::new(0, 0, name.clone());
        let mut of_nodes: Vec<Hlc> = self.names.iter().map(of_node).collect();
        let mut found = Vec::new();
        for (index, stamp) in (0u32..).zip(cells.chunks_exact(Self::STRIDE)) {
            let parts = parts(stamp);
            match parts
                .and_then(|(_, _, name)| of_nodes.get_mut(name))
                .zip(parts)
            {
                Some((hlc, (wall_time, counter, _))) => {
                    hlc.wall_time = wall_time;
                    hlc.counter = counter;
                    if wanted(hlc) {
                        found.push((index, Some(hlc.clone())));
                    }
                }
                None => found.push((index, None)),
            }
        }
        found
    }

    /// The timestamp of three cells; `None` where they are none.
    pub fn hlc_at(&self, stamp: &[Cell<f64>]) -> Option<Hlc> {
        let (wall_time, counter, name) = parts(stamp)?;
        Some(Hlc::new(wall_time, counter, self.names.get(name)?.clone()))
    }
}

/// The wall time, the counter and the number of the name in three cells.
fn parts(stamp: &[Cell<f64>]) -> Option<(u64, u64, usize)> {
    let [wall_time, counter, name] = stamp else {
        return None;
    };
    let name = usize::try_from(safe_integer(name.get())?).ok()?;
    Some((
        safe_integer(wall_time.get())?,
        safe_integer(counter.get())?,
        name,
    ))
}
