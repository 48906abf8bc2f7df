//! What has to hold: always, behind a lasting fault, and once all is well.

use std::collections::BTreeMap;

use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::store::memory::{Access, Body, Operation};

use super::model::{self, Held, Key, Version, has, is_seen};
use super::node::{Node, brief, key_of, list, plain, version_of};
use super::scenario::{Fault, Reach};
use super::world::{Round, World};

/// What was asked, and what stood then.
pub struct Asked {
    from: usize,
    shipped: Vec<(Key, Version)>,
    seen: BTreeMap<Text, Hlc>,
    limit: usize,
    other_writes: usize,
    /// Nodes of which the items follow on more than the parent holds.
    behind: Vec<Text>,
}

/// An item may be left out each time that something before it has lost meanwhile, not more often.
const MOST_REFUSALS: usize = 4;

impl World {
    /// A request as it reaches `parent`: in order, at most a page, and every object there before its item.
    pub fn check_request(&self, parent: &Node, from: usize, request: &Request<Body>) -> Asked {
        self.note(|| {
            format!(
                "n{from} -> n{}: [{}], seen: {}",
                parent.index,
                list(&request.items),
                brief(&plain(&request.watermarks)),
            )
        });
        if !request.items.is_sorted_by(|a, b| a.hlc <= b.hlc) {
            self.violation(format!("n{from} ships out of order"));
        }
        for item in &request.items {
            if let Some(blob) = &item.blob
                && !parent.blobs.holds(&blob.key)
            {
                self.violation(format!(
                    "n{from} ships {:?} before its object",
                    key_of(item)
                ));
            }
            self.count_shipment(parent, from, item);
        }
        let shipped = request.items.iter();
        Asked {
            from,
            shipped: shipped.map(|i| (key_of(i), version_of(i))).collect(),
            seen: plain(&request.watermarks),
            limit: request.limit,
            behind: model::behind(&parent.held(), &plain(&request.shipped_after)),
            other_writes: parent.other_writes.get(),
        }
    }

    /// An answer against the page of the model, where nobody else wrote meanwhile and nothing failed. It
    /// may be another one, if it says that there is more: what is remembered of an earlier pass does not know
    /// the newest. Even then it leaves nothing out before an item of the same node.
    pub fn check_answer(&self, parent: &Node, asked: &Asked, answer: Option<&Answer<Body>>) {
        self.discount_refused(parent, asked);
        let undisturbed = parent.other_writes.get() == asked.other_writes
            && parent.running_rounds.get() == 0
            && parent.local.is_healthy();
        let Some(answer) = answer.filter(|_| undisturbed) else {
            return;
        };
        let sent: Vec<_> = answer.items.iter().map(|item| item.hlc.clone()).collect();
        let (page, more) = model::page(&parent.held(), &asked.seen, asked.limit);
        let remembers = parent.place.access != Access::Indexed && answer.has_more;
        let all = model::page(&parent.held(), &asked.seen, usize::MAX).0;
        let is_sound = !sent.is_empty() && model::leaves_no_gap(&sent, &all);
        if !(remembers && is_sound) && (sent != page || answer.has_more != more) {
            self.violation(format!(
                "n{} answers {sent:?} (more: {}), the model {page:?} (more: {more})",
                parent.index, answer.has_more
            ));
        }
    }

    /// Where nothing goes wrong, nothing goes twice, but for what lost to a newer version meanwhile.
    fn count_shipment(&self, parent: &Node, from: usize, item: &Item<Body>) {
        let shipment = (from, key_of(item), item.hlc.clone());
        let mut shipments = self.shipments.borrow_mut();
        let count = shipments.entry(shipment).or_default();
        *count += 1;
        let stands = parent
            .held()
            .get(&key_of(item))
            .is_none_or(|v| v.hlc <= item.hlc);
        if self.scenario.clean && *count > 1 && stands {
            let what = format!("n{from} ships {:?} again without cause", key_of(item));
            self.violation(what);
        }
    }

    /// What did not follow on what the parent holds is sent again, with cause; but not for ever.
    fn discount_refused(&self, parent: &Node, asked: &Asked) {
        let held = parent.held();
        let refused = asked.shipped.iter().filter(|(k, v)| !has(&held, k, v));
        for (key, version) in refused {
            let shipment = (asked.from, key.clone(), version.hlc.clone());
            if let Some(count) = self.shipments.borrow_mut().get_mut(&shipment) {
                *count -= 1;
            }
            let mut refusals = self.refusals.borrow_mut();
            let count = refusals.entry(shipment).or_default();
            *count += 1;
            let (from, to) = (asked.from, parent.index);
            let has_cause = asked.behind.contains(&version.hlc.node_id)
                || asked.other_writes != parent.other_writes.get()
                || parent.running_rounds.get() > 0;
            if self.scenario.clean && (*count > MOST_REFUSALS || !has_cause) {
                self.violation(format!("n{to} refuses {key:?} of n{from} without cause"));
            }
        }
    }

    /// Nothing is lost, and no persisted watermark is past what is missing.
    pub fn check_always(&self) {
        let held = self.held_everywhere();
        let lost = self.model.borrow().lost(&held);
        if !lost.is_empty() {
            self.violation(format!("lost: {lost:?}"));
        }
        for child in self.nodes.iter().skip(1) {
            let (here, there) = (&held[child.index], &held[child.place.parent]);
            let (own, peer) = child.persisted();
            for (key, version) in there.iter().filter(|(_, v)| is_seen(&own, &v.hlc)) {
                let blob_is_here = here.get(key) != Some(version)
                    || version.blob.as_ref().is_none_or(|k| child.blobs.holds(k));
                if !has(here, key, version) || !blob_is_here {
                    let place = child.index;
                    self.violation(format!(
                        "own watermark of n{place} is past {key:?} {version:?}"
                    ));
                }
            }
            // What has lost elsewhere need not get there any more.
            let stands = |key, version| self.model.borrow().is_winner(key, version);
            if child.trusts_a_wiped_parent.get() {
                continue;
            }
            for (key, version) in here.iter().filter(|(_, v)| is_seen(&peer, &v.hlc)) {
                if !has(there, key, version) && stands(key, version) {
                    let place = child.index;
                    self.violation(format!(
                        "peer watermark of n{place} is past {key:?} {version:?}"
                    ));
                }
            }
        }
    }

    /// All hold the same winners, objects and all.
    pub fn check_equal(&self) {
        for node in &self.nodes {
            let held = node.held();
            let missing = self.model.borrow().missing_at(&held);
            if !missing.is_empty() {
                self.violation(format!("n{} lacks {missing:?} in the end", node.index));
            }
            for (key, version) in &held {
                if version
                    .blob
                    .as_ref()
                    .is_some_and(|key| !node.blobs.holds(key))
                {
                    self.violation(format!("n{} lacks the object of {key:?}", node.index));
                }
            }
        }
    }

    /// Another round does nothing at all.
    pub fn check_quiet(&self) {
        if self.failed() {
            return;
        }
        for node in self.nodes.iter().skip(1) {
            let before = (node.persisted(), node.received.get());
            let done = self.one_round(node.index);
            let quiet = Round {
                applied: 0,
                shipped: 0,
                has_more: false,
                held: Vec::new(),
            };
            let after = (node.persisted(), node.received.get());
            if done.outcome.as_ref() != Ok(&quiet) || before != after {
                self.violation(format!("n{} is not quiet: {done:?}", node.index));
            }
        }
    }

    /// With the lasting faults alone: what is not held itself has moved, in both directions.
    pub fn check_nothing_starves(&self) {
        for child in self.nodes.iter().skip(1) {
            let parent = &self.nodes[child.place.parent];
            let (here, there) = (child.held(), parent.held());
            // Without a report of coverage an item that is refused fails the exchange as a whole.
            let answers = parent.place.reports_coverage()
                || !here.keys().any(|key| self.is_refused(parent, key));
            if !answers {
                continue;
            }
            for (key, version) in &there {
                // A row is shown to its app again even where it is here.
                let stopped = |k: &Key, v: &Version| {
                    let is_shown = k.0 != "records" || !has(&here, k, v);
                    is_shown && self.is_refused(child, k)
                };
                let waits = child.is_parent && waits_behind(&there, version, stopped);
                if !has(&here, key, version) && !self.is_refused(child, key) && !waits {
                    self.violation(format!(
                        "{key:?} {version:?} starves on its way to n{}",
                        child.index
                    ));
                }
            }
            for (key, version) in &here {
                let stopped = |k: &Key, v: &Version| {
                    // What lost there, and whose winner is refused here, looks like refused there.
                    let lost = there.get(k).is_some_and(|winner| winner.hlc > v.hlc);
                    self.is_refused(parent, k)
                        || self.lacks_object(child, v)
                        || (lost && self.is_refused(child, k))
                };
                let waits = waits_behind(&here, version, stopped);
                if !has(&there, key, version) && !waits {
                    self.violation(format!(
                        "{key:?} {version:?} starves on its way from n{}",
                        child.index
                    ));
                }
            }
        }
    }

    fn lasts(&self, holds: impl Fn(&Fault) -> bool) -> bool {
        self.scenario.lasting.iter().any(holds)
    }

    fn is_refused(&self, at: &Node, key: &Key) -> bool {
        self.lasts(|fault| {
            let operation = if key.0 == "records" {
                Operation::PutRecord
            } else {
                Operation::ApplyRow
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
