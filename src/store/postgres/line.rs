//! The line of an app's own writes: one at a time, in the order of asking, as their timestamps are.
//!
//! A transaction of an app's has its turn for as long as its callback runs. Which one that is can be seen, so that a call
//! which the callback itself makes is refused instead of waiting for its own end. Pages that are taken in stand in no
//! line.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::error::Result;
use crate::store::Holder;
use crate::store::gate::closed;

/// How long a store that is closed waits for the callbacks of transactions.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// See the [module page](self). All clones are one.
#[derive(Debug, Clone)]
pub(super) struct WriteLine {
    turn: Arc<Mutex<()>>,
    holder: watch::Sender<Option<Holder>>,
    /// Whether the store is closed and waits no longer for transactions.
    pub(super) cut: watch::Sender<bool>,
}

/// A turn.
#[derive(Debug)]
pub(super) struct LineTurn {
    _turn: OwnedMutexGuard<()>,
    line: WriteLine,
}

impl WriteLine {
    pub(super) fn new() -> Self {
        Self {
            turn: Arc::default(),
            holder: watch::Sender::new(None),
            cut: watch::Sender::new(false),
        }
    }

    /// The transaction that has the turn.
    pub(super) fn holder(&self) -> Option<Holder> {
        *self.holder.borrow()
    }

    /// Waits for the turn: as a store that was closed not behind another's transaction, which may go on and on.
    pub(super) async fn turn(&self, operation: &'static str) -> Result<LineTurn> {
        let (mut cut, mut holder) = (self.cut.subscribe(), self.holder.subscribe());
        let hindered = async move {
            // An error means that the other end is gone, which this line keeps.
            let _ = cut.wait_for(|cut| *cut).await;
            let _ = holder.wait_for(Option::is_some).await;
        };
        tokio::select! {
            biased;
            turn = Arc::clone(&self.turn).lock_owned() => Ok(LineTurn { _turn: turn, line: self.clone() }),
            () = hindered => Err(closed(operation)),
        }
    }
}

impl LineTurn {
    /// A transaction has the turn from now on.
    pub(super) fn hold(&self) -> Holder {
        let holder = Holder::next();
        self.line.holder.send_replace(Some(holder));
        holder
    }
}

impl Drop for LineTurn {
    fn drop(&mut self) {
        self.line.holder.send_replace(None);
    }
}
