//! One side's ports, put together.

use std::rc::Rc;

use super::{AnyRecords, AnyRows, JsClock};
use crate::engine::ports::{Log, Side};
use crate::error::{Error, Result};
use crate::node::convert::Body;
use crate::node::error::warn;
use crate::node::inside::Holders;
use crate::node::value::Env;
use crate::store::ports::{Port, RecordPort, RowPort};
use crate::store::side::NativeSide;

/// The stores of a channel, as JavaScript passed them in.
pub struct NodeSide {
    /// Shared records, unless the channel carries none.
    pub records: Option<AnyRecords>,
    /// App rows, if the channel has any.
    pub rows: Option<AnyRows>,
    /// The app's clock.
    pub clock: JsClock,
    /// The console.
    pub log: Console,
}

/// Warnings go to the app's `console`.
pub struct Console(pub Rc<Env>);

impl Log for Console {
    fn warn(&self, message: &str, error: Option<&Error>) {
        warn(&self.0, message, error);
    }
}

impl NodeSide {
    /// Finds out whose stores they are. Once a round.
    pub fn look(&self) -> Result<()> {
        self.records.as_ref().map_or(Ok(()), AnyRecords::look)?;
        self.rows.as_ref().map_or(Ok(()), AnyRows::look)
    }

    /// The transactions that have the turns of the stores.
    pub fn holders(&self, holders: &mut Holders) -> Result<()> {
        if let Some(records) = &self.records {
            holders.add(records.held_by()?);
        }
        if let Some(rows) = &self.rows {
            holders.add(rows.held_by()?);
        }
        Ok(())
    }

    /// The stores themselves, where all of them are this package's own.
    pub fn native(&self) -> Option<NativeStores> {
        Some(NativeStores {
            records: match &self.records {
                Some(records) => Some(Port::here(records.native()?)),
                None => None,
            },
            rows: match &self.rows {
                Some(rows) => Some(Port::here(rows.native()?)),
                None => None,
            },
        })
    }
}

/// The stores of a side, for any thread.
pub struct NativeStores {
    records: Option<RecordPort>,
    rows: Option<RowPort>,
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

impl Side for NodeSide {
    type Body = Body;
    type Records = AnyRecords;
    type Rows = AnyRows;
    type Clock = JsClock;
    type Log = Console;

    fn records(&self) -> Option<&AnyRecords> {
        self.records.as_ref()
    }
    fn rows(&self) -> Option<&AnyRows> {
        self.rows.as_ref()
    }
    fn clock(&self) -> &JsClock {
        &self.clock
    }
    fn log(&self) -> &Console {
        &self.log
    }
}
