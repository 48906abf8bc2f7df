//! What an engine remembers between rounds.

use std::cell::RefCell;
use std::rc::Rc;

use super::faults::{Faults, Operation, pause};
use crate::engine::ports::State;
use crate::error::Result;
use crate::protocol::log::LogPositions;
use crate::protocol::watermarks::Watermarks;

/// Watermarks. All clones are one store; each map is written on its own, as apps' stores do.
#[derive(Debug, Clone, Default)]
pub struct MemoryState {
    own: Rc<RefCell<Watermarks>>,
    peer: Rc<RefCell<Watermarks>>,
    logs: Rc<RefCell<LogPositions>>,
    faults: Faults,
}

impl MemoryState {
    /// A state without watermarks.
    pub fn new(faults: Faults) -> Self {
        Self {
            faults,
            ..Self::default()
        }
    }

    /// What is persisted: own and peer watermarks.
    pub fn persisted(&self) -> (Watermarks, Watermarks) {
        (self.own.borrow().clone(), self.peer.borrow().clone())
    }

    /// Puts these in the place of what is persisted.
    pub fn replace(&self, (own, peer): (Watermarks, Watermarks)) {
        *self.own.borrow_mut() = own;
        *self.peer.borrow_mut() = peer;
        self.logs.take();
    }
}

impl State for MemoryState {
    async fn watermarks(&self) -> Result<Watermarks> {
        self.faults.meet(Operation::ReadState, None).await?;
        Ok(self.own.borrow().clone())
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        self.faults.meet(Operation::ReadState, None).await?;
        Ok(self.peer.borrow().clone())
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.faults.meet(Operation::WriteState, None).await?;
        *self.own.borrow_mut() = watermarks.clone();
        pause().await;
        Ok(())
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        self.faults.meet(Operation::WriteState, None).await?;
        *self.peer.borrow_mut() = watermarks.clone();
        pause().await;
        Ok(())
    }

    async fn log_positions(&self) -> Result<Option<LogPositions>> {
        self.faults.meet(Operation::ReadState, None).await?;
        Ok(Some(self.logs.borrow().clone()))
    }

    async fn set_log_positions(&self, positions: &LogPositions) -> Result<()> {
        self.faults.meet(Operation::WriteState, None).await?;
        *self.logs.borrow_mut() = positions.clone();
        pause().await;
        Ok(())
    }
}
