//! A hybrid logical clock whose physical time is whatever a test says.

use std::cell::Cell;
use std::rc::Rc;

use super::faults::{Faults, Operation};
use crate::engine::ports::Clock;
use crate::error::Result;
use crate::protocol::hlc::{ClockState, Hlc, NodeId};
use crate::protocol::text::Text;

/// The clock of a node. All clones are one clock.
#[derive(Debug, Clone)]
pub struct MemoryClock {
    node: NodeId,
    physical: Rc<Cell<u64>>,
    state: Rc<Cell<ClockState>>,
    faults: Faults,
}

impl MemoryClock {
    /// The clock of `node`; it stands at `physical` milliseconds.
    pub fn new(node: &str, physical: u64, faults: Faults) -> Self {
        Self {
            node: Text::from(node),
            physical: Rc::new(Cell::new(physical)),
            state: Rc::default(),
            faults,
        }
    }

    /// The plan of its side.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Sets the physical time, forward or back.
    pub fn set_physical(&self, ms: u64) {
        self.physical.set(ms);
    }

    /// Forgets what it stamped and heard, as a program does that ends.
    pub fn forget(&self) {
        self.state.set(ClockState::default());
    }

    /// Stamps a local event.
    pub fn now(&self) -> Hlc {
        let state = self.state.get().tick(self.physical.get());
        self.state.set(state);
        Hlc::new(state.wall_time, state.counter, self.node.clone())
    }
}

impl Clock for MemoryClock {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        self.faults.meet(Operation::HearClock, None).await?;
        let state = self.state.get().receive(remote, self.physical.get());
        self.state.set(state);
        Ok(())
    }

    async fn next(&self) -> Result<Option<Hlc>> {
        let state = self.state.get().tick(self.physical.get());
        let stamp = Hlc::new(state.wall_time, state.counter, self.node.clone());
        Ok(Some(stamp))
    }

    fn app_ms(&self) -> u64 {
        self.physical.get()
    }

    fn system_ms(&self) -> u64 {
        self.physical.get()
    }
}
