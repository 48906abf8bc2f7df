//! One side's ports, put together.

use std::rc::Rc;
use std::sync::Arc;

use super::handle::{AppLog, LogAt};
use super::off_thread::{OffThread, store_of};
use super::records::JsRecords;
use super::rows::JsRows;
use super::state::JsState;
use crate::engine::ports::Side;
use crate::error::Result;
use crate::node::clock::JsClock;
use crate::node::console::Console;
use crate::node::convert::Body;
use crate::node::options::Options;
use crate::node::value::Env;
use crate::store::ports::{Chosen, Port};
use crate::store::side::NativeStores;
use crate::store::{AppRowStore, Holder, RecordStore, StateStore};

/// How many records a scan asks for at one time by default.
const DEFAULT_SCAN_PAGE_SIZE: f64 = 500.0;

/// A store of shared records, of the app's or of this package.
pub type AnyRecords = Chosen<dyn RecordStore, OffThread, JsRecords, AppLog>;
/// The app rows of a channel, of the app or of this package.
pub type AnyRows = Chosen<dyn AppRowStore, OffThread, JsRows, AppLog>;
/// What an engine remembers, wherever that is.
pub type AnyState = Chosen<dyn StateStore, OffThread, JsState, Console>;

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

impl NodeSide {
    /// The stores that the options name, the records by the option `records`, and scanned in pages of this size.
    pub fn new(
        options: &Options<'_>,
        env: &Rc<Env>,
        (records, page_size): (&'static str, Option<f64>),
    ) -> Result<Self> {
        let page_size = page_size.unwrap_or(DEFAULT_SCAN_PAGE_SIZE);
        let place = OffThread(Rc::clone(env));
        let records = if options.flag("syncSharedRecords", true)? {
            let adapter = options.object(records)?;
            let log = AppLog::new(LogAt::new(adapter.clone(), None));
            let js = JsRecords::new(adapter, options.object("clock")?, page_size);
            Some(Chosen::new(place.clone(), js, log))
        } else {
            None
        };
        let rows = options.rows()?.map(|[namespaces, applier]| {
            let log = AppLog::new(LogAt::new(applier.clone(), Some(namespaces.clone())));
            let js = JsRows {
                namespaces,
                applier,
                scan_page_size: page_size,
            };
            Chosen::new(place, js, log)
        });
        Ok(Self {
            records,
            rows,
            clock: JsClock(options.object("clock")?),
            log: Console::of(options, env)?,
        })
    }

    /// Finds out whose stores they are. Once a round: an app may have replaced a function since.
    pub fn find_stores(&self) -> Result<()> {
        if let Some(records) = &self.records {
            records.choose(store_of(&records.other.adapter)?);
            records.log.choose(records.log.at.log()?);
        }
        if let Some(rows) = &self.rows {
            rows.choose(store_of_rows(&rows.other)?);
            rows.log.choose(rows.log.at.log()?);
        }
        Ok(())
    }

    /// The transactions that have the turns of the stores, as the adapters are now.
    pub fn holders(&self) -> Result<Vec<Holder>> {
        let mut holders = Vec::new();
        if let Some(records) = &self.records {
            let store = store_of::<dyn RecordStore>(&records.other.adapter)?;
            holders.extend(store.and_then(|store| store.held_by()));
        }
        if let Some(rows) = &self.rows {
            let store = store_of::<dyn AppRowStore>(&rows.other.applier)?;
            holders.extend(store.and_then(|store| store.held_by()));
        }
        Ok(holders)
    }

    /// The stores themselves, where all of them are this package's own.
    pub fn native(&self) -> Option<NativeStores> {
        let mut stores = NativeStores::default();
        if let Some(records) = &self.records {
            stores.records = Some(Port::here(records.store()?));
        }
        if let Some(rows) = &self.rows {
            stores.rows = Some(Port::here(rows.store()?));
        }
        Some(stores)
    }
}

/// The store that is behind both objects: an app may have put one of its own beside one of ours.
fn store_of_rows(rows: &JsRows) -> Result<Option<Arc<dyn AppRowStore>>> {
    let listing = store_of::<dyn AppRowStore>(&rows.namespaces)?;
    let applying = store_of::<dyn AppRowStore>(&rows.applier)?;
    let both = listing.zip(applying);
    Ok(both.and_then(|(a, b)| Arc::ptr_eq(&a, &b).then_some(b)))
}

/// What the option `syncState` is.
pub fn state(options: &Options<'_>, env: &Rc<Env>) -> Result<Option<AnyState>> {
    let state = options.object_if_given("syncState")?;
    let console = Console::of(options, env)?;
    Ok(state.map(|state| {
        let js = JsState(state, console.clone());
        Chosen::new(OffThread(Rc::clone(env)), js, console)
    }))
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
