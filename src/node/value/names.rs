//! The names of nodes by number, as `js/bridge/names.js` numbers them.
//!
//! Both sides know the same names, so that a timestamp crosses as three numbers.

use std::cell::Cell;
use std::collections::HashMap;

use super::env::Env;
use super::intrinsics::Intrinsic;
use super::scope::Scope;
use super::shared_buffer::Slot;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, safe_integer};
use crate::protocol::text::Text;

/// What this side knows of the numbering.
#[derive(Default)]
pub struct NumberedNames {
    generation: f64,
    names: Vec<Text>,
    numbers: HashMap<Text, u32>,
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

impl Env {
    /// Hands the names to `read`, those that were numbered last among them.
    pub fn with_names<R>(
        &self,
        scope: Scope<'_>,
        read: impl FnOnce(&NumberedNames) -> R,
    ) -> Result<R> {
        let mut known = self.numbered.borrow_mut();
        let generation = self.shared.get(Slot::Generation);
        if known.generation.to_bits() != generation.to_bits() {
            *known = NumberedNames {
                generation,
                ..NumberedNames::default()
            };
        }
        let count = self.shared.count(Slot::Names).unwrap_or_default();
        if known.names.len() < count {
            let names = self.intrinsic(scope, Intrinsic::NodeNames)?;
            for index in (0..scope.length(names)?).skip(known.names.len()) {
                let name = scope.as_text(scope.element(names, index)?);
                let name = name.unwrap_or_else(|| Text::from(""));
                known.numbers.insert(name.clone(), index);
                known.names.push(name);
            }
        }
        Ok(read(&known))
    }

    /// The number of a name.
    pub fn number_of(&self, scope: Scope<'_>, name: &Text) -> Result<f64> {
        let known = |names: &NumberedNames| names.numbers.get(name).copied();
        if let Some(number) = self.with_names(scope, known)? {
            return Ok(f64::from(number));
        }
        self.helper(scope, Intrinsic::NumberOfName, &[scope.string(name)?])?;
        let number = self.shared.get(Slot::Count);
        if self.with_names(scope, |names| names.name(number).is_some())? {
            return Ok(number);
        }
        let what = "a name was given no number";
        Err(Error::new(ErrorKind::Internal, "number a node", what))
    }

    /// Lays a timestamp down, so many places after the first.
    pub fn put_hlc(&self, scope: Scope<'_>, further: usize, hlc: &Hlc) -> Result<()> {
        let name = self.number_of(scope, &hlc.node_id)?;
        for (index, number) in [as_number(hlc.wall_time), as_number(hlc.counter), name]
            .into_iter()
            .enumerate()
        {
            self.shared.put_after(Slot::First, further + index, number);
        }
        Ok(())
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts and timestamps are safe integers"
)]
fn as_number(count: u64) -> f64 {
    count as f64
}
