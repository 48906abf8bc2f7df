//! The writer's turn: one at a time, in the order of asking.
//!
//! A transaction of an app's has it for as long as its callback runs. Which one that is can be seen, so that
//! a call which the callback itself makes is refused instead of waiting for its own end.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{OwnedMutexGuard, watch};

use super::shared::Shared;
use crate::error::Result;
use crate::store::Holder;
use crate::store::gate::{Pass, closed};

/// A turn.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) connection: OwnedMutexGuard<Connection>,
    pub(super) shared: Arc<Shared>,
    /// Whether the store is closed and waits no longer for transactions.
    pub(super) cut: watch::Receiver<bool>,
    _inside: Pass,
}

impl Turn {
    /// Waits for the turn: as a store that was closed not behind another's transaction, which may go on and
    /// on.
    pub(super) async fn take(
        operation: &'static str,
        inside: Pass,
        shared: Arc<Shared>,
        cut: watch::Receiver<bool>,
    ) -> Result<Self> {
        let writer = Arc::clone(&shared.line.writer);
        let (mut closing, mut holder) = (cut.clone(), shared.line.holder.subscribe());
        let hindered = async move {
            // An error means that the other end is gone, which this turn keeps.
            let _ = closing.wait_for(|cut| *cut).await;
            let _ = holder.wait_for(Option::is_some).await;
        };
        let connection = tokio::select! {
            biased;
            connection = writer.lock_owned() => connection,
            () = hindered => return Err(closed(operation)),
        };
        Ok(Self {
            connection,
            shared,
            cut,
            _inside: inside,
        })
    }

    /// A transaction has the turn from now on.
    pub(super) fn hold(&self) -> Holder {
        let holder = Holder::next();
        self.shared.line.holder.send_replace(Some(holder));
        holder
    }

    /// The transaction has ended.
    pub(super) fn let_go(&self) {
        self.shared.line.holder.send_replace(None);
    }
}
