//! A scenario at work.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::testing::{Body, Journal, canonical};

use super::super::model::Key;
use super::super::node::{BEGIN_MS, LATE, Node, key_of, list, table};
use super::super::scenario::{Caller, Rounds, Write};
use super::super::world::Tally;
use super::conflicts::Versions;
use super::said::Said;
use super::scenario::Scenario;

/// More than any stamp is ahead.
const UNTIL_ALL_CLOCKS_ARE_PAST_MS: u64 = 10 * 24 * 60 * 60 * 1000;
/// After so long two sides that are not equal may be reconciled again.
pub const UNTIL_RECONCILED_AGAIN_MS: u64 = 11 * 60 * 1000;

/// A file as it was.
pub struct Snapshot {
    pub records: Vec<Item<Body>>,
    pub rows: Vec<Item<Body>>,
    pub journals: (Option<Journal>, Option<Journal>),
    /// Whether the log did not know of all of it.
    pub blind: bool,
}

pub type Holding = BTreeMap<Key, Item<Body>>;

pub struct World {
    pub scenario: Scenario,
    pub nodes: Vec<Node>,
    /// What was written and not superseded, as long as anybody has it.
    pub winners: RefCell<Holding>,
    pub violations: RefCell<Vec<String>>,
    pub trace: RefCell<Vec<String>>,
    pub tally: RefCell<Tally>,
    pub snapshots: RefCell<BTreeMap<usize, Snapshot>>,
    pub stamps: RefCell<Vec<(usize, Hlc)>>,
    /// Places whose logs do not know what was done.
    pub blind: RefCell<BTreeSet<usize>>,
    /// Places without logs at which something that came in is held, in memory alone.
    pub holding_in_memory: RefCell<BTreeSet<usize>>,
    /// Places that lost everything.
    pub wiped: RefCell<BTreeSet<usize>>,
    /// Objects that were removed by hand somewhere.
    pub removed_objects: RefCell<BTreeSet<String>>,
    /// An app put an older version in the place of a newer one.
    pub older_stands: Cell<bool>,
    /// An app wrote over a version that the place's parent, or a child of it, had not seen.
    pub overwrote_unseen: Cell<bool>,
    /// More than one place has a table that not all of them had before.
    pub has_new_table: Cell<bool>,
    /// All versions in the order in which they were written, by their keys.
    pub written: RefCell<BTreeMap<Key, Vec<Hlc>>>,
    /// Versions whose tombstone a place has purged.
    pub buried: RefCell<BTreeMap<(usize, Key), BTreeSet<Hlc>>>,
    pub now_ms: Cell<u64>,
    pub said: Said,
    pub versions: Versions,
    pub skews: RefCell<Vec<i64>>,
}

/// Which of two versions wins.
pub fn beats(a: &Item<Body>, b: &Item<Body>) -> bool {
    (&a.hlc, canonical(a)) > (&b.hlc, canonical(b))
}

impl World {
    pub fn new(scenario: &Scenario) -> Self {
        let places = scenario.places.iter().cloned().enumerate();
        let nodes: Vec<_> = places
            .map(|(i, place)| Node::new(i, place, scenario.is_parent(i), BEGIN_MS))
            .collect();
        for node in &nodes {
            node.inbox.give_room_for(scenario.answer_room);
            node.start(&nodes[node.place.parent]);
        }
        Self {
            skews: RefCell::new(vec![0; nodes.len()]),
            nodes,
            scenario: scenario.clone(),
            winners: RefCell::default(),
            violations: RefCell::default(),
            trace: RefCell::default(),
            tally: RefCell::default(),
            snapshots: RefCell::default(),
            stamps: RefCell::default(),
            blind: RefCell::default(),
            holding_in_memory: RefCell::default(),
            wiped: RefCell::default(),
            removed_objects: RefCell::default(),
            older_stands: Cell::default(),
            overwrote_unseen: Cell::default(),
            has_new_table: Cell::default(),
            written: RefCell::default(),
            buried: RefCell::default(),
            now_ms: Cell::new(BEGIN_MS),
            said: Said::default(),
            versions: Versions::default(),
        }
    }

    pub fn play(&self) {
        for (index, deed) in self.scenario.deeds.iter().enumerate() {
            self.note(|| format!("--- {index}: {deed:?}"));
            self.count(deed.name());
            self.wait(1);
            self.act(deed);
            self.check_nothing_is_lost();
            self.check_nothing_comes_back(false);
            if self.failed() {
                return;
            }
        }
        self.note(|| format!("--- lasting: {:?}", self.scenario.lasting));
        self.all_is_well_but_the_lasting();
        self.settle(3);
        self.check_all_that_waits_is_named();
        self.note(|| "--- all is well".to_owned());
        self.nodes.iter().for_each(Node::heal);
        self.settle(2 * self.nodes.len());
        self.see_what_logs_did_not();
        self.check_equal();
        self.check_nothing_comes_back(true);
        self.check_quiet();
        self.check_nothing_travels_again();
    }

    pub fn failed(&self) -> bool {
        !self.violations.borrow().is_empty()
    }

    pub fn violation(&self, what: String) {
        self.note(|| format!("!!! {what}"));
        self.violations.borrow_mut().push(what);
    }

    pub fn count(&self, what: &'static str) {
        *self.tally.borrow_mut().entry(what).or_default() += 1;
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        self.trace.borrow_mut().push(line());
    }

    pub fn holding(&self, place: usize) -> Holding {
        let node = &self.nodes[place];
        let items = node.records.all().into_iter().chain(node.rows.all());
        items.map(|item| (key_of(&item), item)).collect()
    }

    pub fn wait(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
        for (node, skew) in self.nodes.iter().zip(self.skews.borrow().iter()) {
            node.set_physical(self.now_ms.get().saturating_add_signed(*skew));
        }
    }

    fn all_is_well_but_the_lasting(&self) {
        self.has_new_table.set(true);
        for node in &self.nodes {
            node.heal();
            node.rows.register(&table(LATE));
        }
        self.skews.borrow_mut().fill(0);
        self.wait(UNTIL_ALL_CLOCKS_ARE_PAST_MS);
        for fault in &self.scenario.lasting {
            let faults = self.nodes[fault.place].faults(fault.reach);
            faults.fail(fault.operation, fault.key.as_deref(), fault.when);
        }
    }

    /// Lets all places sync, until everything has had the time to get everywhere.
    fn settle(&self, passes: usize) {
        for _ in 0..=passes {
            for place in (1..self.nodes.len()).rev().chain(1..self.nodes.len()) {
                self.sync(place);
            }
            self.wait(UNTIL_RECONCILED_AGAIN_MS);
            self.check_nothing_is_lost();
        }
    }

    /// What was done behind a log's back is found once somebody asks for it.
    fn see_what_logs_did_not(&self) {
        if self.blind.borrow().is_empty() {
            return;
        }
        for place in (1..self.nodes.len()).rev().chain(1..self.nodes.len()) {
            self.wait(61_000);
            self.reconcile(place);
        }
        self.blind.borrow_mut().clear();
        self.settle(self.nodes.len());
    }

    pub fn reconcile(&self, place: usize) {
        let rounds = Rounds {
            interleaving: self.now_ms.get(),
            callers: vec![Caller {
                place,
                rounds: 0,
                crashes_after: None,
            }],
            meanwhile: Vec::new(),
            crash: None,
        };
        self.rounds(&rounds);
    }

    /// Rounds until there is no more to do, as an app would.
    pub fn sync(&self, place: usize) {
        if self.failed() {
            return;
        }
        let node = &self.nodes[place];
        let limit = node
            .place
            .page_limit
            .min(self.scenario.answer_room.unwrap_or(usize::MAX));
        let items = self.holding(place).len() + 2 * self.winners.borrow().len();
        let most = 4 * items / limit + 12;
        for _ in 0..most {
            let done = self.one_round(place);
            if !done.is_ok_and(|round| round.has_more) {
                return;
            }
        }
        self.violation(format!("n{place} still has more after {most} rounds"));
    }

    pub fn write(&self, write: &Write) {
        let node = &self.nodes[write.place];
        let held = self.holding(write.place);
        // Two versions of one item at one place have two timestamps, whatever the clock did.
        let mut hlc = node.side.clock.now();
        while held.values().any(|item| item.hlc == hlc) {
            hlc = node.side.clock.now();
        }
        self.put(write, &hlc, false);
    }

    pub fn put(&self, write: &Write, hlc: &Hlc, behind: bool) {
        let node = &self.nodes[write.place];
        let before = self.holding(write.place);
        // What a place stamps anew covers what its old self wrote, to those who go by watermarks.
        if self.wiped.borrow().contains(&write.place)
            && !self.every_neighbour_exchanges_by_logs(write.place)
        {
            self.blind.borrow_mut().insert(write.place);
        }
        for item in node.put(write, hlc, behind) {
            let mut written = self.written.borrow_mut();
            let of_key = written.entry(key_of(&item)).or_default();
            of_key.push(item.hlc.clone());
            drop(written);
            self.see(write.place, std::iter::once(&item));
            self.stand(write.place, &item);
            let known = before.get(&key_of(&item));
            if known.is_some_and(|known| self.is_unseen_by_a_neighbour(write.place, known)) {
                self.overwrote_unseen.set(true);
            }
            if known.is_some_and(|known| known.hlc > *hlc) {
                self.older_stands.set(true);
                // Watermarks do not tell that the newer version is gone here.
                if !self.every_neighbour_exchanges_by_logs(write.place) {
                    self.blind.borrow_mut().insert(write.place);
                }
            }
            self.note(|| {
                let item = list(std::slice::from_ref(&item));
                format!("n{} writes {item}", write.place)
            });
            let mut winners = self.winners.borrow_mut();
            let winner = winners.entry(key_of(&item)).or_insert_with(|| item.clone());
            if beats(&item, winner) {
                *winner = item;
            }
        }
        self.forget_lost_versions();
    }

    fn is_unseen_by_a_neighbour(&self, place: usize, item: &Item<Body>) -> bool {
        let parent_of = |child: usize| self.nodes[child].place.parent;
        let is_neighbour = |other: &usize| {
            *other != place && (parent_of(place) == *other || parent_of(*other) == place)
        };
        let mut neighbours = (0..self.nodes.len()).filter(is_neighbour);
        neighbours.any(|other| {
            let held = self.holding(other);
            held.get(&key_of(item))
                .is_none_or(|held| held.hlc < item.hlc)
        })
    }

    /// What was on its way while the place that it came from was wiped, or put back, is there again.
    pub fn learn_of_newer(&self) {
        for place in 0..self.nodes.len() {
            for (key, item) in self.holding(place) {
                let mut winners = self.winners.borrow_mut();
                let winner = winners.entry(key).or_insert_with(|| item.clone());
                if beats(&item, winner) {
                    *winner = item;
                }
            }
        }
    }

    /// What somebody overwrote or threw away, and nobody else has, cannot come back.
    pub fn forget_lost_versions(&self) {
        let places: Vec<_> = (0..self.nodes.len()).map(|p| self.holding(p)).collect();
        self.winners.borrow_mut().retain(|key, winner| {
            let copies = places.iter().filter_map(|held| held.get(key));
            let best = copies.reduce(|a, b| if beats(b, a) { b } else { a });
            best.inspect(|best| *winner = (*best).clone()).is_some()
        });
    }
}
