//! What a store of records is able to do beside what all of them are.

use std::cell::Cell;

use super::batch::has_function;
use crate::error::Result;
use crate::node::value::{Handle, Intrinsic, Key, Slot};
use crate::protocol::hlc::safe_integer;

/// In the order of `ABILITIES` in `js/bridge/pack.js`.
const ABILITIES: [Key; 3] = [Key::GetNodeWatermarks, Key::QueryUnseen, Key::ApplyRecords];

/// What the adapter had at the beginning of the call.
#[derive(Default)]
pub struct Abilities(Cell<Option<u64>>);

impl Abilities {
    /// Looks at the adapter. Where that throws, each ability is looked for when it is asked for.
    pub fn look(&self, adapter: &Handle) -> Result<()> {
        let env = adapter.env();
        let found = env.scope(|scope| {
            let adapter = adapter.value(scope)?;
            let packed = env.helper(scope, Intrinsic::PackAbilities, &[adapter]);
            Ok(packed.is_ok().then(|| env.shared.get(Slot::First)))
        })?;
        self.0.set(found.and_then(safe_integer));
        Ok(())
    }

    /// Whether the adapter has this function.
    pub fn has(&self, adapter: &Handle, key: Key) -> Result<bool> {
        let bit = ABILITIES
            .iter()
            .position(|ability| *ability as u32 == key as u32);
        match (self.0.get(), bit) {
            (Some(found), Some(bit)) => Ok(found >> bit & 1 == 1),
            _ => has_function(adapter, key),
        }
    }
}
