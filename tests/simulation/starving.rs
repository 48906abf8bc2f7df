//! Behind a lasting fault nothing waits but what its own node wrote after it.

use starkeep_sync_engine::testing::Operation;

use super::model::{Held, Key, Version, has};
use super::node::Node;
use super::scenario::{Fault, Reach};
use super::world::World;

impl World {
    /// With the lasting faults alone: what is not held itself has moved, in both directions.
    pub fn check_nothing_starves(&self) {
        self.count("checks of starving");
        for child in self.nodes.iter().skip(1) {
            let parent = &self.nodes[child.place.parent];
            let (here, there) = (child.held(), parent.held());
            // Without a report of coverage an item that is refused fails the exchange as a whole.
            let answers = parent.place.reports_coverage()
                || !here.keys().any(|key| self.is_refused(parent, key));
            if answers {
                self.check_nothing_starves_on_its_way_to(child, &here, &there);
                self.check_nothing_starves_on_its_way_from(child, &here, &there);
            }
        }
    }

    fn check_nothing_starves_on_its_way_to(&self, child: &Node, here: &Held, there: &Held) {
        let parent = &self.nodes[child.place.parent];
        // The parent does not know what is here: what it cannot send stops its node all the same.
        let stopped = |key: &Key, _: &Version| self.cannot_travel(parent, Reach::Local, key);
        for (key, version) in there {
            let may_wait = self.is_stranded(key, version)
                || self.waits_for(child, here, there, version)
                || waits_behind(there, version, stopped);
            if !has(here, key, version) && !self.is_refused(child, key) && !may_wait {
                let place = child.index;
                self.violation(format!(
                    "{key:?} {version:?} starves on its way to n{place}"
                ));
            }
        }
    }

    fn check_nothing_starves_on_its_way_from(&self, child: &Node, here: &Held, there: &Held) {
        let parent = &self.nodes[child.place.parent];
        let cannot_come = |key: &Key, _: &Version| self.cannot_travel(parent, Reach::Local, key);
        let stopped = |key: &Key, version: &Version| {
            // What lost there, and whose winner does not get here, looks like refused there.
            let winner = there.get(key).filter(|winner| winner.hlc > version.hlc);
            let winner_is_held = winner.is_some_and(|winner| {
                self.is_refused(child, key)
                    || (is_row(key) && self.waits_for(child, here, there, winner))
                    || (waits_behind(there, winner, cannot_come)
                        && !self.is_named_by(parent, there, key, winner))
            });
            self.is_refused(parent, key)
                || self.cannot_travel(child, Reach::Network, key)
                || self.lacks_object(child, version)
                || winner_is_held
        };
        for (key, version) in here {
            // To a wiped hub another place may have brought what follows a version that lost with it.
            let lost = self.hub_was_wiped.get() && !self.model.borrow().is_winner(key, version);
            let may_wait =
                lost || self.is_stranded(key, version) || waits_behind(here, version, stopped);
            if !has(there, key, version) && !may_wait {
                let place = child.index;
                self.violation(format!(
                    "{key:?} {version:?} starves on its way from n{place}"
                ));
            }
        }
    }

    /// Whether the strict order of `child` keeps what its parent holds from being taken in.
    fn waits_for(&self, child: &Node, here: &Held, there: &Held, version: &Version) -> bool {
        // A row is shown to its app again even where it is here.
        let stopped = |key: &Key, version: &Version| {
            (is_row(key) || !has(here, key, version)) && self.is_refused(child, key)
        };
        child.is_parent && waits_behind(there, version, stopped)
    }

    fn lasts(&self, holds: impl Fn(&Fault) -> bool) -> bool {
        self.scenario.lasting.iter().any(holds)
    }

    /// Whether `at` cannot bring the item into the form in which it travels: to its parent over the network, to
    /// those that call it by its own fault.
    fn cannot_travel(&self, at: &Node, reach: Reach, key: &Key) -> bool {
        self.lasts(|fault| {
            (fault.place, fault.reach, fault.operation, &fault.key)
                == (at.index, reach, Operation::PackItem, &Some(key.1.clone()))
        })
    }

    /// Whether `parent` says of this record that it has it and cannot send it: of each node, it says so of the first.
    /// Of a row no more is said than its table.
    fn is_named_by(&self, parent: &Node, there: &Held, key: &Key, version: &Version) -> bool {
        let is_earlier = |(other, earlier): (&Key, &Version)| {
            earlier.hlc.node_id == version.hlc.node_id
                && earlier.hlc < version.hlc
                && self.cannot_travel(parent, Reach::Local, other)
        };
        !is_row(key)
            && self.cannot_travel(parent, Reach::Local, key)
            && !there.iter().any(is_earlier)
    }

    fn is_refused(&self, at: &Node, key: &Key) -> bool {
        self.lasts(|fault| {
            let operation = if is_row(key) {
                Operation::ApplyRow
            } else {
                Operation::PutRecord
            };
            (fault.place, fault.operation, &fault.key)
                == (at.index, operation, &Some(key.1.clone()))
        })
    }

    /// Whether the object of what `child` holds cannot be brought to the parent.
    fn lacks_object(&self, child: &Node, version: &Version) -> bool {
        let Some(key) = &version.blob else {
            return false;
        };
        let parent = &self.nodes[child.place.parent];
        let there = parent.blobs.holds(key);
        !child.blobs.holds(key) && !there
            || self.lasts(|fault| {
                let gets = (Reach::Local, Operation::GetBlob);
                let way = (fault.reach, fault.operation);
                let in_the_way = way == (Reach::Network, Operation::HasBlob)
                    || (!there && (way == gets || way == (Reach::Network, Operation::PutBlob)));
                fault.place == child.index && fault.key == Some(key.to_string()) && in_the_way
            })
    }
}

/// Whether `version` is, or comes after, one of its node that is stopped.
fn waits_behind(held: &Held, version: &Version, stopped: impl Fn(&Key, &Version) -> bool) -> bool {
    held.iter().any(|(key, earlier)| {
        earlier.hlc.node_id == version.hlc.node_id
            && earlier.hlc <= version.hlc
            && stopped(key, earlier)
    })
}

fn is_row(key: &Key) -> bool {
    key.0 != "records"
}
