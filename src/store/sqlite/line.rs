//! The connection that writes, which one has at a time.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::store::Holder;

/// The connection that writes, and those that wait for it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) writer: Arc<Mutex<Connection>>,
    pub(super) holder: watch::Sender<Option<Holder>>,
}

impl Line {
    pub(super) fn new(writer: Connection) -> Self {
        Self {
            writer: Arc::new(Mutex::new(writer)),
            holder: watch::Sender::new(None),
        }
    }

    /// The connection, if it is not in use.
    pub(super) fn writer_if_idle(&self) -> Option<MutexGuard<'_, Connection>> {
        self.writer.try_lock().ok()
    }

    /// The transaction that has the turn.
    pub(super) fn holder(&self) -> Option<Holder> {
        *self.holder.borrow()
    }
}
