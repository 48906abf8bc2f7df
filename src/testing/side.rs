//! The stores of a channel, put together.

use std::cell::RefCell;
use std::rc::Rc;

use super::body::Body;
use super::clock::MemoryClock;
use super::records::MemoryRecords;
use super::rows::MemoryRows;
use crate::engine::ports::{Events, Log, Side};
use crate::error::{Error, Result};
use crate::protocol::text::Text;

/// One side of an exchange. All clones are one side.
#[derive(Debug, Clone)]
pub struct MemorySide {
    /// Shared records, unless the channel carries none.
    pub records: Option<MemoryRecords>,
    /// App rows, if the channel has any.
    pub rows: Option<MemoryRows>,
    /// The clock.
    pub clock: MemoryClock,
    /// What was warned of.
    pub log: MemoryLog,
}

impl Side for MemorySide {
    type Body = Body;
    type Records = MemoryRecords;
    type Rows = MemoryRows;
    type Clock = MemoryClock;
    type Log = MemoryLog;

    fn records(&self) -> Option<&MemoryRecords> {
        self.records.as_ref()
    }
    fn rows(&self) -> Option<&MemoryRows> {
        self.rows.as_ref()
    }
    fn clock(&self) -> &MemoryClock {
        &self.clock
    }
    fn log(&self) -> &MemoryLog {
        &self.log
    }
}

/// A log that keeps what it is told.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog(Rc<RefCell<Vec<String>>>);

impl MemoryLog {
    /// What was said so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

impl Log for MemoryLog {
    fn warn(&self, message: &str, error: Option<&Error>) {
        let cause = error.map_or_else(String::new, |error| format!(": {error}"));
        self.0.borrow_mut().push(format!("{message}{cause}"));
    }
}

/// Listeners that keep what they hear.
#[derive(Debug, Clone, Default)]
pub struct MemoryEvents(Rc<RefCell<Vec<Vec<Text>>>>);

impl MemoryEvents {
    /// The ids of each event so far.
    pub fn heard(&self) -> Vec<Vec<Text>> {
        self.0.borrow().clone()
    }
}

impl Events for MemoryEvents {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        self.0.borrow_mut().push(ids);
        Ok(())
    }
}
