//! The hybrid logical clock that native sides and the app share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::StateStore;
use super::known::{Keeper, Known, later};
use crate::engine::ports::Clock;
use crate::error::Result;
use crate::protocol::hlc::{ClockState, Hlc, NodeId};

/// Milliseconds since the epoch, by the system's clock.
pub fn system_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The clock of a node, on any thread. All clones are one clock.
#[derive(Debug, Clone)]
pub struct SharedClock {
    node: NodeId,
    state: Arc<Mutex<ClockState>>,
    keeper: Option<Arc<Keeper>>,
}

impl SharedClock {
    /// The clock of `node`, which has seen `state`.
    pub fn new(node: NodeId, state: ClockState) -> Self {
        Self {
            node,
            state: Arc::new(Mutex::new(state)),
            keeper: None,
        }
    }

    /// The clock of `node` that begins behind what an app kept, as JSON, and what stores know. The first state store
    /// among them keeps it.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn behind(
        node: NodeId,
        kept: &str,
        stores: impl Iterator<Item = Result<Known>>,
    ) -> Result<Self> {
        let kept = serde_json::from_str::<Option<ClockState>>(kept);
        let mut state = kept.ok().flatten().unwrap_or_default();
        let mut keeper = None;
        for store in stores {
            let store = store?;
            if let Known::State(state) = &store {
                keeper.get_or_insert_with(|| Arc::clone(state));
            }
            state = later(state, store.behind()?);
        }
        let clock = Self::new(node, state);
        Ok(match keeper {
            Some(keeper) => clock.kept_in(keeper),
            None => clock,
        })
    }

    /// The same clock, kept in `store`, so that the next one can go on there.
    #[must_use]
    pub fn kept_in(self, store: Arc<dyn StateStore>) -> Self {
        Self {
            keeper: Some(Keeper::new(store)),
            ..self
        }
    }

    /// Stamps a local event at `physical` milliseconds since the epoch.
    pub fn tick_at(&self, physical: u64) -> Hlc {
        self.stamp(|state| state.tick(physical))
    }

    /// Hears of `remote` at `physical` milliseconds since the epoch, and stamps that.
    pub fn receive_at(&self, remote: &Hlc, physical: u64) -> Hlc {
        self.stamp(|state| state.receive(remote, physical))
    }

    /// What [`tick_at`](Self::tick_at) would stamp. Nothing is given.
    pub fn next_at(&self, physical: u64) -> Hlc {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.tick(physical);
        Hlc::new(state.wall_time, state.counter, self.node.clone())
    }

    /// Stamps a local event now.
    pub fn now(&self) -> Hlc {
        self.tick_at(system_ms())
    }

    fn stamp(&self, step: impl FnOnce(ClockState) -> ClockState) -> Hlc {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = step(*state);
        if let Some(keeper) = &self.keeper {
            keeper.keep(*state);
        }
        Hlc::new(state.wall_time, state.counter, self.node.clone())
    }
}

impl Clock for SharedClock {
    async fn receive(&self, remote: &Hlc) -> Result<()> {
        self.receive_at(remote, system_ms());
        Ok(())
    }

    async fn next(&self) -> Result<Option<Hlc>> {
        Ok(Some(self.next_at(system_ms())))
    }

    fn app_ms(&self) -> u64 {
        system_ms()
    }

    fn system_ms(&self) -> u64 {
        system_ms()
    }
}
