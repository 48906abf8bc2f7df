//! A node and a hub over the stores in memory.
#![allow(dead_code, clippy::unwrap_used, clippy::must_use_candidate)]

use std::cell::RefCell;
use std::rc::Rc;

use starkeep_sync_engine::engine::change_log::MOST_WAITING;
use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::engine::responder::Responder;
use starkeep_sync_engine::engine::round::{
    DEFAULT_MAX_CLOCK_SKEW_MS, Engine, Report, RoundOptions,
};
use starkeep_sync_engine::engine::watch::Watch;
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{FILE_RECORDS_TABLE, Item, Table};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::protocol::watermarks::Watermarks;
use starkeep_sync_engine::testing::{
    Access, Body, Faults, MemoryBlobs, MemoryClock, MemoryEvents, MemoryLog, MemoryRecords,
    MemoryRows, MemorySide, MemoryState, MemoryWire, record, row,
};

/// The physical time of every clock at the beginning.
pub const NOW_MS: u64 = 1_000_000;

/// How both sides are made.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each stands alone")]
pub struct Setup {
    pub access: Access,
    pub rows_know_coverage: bool,
    pub scan_page_size: usize,
    pub page_limit: usize,
    pub blob_concurrency: usize,
    pub strict_order: bool,
    pub keeps_log: bool,
    /// Whether the channel carries app rows beside records.
    pub has_rows: bool,
    pub most_waiting: usize,
}

impl Setup {
    /// Both sides can only be scanned, as sides of the first generation are.
    pub fn old(page_limit: usize) -> Self {
        Self {
            access: Access::Scanned,
            rows_know_coverage: false,
            page_limit,
            ..Self::default()
        }
    }
}

impl Setup {
    /// Both sides keep change logs.
    pub fn logged(page_limit: usize) -> Self {
        Self {
            page_limit,
            keeps_log: true,
            ..Self::default()
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            access: Access::Covered,
            rows_know_coverage: true,
            scan_page_size: 2,
            page_limit: 1000,
            blob_concurrency: 8,
            strict_order: false,
            keeps_log: false,
            has_rows: true,
            most_waiting: MOST_WAITING,
        }
    }
}

type MemoryEngine = Engine<MemorySide, MemoryBlobs, MemoryWire, MemoryState, MemoryEvents>;

/// One side with everything in it. All clones are one side.
#[derive(Clone)]
pub struct Node {
    pub side: MemorySide,
    pub records: MemoryRecords,
    pub rows: MemoryRows,
    pub blobs: MemoryBlobs,
    pub state: MemoryState,
    pub events: MemoryEvents,
    pub local: Faults,
    pub network: Faults,
    wire: MemoryWire,
    engine: Option<Rc<MemoryEngine>>,
}

/// A node called "node" and a hub called "hub".
pub fn setup(setup: Setup) -> (Node, Node) {
    let hub = Node::hub("hub", setup);
    (Node::new("node", &hub, setup), hub)
}

pub fn table(app: &str, name: &str) -> Table {
    Table {
        app: Text::from(app),
        name: Text::from(name),
    }
}

/// The tables that every side has.
pub fn usual_table(index: usize) -> Table {
    match index {
        0 => table("notes", "pages"),
        _ => table("files", FILE_RECORDS_TABLE),
    }
}

pub fn body(id: &str) -> Body {
    Body::new(id, "")
}

/// The ids of everything that a side holds, in order.
pub fn ids(node: &Node) -> Vec<String> {
    let mut ids = ids_at(&node.all());
    ids.sort();
    ids
}

pub fn ids_at(items: &[Item<Body>]) -> Vec<String> {
    items.iter().map(|item| item.body.id.to_string()).collect()
}

pub fn marks(all: &[Hlc]) -> Watermarks {
    let mut marks = Watermarks::default();
    for hlc in all {
        marks.advance(hlc);
    }
    marks
}

impl Node {
    fn hub(name: &str, setup: Setup) -> Self {
        let (local, network) = (Faults::default(), Faults::default());
        let mut records = MemoryRecords::new(setup.access, setup.scan_page_size, local.clone());
        let mut rows = MemoryRows::new(
            setup.rows_know_coverage,
            setup.scan_page_size,
            local.clone(),
        );
        if setup.keeps_log {
            records = records.keeping_a_log();
            rows = rows.keeping_a_log();
        }
        rows.register(&usual_table(0));
        rows.register(&usual_table(1));
        let side = MemorySide {
            records: Some(records.clone()),
            rows: setup.has_rows.then(|| rows.clone()),
            clock: MemoryClock::new(name, NOW_MS, local.clone()),
            log: MemoryLog::default(),
        };
        let responder = Responder::new(side.clone(), Some(DEFAULT_MAX_CLOCK_SKEW_MS));
        Self {
            records,
            rows,
            side,
            blobs: MemoryBlobs::new(local.clone()),
            state: MemoryState::new(local.clone()),
            events: MemoryEvents::default(),
            wire: MemoryWire::new(Rc::new(responder), network.clone()),
            local,
            network,
            engine: None,
        }
    }

    /// A side that calls `hub`.
    pub fn new(name: &str, hub: &Self, setup: Setup) -> Self {
        let mut node = Self::hub(name, setup);
        node.engine = Some(Rc::new(Engine {
            side: node.side.clone(),
            local: node.blobs.clone(),
            remote: hub.blobs.seen_through(node.network.clone()),
            peer: hub.wire.seen_through(node.network.clone()),
            state: Some(node.state.clone()),
            events: node.events.clone(),
            options: RoundOptions {
                more_small_blobs: true,
                page_limit: setup.page_limit,
                blob_concurrency: setup.blob_concurrency,
                verify_content_hash: false,
                strict_order: setup.strict_order,
                holds_all: false,
                max_clock_skew_ms: Some(DEFAULT_MAX_CLOCK_SKEW_MS),
                most_waiting: setup.most_waiting,
            },
            sweep: RefCell::default(),
            session: RefCell::default(),
            watch: Watch::default(),
        }));
        node
    }

    /// The same side with a new engine, as after a restart.
    #[must_use]
    pub fn restarted(&self) -> Self {
        let before = self.engine.as_ref().unwrap();
        let engine = Engine {
            side: before.side.clone(),
            local: before.local.clone(),
            remote: before.remote.clone(),
            peer: before.peer.clone(),
            state: before.state.clone(),
            events: before.events.clone(),
            options: before.options.clone(),
            sweep: RefCell::default(),
            session: RefCell::default(),
            watch: Watch::default(),
        };
        Self {
            engine: Some(Rc::new(engine)),
            ..self.clone()
        }
    }

    /// An engine of this side that reaches `hub` by another way.
    pub fn engine_over<X: Exchange<Body>>(
        &self,
        hub: &Self,
        peer: X,
        page_limit: usize,
    ) -> Engine<MemorySide, MemoryBlobs, X, MemoryState, MemoryEvents> {
        Engine {
            side: self.side.clone(),
            local: self.blobs.clone(),
            remote: hub.blobs.clone(),
            peer,
            state: Some(self.state.clone()),
            events: self.events.clone(),
            options: RoundOptions {
                page_limit,
                ..RoundOptions::default()
            },
            sweep: RefCell::default(),
            session: RefCell::default(),
            watch: Watch::default(),
        }
    }

    /// The way to this side's answering half.
    pub fn wire(&self) -> MemoryWire {
        self.wire.clone()
    }

    /// What an engine remembers in memory is forgotten, and the files are opened again.
    pub fn restart(&self) {
        let engine = self.engine.as_ref().unwrap();
        engine.session.take();
        engine.sweep.take();
        self.records.open();
        self.rows.open();
    }

    pub async fn round(&self) -> Result<Report<Body>> {
        self.engine.as_ref().unwrap().round().await
    }

    /// How many items the peer lacks, if that is known.
    pub async fn backlog(&self) -> Option<u64> {
        self.engine.as_ref().unwrap().backlog().await.unwrap()
    }

    /// No round had to compare what both sides hold.
    pub fn assert_logs_sufficed(&self) {
        let lines = self.side.log.lines();
        let compared = lines.iter().find(|line| line.contains("not the same ones"));
        assert_eq!(compared, None);
    }

    /// Rounds until there is no more, or one fails.
    pub async fn drain(&self) {
        for _ in 0..60 {
            if !self.round().await.is_ok_and(|report| report.has_more) {
                return;
            }
        }
    }

    /// Rounds as an app makes them: two sweeps, whatever fails.
    pub async fn sync(&self) {
        for _ in 0..2 {
            self.drain().await;
        }
    }

    /// Writes a record, and its object if it has one.
    pub fn write_record(&self, id: &str, key: Option<&str>) -> Item<Body> {
        let item = record(self.side.clock.now(), body(id), key);
        self.write_object(key);
        self.records.write(item.clone());
        item
    }

    pub fn delete_record(&self, id: &str, key: Option<&str>) {
        let item = record(self.side.clock.now(), Body::tombstone(id), key);
        self.records.write(item);
    }

    /// Stores a record as it is.
    pub fn put_record(&self, item: Item<Body>) {
        self.records.write(item);
    }

    /// Writes a record that another node wrote, at the beginning of time.
    pub fn write_foreign(&self, node: &str, id: &str, key: Option<&str>) {
        self.write_object(key);
        self.records.write(record(self.early(node), body(id), key));
    }

    /// The same with a row.
    pub fn write_foreign_row(&self, node: &str, table: usize, id: &str) {
        let item = row(&usual_table(table), self.early(node), body(id), None);
        assert!(self.rows.write(&item));
    }

    fn early(&self, node: &str) -> Hlc {
        Hlc::new(NOW_MS - 100, self.all().len() as u64, Text::from(node))
    }

    pub fn write_row(&self, table: usize, id: &str) {
        self.write_row_of(&usual_table(table), id);
    }

    pub fn write_row_of(&self, table: &Table, id: &str) {
        let item = row(table, self.side.clock.now(), body(id), None);
        assert!(self.rows.write(&item));
    }

    fn write_object(&self, key: Option<&str>) {
        if let Some(key) = key {
            self.blobs.write(key, key.as_bytes());
        }
    }

    /// Lets a second go by.
    pub fn later(&self) {
        self.side.clock.set_physical(NOW_MS + 1000);
    }

    pub fn all(&self) -> Vec<Item<Body>> {
        let mut all = self.records.all();
        all.extend(self.rows.all());
        all
    }

    pub fn time_of(&self, id: &str) -> Hlc {
        let all = self.all();
        let found = all.iter().find(|item| item.body.id == Text::from(id));
        found.unwrap().hlc.clone()
    }

    /// Loses everything.
    pub fn wipe(&self) {
        self.records.replace(Vec::new());
        self.rows.replace(&[]);
        self.blobs.wipe();
    }

    /// No persisted peer watermark is past an item that `hub` lacks.
    pub fn check_peer_watermarks(&self, hub: &Self) {
        let there = ids(hub);
        let peer = self.state.persisted().1;
        for item in self.all().iter().filter(|item| peer.covers(&item.hlc)) {
            let id = item.body.id.to_string();
            assert!(there.contains(&id), "{id} was passed");
        }
    }
}
