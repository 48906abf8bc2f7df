//! A side of an exchange without JavaScript: native stores, a native clock, any thread.

use super::Json;
use super::clock::SharedClock;
use super::ports::{RecordPort, RowPort};
use crate::engine::ports::{Clock, Log, Side};
use crate::error::{Error, one_line};

/// The native stores of a channel.
#[derive(Debug, Default)]
pub struct NativeStores {
    /// Shared records, unless the channel carries none.
    pub records: Option<RecordPort>,
    /// App rows, if the channel has any.
    pub rows: Option<RowPort>,
}

impl NativeStores {
    /// The side that they are with `clock`. Its warnings go to `log`.
    pub fn with<L, C>(self, log: L, clock: C) -> NativeSide<L, C> {
        NativeSide {
            records: self.records,
            rows: self.rows,
            clock,
            log,
        }
    }
}

/// The native stores of a channel, and what an exchange needs besides. All clones are one side.
#[derive(Debug, Clone)]
pub struct NativeSide<L = Traced, C = SharedClock> {
    /// Shared records, unless the channel carries none.
    pub records: Option<RecordPort>,
    /// App rows, if the channel has any.
    pub rows: Option<RowPort>,
    /// The clock.
    pub clock: C,
    /// Where warnings go.
    pub log: L,
}

impl<L: Log, C: Clock> Side for NativeSide<L, C> {
    type Body = Json;
    type Records = RecordPort;
    type Rows = RowPort;
    type Clock = C;
    type Log = L;

    fn records(&self) -> Option<&RecordPort> {
        self.records.as_ref()
    }
    fn rows(&self) -> Option<&RowPort> {
        self.rows.as_ref()
    }
    fn clock(&self) -> &C {
        &self.clock
    }
    fn log(&self) -> &L {
        &self.log
    }
}

/// Warnings go to the subscribers of this crate's traces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traced;

impl Log for Traced {
    fn warn(&self, message: &str, error: Option<&Error>) {
        let message = one_line(message.to_owned());
        tracing::warn!(error = error.map(tracing::field::display), "{message}");
    }
}
