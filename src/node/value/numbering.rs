//! An environment's numbering of the names of nodes.

use super::env::Env;
use super::intrinsics::Intrinsic;
use super::names::NumberedNames;
use super::scope::Scope;
use super::shared_buffer::Slot;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::protocol::text::Text;

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
