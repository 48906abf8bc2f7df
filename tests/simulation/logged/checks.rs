//! What has to hold.

use std::collections::BTreeSet;

use starkeep_sync_engine::engine::change_log::MOST_WAITING;
use starkeep_sync_engine::protocol::item::{Item, ItemKind};
use starkeep_sync_engine::protocol::message::Request;
use starkeep_sync_engine::testing::{Body, canonical};

use super::super::model::Key;
use super::super::node::{Node, key_of};
use super::dialogue::asked;
use super::rounds::{Done, Round};
use super::scenario::Deed;
use super::world::{Holding, World, beats};

/// An item that is not deleted.
fn live(item: Option<&Item<Body>>) -> Option<&Item<Body>> {
    item.filter(|item| !item.body.deleted)
}

impl World {
    /// Every object is there before its item.
    pub fn check_request(&self, parent: &Node, from: usize, request: &Request<Body>) {
        self.note(|| asked(parent, from, request));
        for item in &request.items {
            if let Some(blob) = &item.blob
                && !parent.blobs.holds(&blob.key)
            {
                let what = format!("n{from} ships {:?} before its object", key_of(item));
                self.violation(what);
            }
        }
    }

    /// What was written and not superseded is somewhere.
    pub fn check_nothing_is_lost(&self) {
        let places: Vec<_> = (0..self.nodes.len()).map(|p| self.holding(p)).collect();
        for (key, winner) in self.winners.borrow().iter() {
            let mut copies = places.iter().filter_map(|held| held.get(key));
            if !copies.any(|copy| !beats(winner, copy)) {
                self.violation(format!("{key:?} {winner:?} is lost"));
            }
        }
    }

    /// What a place has had, and deleted, stays deleted where its tombstone was purged; in the end it is so everywhere.
    pub fn check_nothing_comes_back(&self, is_end: bool) {
        let mut deeds = self.scenario.deeds.iter();
        if deeds.any(Deed::may_bring_back) {
            return;
        }
        for ((place, key), versions) in self.buried.borrow().iter() {
            let of_any = |at: &usize| is_end || at == place;
            for at in (0..self.nodes.len()).filter(of_any) {
                let held = self.holding(at);
                let Some(item) = held.get(key) else { continue };
                self.count("checks that nothing comes back");
                if versions.contains(&item.hlc) && !item.body.deleted {
                    self.violation(format!("{key:?} {item:?} came back to n{at}"));
                }
            }
        }
    }

    /// Whether tombstones were purged: then one that another side still has is the same as none.
    fn has_purged(&self) -> bool {
        !self.buried.borrow().is_empty()
    }

    /// After a round that nothing disturbs, it is proved that both sides hold the same exactly if they do.
    pub fn check_proof(&self, place: usize, done: &Done) {
        let parent = self.nodes[place].place.parent;
        let blind = self.blind.borrow();
        let Ok(round) = done else { return };
        if blind.contains(&place) || blind.contains(&parent) || !self.exchanges_by_logs(place) {
            return;
        }
        self.count("checks of a proof");
        let is_drained = !round.has_more && round.held.is_empty();
        let proved = round.in_sync == Some(true);
        let mut differing = self.differing(place);
        if proved {
            self.forgive_purged(place, &mut differing);
        }
        if proved && (!differing.is_empty() || !is_drained) {
            self.violation(format!(
                "n{place} is proved equal, but differs in {differing:?}"
            ));
        }
        if !proved && differing.is_empty() && is_drained {
            self.violation(format!(
                "n{place} is equal, and it is not proved: {round:?}"
            ));
        }
    }

    /// Where logs know of all that was done, what differs is found by them, and never by comparing what both hold: so
    /// it is in a round that nothing disturbs, before which `said` lines were said.
    pub fn check_logs_sufficed(&self, place: usize, said: usize) {
        // At a first contact nothing is known of tables that the other side alone has.
        let has = |what: fn(&Deed) -> bool| self.scenario.deeds.iter().any(what);
        let is_unseen = has(Deed::is_unseen_by_logs) || self.older_stands.get();
        if is_unseen || has(Deed::is_of_late_app) {
            return;
        }
        // What a peer refused waits at the side that sent it, and a copy of that side from before does not know. Nor does
        // the log of such a copy: it still has a version that this side wrote over before the peer had seen it.
        let refuses = !self.scenario.lasting.is_empty() || has(Deed::may_lead_to_a_refusal);
        if has(Deed::copies) && (refuses || self.overwrote_unseen.get()) {
            return;
        }
        // Of a table that both sides have from now on they never held the same: all is compared once, tombstones too.
        // So is what waits beside a side that has purged: what is alive differs by it. And of a tie of a tombstone and of
        // what is alive, which counts as one version until the tombstone is purged.
        if self.has_purged() && (self.has_new_table.get() || refuses || self.has_tie()) {
            return;
        }
        self.count("checks that logs sufficed");
        let lines = self.nodes[place].side.log.lines();
        let mut new = lines.iter().skip(said);
        if let Some(line) = new.find(|line| line.contains("they are not the same ones")) {
            self.violation(format!("n{place}: {line}"));
        }
    }

    /// The items of which a place and its parent hold other versions, as far as both have the stream.
    fn differing(&self, place: usize) -> Vec<Key> {
        let node = &self.nodes[place];
        let parent = &self.nodes[node.place.parent];
        let (here, there) = (self.holding(place), self.holding(parent.index));
        let keys = here.keys().chain(there.keys());
        let time = |held: &Holding, key: &Key| held.get(key).map(|item| item.hlc.clone());
        let mut differing: Vec<Key> = keys
            .filter(|key| node.has_stream(&key.0) && parent.has_stream(&key.0))
            .filter(|key| time(&here, key) != time(&there, key))
            .cloned()
            .collect();
        differing.sort();
        differing.dedup();
        differing
    }

    /// Leaves out what one of two sides has deleted and the other has not at all, if tombstones were purged.
    fn forgive_purged(&self, place: usize, differing: &mut Vec<Key>) {
        let parent = self.nodes[place].place.parent;
        let (here, there) = (self.holding(place), self.holding(parent));
        if self.has_purged() {
            differing.retain(|key| live(here.get(key)).is_some() || live(there.get(key)).is_some());
        }
    }

    /// With the lasting faults alone: where two sides differ, the item is named, and nothing else waits.
    pub fn check_all_that_waits_is_named(&self) {
        for place in 1..self.nodes.len() {
            if self.failed() {
                return;
            }
            let node = &self.nodes[place];
            let blind = self.blind.borrow();
            // What found no room to wait is behind what waits.
            let is_bounded = node.place.most_waiting < MOST_WAITING;
            let is_by_watermarks = !self.exchanges_by_logs(place);
            if blind.contains(&place) || blind.contains(&node.place.parent) {
                continue;
            }
            if is_bounded || is_by_watermarks {
                continue;
            }
            let mut done = self.one_round(place);
            for _ in 0..200 {
                if !done.as_ref().is_ok_and(|round| round.has_more) {
                    break;
                }
                done = self.one_round(place);
            }
            let Ok(round) = done else { continue };
            self.count("checks of what waits");
            let (here, there) = (self.holding(place), self.holding(node.place.parent));
            let mut differing = self.differing(place);
            self.forgive_purged(place, &mut differing);
            for key in differing {
                let versions = [here.get(&key), there.get(&key)];
                let is_named = versions.iter().flatten().any(|item| {
                    round.held.iter().any(|(_, kind, hlc, _)| match kind {
                        ItemKind::Record(_) => *kind == item.kind,
                        ItemKind::Row(_) => *kind == item.kind && *hlc == item.hlc,
                    })
                });
                if !is_named {
                    self.violation(format!(
                        "n{place} differs in {key:?}, {versions:?}, which is not named: {round:?}"
                    ));
                }
            }
        }
    }

    /// All hold the same, objects and all.
    pub fn check_equal(&self) {
        if self.failed() || self.may_be_stuck() {
            return;
        }
        self.learn_of_newer();
        if self.nodes.iter().any(|node| !node.place.keeps_log) {
            // Between those that go by watermarks an item whose object is lost holds back what its node wrote after it,
            // and what an app put an older version over is not offered to it again.
            if self.lost_objects() || self.older_stands.get() {
                return;
            }
            self.count("checks of equality where some keep no log");
        }
        self.count("checks of equality");
        for node in &self.nodes {
            let held = self.holding(node.index);
            for (key, winner) in self.winners.borrow().iter() {
                // Two sides that never met before compare times alone: there a tie may stand. A tie that travels is
                // settled, which tests say beside this.
                // Beside a side that has purged, two tombstones of one item are as good as each other.
                let may_lack = winner.body.deleted && self.has_purged();
                let lacks = match held.get(key) {
                    Some(item) => item.hlc < winner.hlc && !(may_lack && item.body.deleted),
                    None => !may_lack,
                };
                if lacks && !self.has_lost_its_object(winner) {
                    let what = format!("n{} lacks {key:?} {winner:?}", node.index);
                    self.violation(what);
                }
            }
            let hub = self.holding(0);
            let keys: Vec<_> = held.keys().chain(hub.keys()).collect();
            for key in keys {
                let lost = |held: &Holding| {
                    let item = held.get(key);
                    item.is_some_and(|item| self.has_lost_its_object(item))
                };
                let counts = |item: &&Item<Body>| !item.body.deleted || !self.has_purged();
                let of = |held: &'_ Holding| held.get(key).filter(counts).cloned();
                let time = |held: &Holding| of(held).map(|item| item.hlc);
                let stamp = |held: &Holding| held.get(key).map(|item| item.hlc.clone());
                // A tie may also be of a tombstone and of what is alive.
                let one_time = stamp(&held) == stamp(&hub) || time(&held) == time(&hub);
                let content = |held: &Holding| of(held).as_ref().map(canonical);
                let ties = self
                    .scenario
                    .places
                    .iter()
                    .any(|place| place.node.is_some());
                let differs =
                    !one_time || (!self.may_tie() && !ties && content(&held) != content(&hub));
                if differs && !lost(&held) && !lost(&hub) {
                    let what = format!("n{} and the hub differ in {key:?}", node.index);
                    self.violation(what);
                }
            }
            for item in held.values() {
                let Some(blob) = &item.blob else { continue };
                if !self.has_lost_its_object(item) && !node.blobs.holds(&blob.key) {
                    let what = format!("n{} lacks the object of {:?}", node.index, key_of(item));
                    self.violation(what);
                }
            }
        }
    }

    /// Whether two versions may have one timestamp: places that are copies of others, put back, or set back.
    fn may_tie(&self) -> bool {
        self.scenario.deeds.iter().any(|deed| {
            matches!(
                deed,
                Deed::Clone { .. }
                    | Deed::Restart(_)
                    | Deed::Forge { .. }
                    | Deed::Restore(_)
                    | Deed::RestoreData(_)
            )
        })
    }

    /// Whether two versions of an item were written with one timestamp.
    fn has_tie(&self) -> bool {
        let written = self.written.borrow();
        written.values().any(|versions| {
            let distinct: BTreeSet<_> = versions.iter().collect();
            distinct.len() < versions.len()
        })
    }

    /// Another round does nothing at all, and proves that.
    pub fn check_quiet(&self) {
        for place in 1..self.nodes.len() {
            if self.failed() || self.may_be_stuck() {
                return;
            }
            self.count("checks of quiet");
            let done = self.one_round(place);
            let quiet = Round {
                applied: 0,
                shipped: 0,
                has_more: false,
                in_sync: self.exchanges_by_logs(place).then_some(true),
                held: Vec::new(),
            };
            let lost_objects = self.lost_objects();
            let is_quiet = match &done {
                // What waits has its turn, as much of it in a round as a page holds.
                Ok(round) if lost_objects => round.applied + round.shipped == 0,
                Ok(round) => *round == quiet,
                Err(_) => false,
            };
            if !is_quiet {
                self.violation(format!("n{place} is not quiet: {done:?}"));
            }
        }
    }

    /// Whether a place and its parent both keep logs.
    pub fn exchanges_by_logs(&self, place: usize) -> bool {
        let parent = self.nodes[place].place.parent;
        self.nodes[place].place.keeps_log && self.nodes[parent].place.keeps_log
    }

    /// Whether a place, its parent and its children all keep logs.
    pub fn every_neighbour_exchanges_by_logs(&self, place: usize) -> bool {
        let is_edge = |child: &usize| *child == place || self.nodes[*child].place.parent == place;
        let mut edges = (1..self.nodes.len()).filter(is_edge);
        edges.all(|child| self.exchanges_by_logs(child))
    }

    /// Whether an item's object was removed by hand somewhere, or is nowhere any more where it is looked for: the item
    /// waits then.
    fn has_lost_its_object(&self, item: &Item<Body>) -> bool {
        let Some(blob) = &item.blob else { return false };
        let removed = self.removed_objects.borrow();
        let has = |node: &Node| node.blobs.holds(&blob.key) && self.looks_there(node.index, item);
        removed.contains(&blob.key.to_string()) || !self.nodes.iter().any(has)
    }

    /// Whether somebody who holds the item looks for its object at this place: the place itself, or a child of it.
    fn looks_there(&self, place: usize, item: &Item<Body>) -> bool {
        self.nodes.iter().any(|node| {
            let asks = node.index == place || node.place.parent == place;
            let held = self.holding(node.index);
            asks && held
                .get(&key_of(item))
                .is_some_and(|held| held.hlc == item.hlc)
        })
    }

    /// Whether objects that nobody has may fill a list of what waits.
    pub fn may_be_stuck(&self) -> bool {
        let mut places = self.nodes.iter().map(|node| &node.place);
        places.any(|place| place.most_waiting < MOST_WAITING) && self.lost_objects()
    }

    pub fn lost_objects(&self) -> bool {
        (0..self.nodes.len()).any(|place| {
            let held = self.holding(place);
            held.values().any(|item| self.has_lost_its_object(item))
        })
    }
}
