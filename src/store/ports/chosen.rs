//! A port that is a store of this package, or something else: which of them, is found anew for each round.

use std::cell::RefCell;
use std::sync::Arc;

use super::port::{Port, Threading};
use super::records::{RecordPort, RowPort};
use super::state::StatePort;
use crate::engine::change_log::{Advance, ChangeLog, Heard, Look, Note, Recognized, View};
use crate::engine::freshness::Freshness;
use crate::engine::ports::{
    Added, AppRows, Capabilities, Clock, Fetched, Late, Log, Order, Outcome, Records, Scanned,
    State,
};
use crate::error::Result;
use crate::protocol::delta::{Ask, Stretch};
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, Table};
use crate::protocol::log::{Cursor, Digest, Key, LogPositions, Range, Reply, Span};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::{AppRowStore, LogStore, RecordStore, StateStore};

/// See the [module page](self).
#[derive(Debug)]
pub struct Chosen<S: ?Sized, P, O, L> {
    store: RefCell<Option<Arc<S>>>,
    place: P,
    /// What it is where there is no store.
    pub other: O,
    /// The change log of that, or where its warnings go.
    pub log: L,
}

impl<S: ?Sized, P: Clone, O, L> Chosen<S, P, O, L> {
    /// Nothing but `other` yet. The work of a store is done at `place`.
    pub fn new(place: P, other: O, log: L) -> Self {
        Self {
            store: RefCell::new(None),
            place,
            other,
            log,
        }
    }

    /// It is this store from now on, if there is one.
    pub fn choose(&self, store: Option<Arc<S>>) {
        self.store.replace(store);
    }

    /// The store.
    pub fn store(&self) -> Option<Arc<S>> {
        self.store.borrow().clone()
    }

    /// The store as a port.
    pub fn port(&self) -> Option<Port<S, P>> {
        let place = self.place.clone();
        self.store().map(|store| Port { store, place })
    }
}

/// Asks the store, or else the other.
macro_rules! ask {
    ($whose:ident.$port:ident, $other:ident.$question:ident($($argument:expr),*)) => {
        match $whose.$port() {
            Some(port) => port.$question($($argument),*).await,
            None => $whose.$other.$question($($argument),*).await,
        }
    };
}

impl<P, O, L> Records<P::Body> for Chosen<dyn RecordStore, P, O, L>
where
    P: Threading + Clone,
    O: Records<P::Body>,
    L: ChangeLog<P::Body>,
{
    type Cursor = O::Cursor;

    fn capabilities(&self) -> Result<Capabilities> {
        match self.port() {
            Some(port) => port.capabilities(),
            None => self.other.capabilities(),
        }
    }

    async fn coverage(&self) -> Result<Watermarks> {
        ask!(self.port, other.coverage())
    }

    async fn newest_upto(&self, marks: &Watermarks) -> Result<Option<Watermarks>> {
        ask!(self.port, other.newest_upto(marks))
    }

    fn late(&self, known: u64) -> Late {
        match self.port() {
            Some(port) => RecordPort::late(&port, known),
            None => self.other.late(known),
        }
    }

    async fn changes(&self, ask: &Ask) -> Result<Option<Stretch<Item<P::Body>>>> {
        ask!(self.port, other.changes(ask))
    }

    /// A store has an index, and is never scanned.
    async fn scan(
        &self,
        ask: &Ask,
        horizon: Option<&Hlc>,
        after: Option<O::Cursor>,
    ) -> Result<Scanned<P::Body, O::Cursor>> {
        self.other.scan(ask, horizon, after).await
    }

    async fn fetch(&self, wanted: &[(Hlc, Text)]) -> Result<Fetched<P::Body>> {
        self.other.fetch(wanted).await
    }

    async fn unorderable(&self, limit: usize) -> Result<Vec<Item<P::Body>>> {
        ask!(self.port, other.unorderable(limit))
    }

    async fn stored(&self, id: &Text) -> Result<Option<Hlc>> {
        ask!(self.port, other.stored(id))
    }

    async fn put(&self, item: &Item<P::Body>) -> Result<()> {
        ask!(self.port, other.put(item))
    }

    async fn add(&self, items: &[&Item<P::Body>], clock: &impl Clock) -> Added {
        ask!(self.port, other.add(items, clock))
    }

    async fn apply(&self, items: Vec<Item<P::Body>>, order: Order) -> Result<Vec<Outcome>> {
        ask!(self.port, other.apply(items, order))
    }
}

impl<P, O, L> AppRows<P::Body> for Chosen<dyn AppRowStore, P, O, L>
where
    P: Threading + Clone,
    O: AppRows<P::Body>,
    L: ChangeLog<P::Body>,
{
    type Cursor = O::Cursor;

    fn capabilities(&self) -> Result<Capabilities> {
        match self.port() {
            Some(port) => port.capabilities(),
            None => self.other.capabilities(),
        }
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        ask!(self.port, other.tables())
    }

    async fn knows(&self, app: &Text) -> Result<bool> {
        ask!(self.port, other.knows(app))
    }

    async fn coverage(&self, table: &Table) -> Result<Watermarks> {
        ask!(self.port, other.coverage(table))
    }

    async fn newest_upto(&self, table: &Table, marks: &Watermarks) -> Result<Option<Watermarks>> {
        ask!(self.port, other.newest_upto(table, marks))
    }

    fn late(&self, known: u64) -> Late {
        match self.port() {
            Some(port) => RowPort::late(&port, known),
            None => self.other.late(known),
        }
    }

    async fn changes(&self, table: &Table, ask: &Ask) -> Result<Stretch<Item<P::Body>>> {
        ask!(self.port, other.changes(table, ask))
    }

    /// A store has an index, and is never scanned.
    async fn scan(
        &self,
        table: &Table,
        from: (&Hlc, Option<O::Cursor>),
        ask: &Ask,
        horizon: Option<&Hlc>,
    ) -> Result<Scanned<P::Body, O::Cursor>> {
        self.other.scan(table, from, ask, horizon).await
    }

    async fn unorderable(&self, table: &Table, limit: usize) -> Result<Vec<Item<P::Body>>> {
        ask!(self.port, other.unorderable(table, limit))
    }

    async fn apply_one(&self, item: &Item<P::Body>) -> Result<()> {
        ask!(self.port, other.apply_one(item))
    }

    async fn apply(&self, items: Vec<Item<P::Body>>, order: Order) -> Result<Vec<Outcome>> {
        ask!(self.port, other.apply(items, order))
    }
}

impl<S, P, O, L> ChangeLog<P::Body> for Chosen<S, P, O, L>
where
    S: LogStore + ?Sized + Send + Sync + 'static,
    P: Threading + Clone,
    L: ChangeLog<P::Body>,
{
    fn has_log(&self) -> bool {
        match self.port() {
            Some(port) => port.has_log(),
            None => self.log.has_log(),
        }
    }

    fn freshness(&self) -> Option<Freshness> {
        self.store()?.freshness()
    }

    async fn look(&self, look: Look) -> Result<View<P::Body>> {
        ask!(self.port, log.look(look))
    }

    async fn take_in(
        &self,
        items: Vec<Item<P::Body>>,
        origin: Option<Cursor>,
        advance: Option<Advance>,
    ) -> Result<Vec<Outcome>> {
        ask!(self.port, log.take_in(items, origin, advance))
    }

    async fn note(&self, note: Note) -> Result<()> {
        ask!(self.port, log.note(note))
    }

    async fn verify(&self) -> Result<u64> {
        ask!(self.port, log.verify())
    }

    async fn compare(&self, spans: Vec<Span>) -> Result<Vec<Reply>> {
        ask!(self.port, log.compare(spans))
    }

    async fn digests(&self, ranges: Vec<Range>) -> Result<Vec<Digest>> {
        ask!(self.port, log.digests(ranges))
    }

    async fn versions(&self, ranges: Vec<Range>) -> Result<Vec<Vec<(Key, String)>>> {
        ask!(self.port, log.versions(ranges))
    }

    fn recognizes(&self, heard: &Heard) -> Option<Recognized> {
        self.store()?.recognizes(heard)
    }

    async fn hear_of(&self, heard: Heard) -> Result<Recognized> {
        ask!(self.port, log.hear_of(heard))
    }
}

impl<P: Threading + Clone, O: State, L: Log + Clone> Chosen<dyn StateStore, P, O, L> {
    fn remembering(&self) -> Option<StatePort<P, L>> {
        let log = self.log.clone();
        self.port().map(|port| StatePort { port, log })
    }
}

impl<P: Threading + Clone, O: State, L: Log + Clone> State for Chosen<dyn StateStore, P, O, L> {
    async fn watermarks(&self) -> Result<Watermarks> {
        ask!(self.remembering, other.watermarks())
    }

    async fn peer_watermarks(&self) -> Result<Watermarks> {
        ask!(self.remembering, other.peer_watermarks())
    }

    async fn set_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        ask!(self.remembering, other.set_watermarks(watermarks))
    }

    async fn set_peer_watermarks(&self, watermarks: &Watermarks) -> Result<()> {
        ask!(self.remembering, other.set_peer_watermarks(watermarks))
    }

    async fn log_positions(&self) -> Result<Option<LogPositions>> {
        ask!(self.remembering, other.log_positions())
    }

    async fn set_log_positions(&self, positions: &LogPositions) -> Result<()> {
        ask!(self.remembering, other.set_log_positions(positions))
    }
}
