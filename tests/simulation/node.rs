//! A place at work: its stores, its engine, and what it does when a scenario says so.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use starkeep_sync_engine::engine::responder::Responder;
use starkeep_sync_engine::engine::round::{DEFAULT_MAX_CLOCK_SKEW_MS, Engine, RoundOptions};
use starkeep_sync_engine::engine::watch::Watch;
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::{FILE_RECORDS_TABLE, Item, ItemKind, Table};
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::protocol::watermarks::Watermarks;
use starkeep_sync_engine::testing::{
    Body, Faults, MemoryBlobs, MemoryClock, MemoryEvents, MemoryLog, MemoryRecords, MemoryRows,
    MemorySide, MemoryState, record, row,
};

use super::checks::Asked;
use super::courier::{Courier, ITEM, Inbox};
use super::model::{Held, Key, Version};
use super::old::OldResponder;
use super::scenario::{Place, Reach, Stream, Write};

pub type SimEngine = Engine<MemorySide, MemoryBlobs, Courier, MemoryState, MemoryEvents>;

/// Physical time at the beginning.
pub const BEGIN_MS: u64 = 1_000_000;

/// The table of an app that is not registered everywhere.
pub const LATE: usize = 3;

pub struct Node {
    pub index: usize,
    pub place: Place,
    pub is_parent: bool,
    pub side: MemorySide,
    pub records: MemoryRecords,
    pub rows: MemoryRows,
    pub blobs: MemoryBlobs,
    pub state: MemoryState,
    pub local: Faults,
    pub network: Faults,
    pub inbox: Inbox,
    pub received: Rc<Cell<usize>>,
    /// Counts what changes the stores beside the answering side.
    pub other_writes: Cell<usize>,
    pub running_rounds: Cell<usize>,
    /// Whether the last answer to this place reported coverage.
    pub was_told_coverage: Cell<bool>,
    /// The parent lost what it had, and this place has not been told.
    pub trusts_a_wiped_parent: Cell<bool>,
    pub engine: RefCell<Option<Rc<SimEngine>>>,
    pub answering: RefCell<Rc<Answering>>,
    /// The request that is being answered.
    pub asked: RefCell<Option<Asked>>,
    /// The latest physical time that this place has had.
    pub latest_ms: Cell<u64>,
    copy: RefCell<Option<Copy>>,
}

struct Copy {
    records: Vec<Item<Body>>,
    rows: Vec<Item<Body>>,
    state: (Watermarks, Watermarks),
}

pub fn node_name(index: usize) -> String {
    format!("n{index}")
}

pub fn id_name(id: usize) -> String {
    format!("i{id}")
}

pub fn blob_name(blob: usize) -> String {
    format!("b{blob}")
}

pub fn table(index: usize) -> Table {
    let (app, name) = match index {
        0 => ("notes", "pages"),
        1 => ("notes", "tags"),
        2 => ("files", FILE_RECORDS_TABLE),
        _ => ("late", "things"),
    };
    Table {
        app: Text::from(app),
        name: Text::from(name),
    }
}

pub fn key_of(item: &Item<Body>) -> Key {
    (place_of(&item.kind), item.body.id.to_string())
}

pub fn place_of(kind: &ItemKind) -> String {
    match kind {
        ItemKind::Record(_) => "records".to_owned(),
        ItemKind::Row(table) => format!("{}/{}", table.app, table.name),
    }
}

pub fn version_of(item: &Item<Body>) -> Version {
    Version {
        hlc: item.hlc.clone(),
        blob: item.blob.as_ref().map(|blob| blob.key.clone()),
        deleted: item.body.deleted,
    }
}

impl Node {
    pub fn new(index: usize, place: Place, is_parent: bool, now_ms: u64) -> Self {
        let (local, network) = (Faults::default(), Faults::default());
        let scan = place.scan_page_size;
        let mut records = MemoryRecords::new(place.access, scan, local.clone()).keeping_newer();
        let mut rows = MemoryRows::new(place.rows_know_coverage, scan, local.clone());
        if place.keeps_log {
            records = records.keeping_a_log();
            rows = rows.keeping_a_log();
        }
        let name = node_name(place.node.unwrap_or(index));
        for index in 0..LATE {
            rows.register(&table(index));
        }
        let side = MemorySide {
            records: Some(records.clone()),
            rows: (!place.has_records_alone).then(|| rows.clone()),
            clock: MemoryClock::new(&name, now_ms, local.clone()),
            log: MemoryLog::default(),
        };
        Self {
            index,
            is_parent,
            answering: RefCell::new(answering(&side, place.is_old, &local)),
            asked: RefCell::default(),
            side,
            records,
            rows,
            blobs: MemoryBlobs::new(local.clone()),
            state: MemoryState::new(local.clone()),
            local,
            network,
            inbox: Inbox::default(),
            received: Rc::default(),
            other_writes: Cell::default(),
            running_rounds: Cell::default(),
            was_told_coverage: Cell::default(),
            trusts_a_wiped_parent: Cell::default(),
            engine: RefCell::default(),
            latest_ms: Cell::new(now_ms),
            copy: RefCell::default(),
            place,
        }
    }

    /// Starts, or starts again after a crash: only what was persisted is left.
    pub fn start(&self, parent: &Self) {
        self.records.open();
        self.rows.open();
        *self.answering.borrow_mut() = answering(&self.side, self.place.is_old, &self.local);
        if self.index == parent.index {
            return;
        }
        let engine = Engine {
            side: self.side.clone(),
            local: self.blobs.clone(),
            remote: parent
                .blobs
                .seen_through(self.network.clone())
                .with_new_puts(self.place.blob_concurrency == 8),
            peer: Courier {
                from: self.index,
                inbox: parent.inbox.clone(),
                faults: self.network.clone(),
                received: Rc::clone(&self.received),
            },
            state: Some(self.state.clone()),
            events: MemoryEvents::default(),
            options: RoundOptions {
                more_small_blobs: true,
                page_limit: self.place.page_limit,
                blob_concurrency: self.place.blob_concurrency,
                verify_content_hash: false,
                strict_order: self.is_parent,
                holds_all: false,
                max_clock_skew_ms: Some(DEFAULT_MAX_CLOCK_SKEW_MS),
                most_waiting: self.place.most_waiting,
            },
            sweep: RefCell::default(),
            session: RefCell::default(),
            watch: Watch::default(),
        };
        *self.engine.borrow_mut() = Some(Rc::new(engine));
    }

    pub fn set_physical(&self, ms: u64) {
        self.side.clock.set_physical(ms);
        self.latest_ms.set(self.latest_ms.get().max(ms));
    }

    pub fn faults(&self, reach: Reach) -> &Faults {
        match reach {
            Reach::Local => &self.local,
            Reach::Network => &self.network,
        }
    }

    pub fn heal(&self) {
        self.local.heal();
        self.network.heal();
    }

    /// What the app writes: the objects first, then the items, all at one moment.
    pub fn write(&self, write: &Write) -> Vec<Item<Body>> {
        let hlc = self.side.clock.now();
        self.put(write, &hlc, false)
    }

    /// The same under this timestamp; `behind` the backs of the change logs.
    pub fn put(&self, write: &Write, hlc: &Hlc, behind: bool) -> Vec<Item<Body>> {
        self.other_writes.set(self.other_writes.get() + 1);
        let mut written = vec![Self::item(write, write.stream, write.id, hlc)];
        if let Some((stream, id)) = write.twin {
            written.push(Self::item(write, stream, id, hlc));
        }
        for item in &written {
            if let Some(blob) = &item.blob {
                let key = blob.key.to_string();
                self.blobs.write(&key, key.as_bytes());
            }
            match &item.kind {
                ItemKind::Record(_) if behind => self.records.write_behind(item.clone()),
                ItemKind::Record(_) => self.records.write(item.clone()),
                ItemKind::Row(table) => {
                    self.rows.register(table);
                    let written = if behind {
                        self.rows.write_behind(item)
                    } else {
                        self.rows.write(item)
                    };
                    assert!(written);
                }
            }
        }
        written
    }

    /// Whether the place has the table, or these are the shared records.
    pub fn has_stream(&self, name: &str) -> bool {
        !name.starts_with("late/") || self.rows.tables_len() > LATE
    }

    fn item(write: &Write, stream: Stream, id: usize, hlc: &Hlc) -> Item<Body> {
        let id = id_name(id);
        let body = if write.deleted {
            Body::tombstone(&id)
        } else {
            Body::new(&id, &format!("{hlc} {:?}", (write.place, write.blob)))
        };
        let key = write.blob.map(blob_name);
        let mut item = match stream {
            Stream::Records => record(hlc.clone(), body, key.as_deref()),
            Stream::Rows(index) => row(&table(index), hlc.clone(), body, key.as_deref()),
        };
        if let Some(blob) = &mut item.blob {
            // An object's bytes are its key.
            blob.size = Some(blob.key.to_string().len() as u64);
        }
        item
    }

    pub fn held(&self) -> Held {
        let items = self.records.all().into_iter().chain(self.rows.all());
        items
            .map(|item| (key_of(&item), version_of(&item)))
            .collect()
    }

    /// Persisted own and peer watermarks, as plain maps.
    pub fn persisted(&self) -> (BTreeMap<Text, Hlc>, BTreeMap<Text, Hlc>) {
        let (own, peer) = self.state.persisted();
        (plain(&own), plain(&peer))
    }

    pub fn copy(&self) {
        *self.copy.borrow_mut() = Some(Copy {
            records: self.records.all(),
            rows: self.rows.all(),
            state: self.state.persisted(),
        });
    }

    /// Goes back to the copy. The clock stays: a place that stamps the past again is lost anyway.
    pub fn restore(&self) -> bool {
        let Some(copy) = self.copy.borrow_mut().take() else {
            return false;
        };
        self.records.replace(copy.records);
        self.rows.replace(&copy.rows);
        self.state.replace(copy.state);
        true
    }

    pub fn wipe(&self) {
        self.records.replace(Vec::new());
        self.rows.replace(&[]);
        self.blobs.wipe();
        self.state.replace(Default::default());
    }
}

/// Timestamps in few letters.
pub fn brief(marks: &BTreeMap<Text, Hlc>) -> String {
    let entries = marks.values().map(short);
    entries.collect::<Vec<_>>().join(" ")
}

pub fn short(hlc: &Hlc) -> String {
    let wall = i128::from(hlc.wall_time) - i128::from(BEGIN_MS);
    format!("{}@{wall}.{}", hlc.node_id, hlc.counter)
}

pub fn list(items: &[Item<Body>]) -> String {
    let names = items.iter().map(|item| {
        let (table, id) = key_of(item);
        let blob = item
            .blob
            .as_ref()
            .map_or(String::new(), |b| format!("+{}", b.key));
        format!("{table}/{id}{blob}={}", short(&item.hlc))
    });
    names.collect::<Vec<_>>().join(", ")
}

pub fn plain(marks: &Watermarks) -> BTreeMap<Text, Hlc> {
    let entries = marks.iter();
    entries
        .map(|(node, hlc)| (node.clone(), hlc.clone()))
        .collect()
}

/// The answering side of either generation.
pub enum Answering {
    /// Its own faults are those of what it sends.
    Ours(Box<Responder<MemorySide>>, Faults),
    Old(OldResponder),
}

impl Answering {
    pub async fn answer(&self, request: Request<Body>) -> Result<Answer<Body>> {
        match self {
            Self::Ours(responder, faults) => {
                let packed = |item: &mut Item<Body>| faults.pack(&item.body.id).map(|_| ITEM);
                match responder.answer_at_hand(request) {
                    Ok(answer) => Ok(answer),
                    Err(request) => responder.answer_packed(request, &packed).await,
                }
            }
            Self::Old(responder) => responder.answer(request).await,
        }
    }
}

fn answering(side: &MemorySide, is_old: bool, local: &Faults) -> Rc<Answering> {
    let side = side.clone();
    Rc::new(if is_old {
        Answering::Old(OldResponder { side })
    } else {
        let responder = Responder::new(side, Some(DEFAULT_MAX_CLOCK_SKEW_MS));
        Answering::Ours(Box::new(responder), local.clone())
    })
}
