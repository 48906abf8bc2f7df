//! What has to hold of what is said, whatever both sides come to hold by it.

use std::cell::Cell;
use std::collections::BTreeSet;

use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::log::{Key as LogKey, Stream};
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::testing::{Body, Operation};

use super::super::model::Key;
use super::super::node::{Node, key_of};
use super::scenario::Deed;
use super::world::World;

/// What is counted of what is said.
#[derive(Default)]
pub struct Said {
    pub requests: Cell<usize>,
    /// Items on their way in either direction.
    pub items: Cell<usize>,
    /// Nobody else exchanges or writes meanwhile.
    pub is_undisturbed: Cell<bool>,
}

/// A request as it was, and what stood then.
pub struct Before {
    /// The items that are new to the answering side.
    new: Vec<Item<Body>>,
    wanted: BTreeSet<Key>,
}

impl World {
    /// Before a request is answered.
    pub fn hear(&self, parent: &Node, request: &Request<Body>) -> Before {
        let said = &self.said;
        said.requests.set(said.requests.get() + 1);
        said.items.set(said.items.get() + request.items.len());
        self.see(parent.index, request.items.iter());
        let held = self.holding(parent.index);
        let is_new = |item: &&Item<Body>| {
            let here = held.get(&key_of(item));
            here.is_none_or(|here| here.hlc != item.hlc)
        };
        let wanted = request.log.iter().flat_map(|log| log.want.iter().cloned());
        Before {
            new: request.items.iter().filter(is_new).cloned().collect(),
            wanted: wanted.map(LogKey::from).map(|key| named(&key)).collect(),
        }
    }

    /// What a caller brought is not sent back to it, and a digest is of everything.
    pub fn check_answer(&self, from: usize, before: &Before, answer: &Answer<Body>) {
        let said = &self.said;
        said.items.set(said.items.get() + answer.items.len());
        for place in [from, self.nodes[from].place.parent] {
            self.see(place, answer.items.iter());
        }
        let Some(log) = answer.log.as_ref() else {
            return;
        };
        let mut planes = [&log.records, &log.rows].into_iter().flatten();
        if log.digest.is_some() && planes.any(|plane| plane.more) {
            self.violation(format!("n{from} is told a digest while more follows"));
        }
        if !said.is_undisturbed.get() || log.overtaken.is_some() {
            return;
        }
        self.count("checks that nothing is sent back");
        for item in &answer.items {
            let is_it = |other: &Item<Body>| key_of(other) == key_of(item) && other.hlc == item.hlc;
            if before.new.iter().any(is_it) && !before.wanted.contains(&key_of(item)) {
                let what = format!("n{from} gets back {:?}, which it sent", key_of(item));
                self.violation(what);
            }
        }
    }

    /// After the places were equal and quiet: a quiet round is one request, and nothing travels again because a program
    /// began again.
    pub fn check_nothing_travels_again(&self) {
        let by_logs = |place: &usize| self.exchanges_by_logs(*place);
        let places: Vec<usize> = (1..self.nodes.len()).filter(by_logs).collect();
        let said = &self.said;
        for place in &places {
            if self.failed() || self.may_be_stuck() || self.lost_objects() {
                return;
            }
            self.count("checks of a quiet round");
            said.requests.set(0);
            let _ = self.one_round(*place);
            if said.requests.get() != 1 {
                let what = format!("n{place} asks {} times, and is quiet", said.requests.get());
                self.violation(what);
            }
        }
        // Of what could not be noted to wait no longer, each is tried once more.
        let is_unnoted = |deed: &Deed| matches!(deed, Deed::Fault(fault) if fault.operation == Operation::NoteInLog);
        let has = |what: fn(&Deed) -> bool| self.scenario.deeds.iter().any(what);
        // And so is what waited for a log that went and came back.
        let refuses = !self.scenario.lasting.is_empty() || has(Deed::may_lead_to_a_refusal);
        if has(is_unnoted) || (has(Deed::copies) && refuses) {
            return;
        }
        for place in 0..self.nodes.len() {
            self.start(place);
        }
        for place in &places {
            if self.failed() {
                return;
            }
            said.items.set(0);
            self.sync(*place);
            if said.items.get() != 0 {
                let what = format!("n{place}: {} items travel again", said.items.get());
                self.violation(what);
            }
        }
    }
}

/// The key of an item as the model names it.
pub fn named(key: &LogKey) -> Key {
    let stream = match &key.stream {
        Stream::Records => "records".to_owned(),
        Stream::Rows(table) => format!("{}/{}", table.app, table.name),
    };
    (stream, key.id.to_string())
}
