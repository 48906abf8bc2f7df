//! What has to hold: always, behind a lasting fault, and once all is well.

use std::collections::BTreeMap;

use starkeep_sync_engine::engine::round::DEFAULT_MAX_CLOCK_SKEW_MS;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::{Access, Body};

use super::model::{self, Held, Key, Version, has, is_seen};
use super::node::{Node, brief, key_of, list, node_name, plain, version_of};
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
            self.count("items shipped");
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
    pub fn check_answer(&self, parent: &Node, answer: Option<&Answer<Body>>) {
        if parent.place.is_old {
            return self.note_stranded(parent, answer);
        }
        let Some(asked) = parent.asked.take() else {
            return;
        };
        self.discount_refused(parent, &asked);
        let undisturbed = parent.other_writes.get() == asked.other_writes
            && parent.running_rounds.get() == 0
            && parent.local.is_healthy();
        let Some(answer) = answer.filter(|_| undisturbed) else {
            return;
        };
        self.count("answers compared with the model");
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

    /// What an old peer passed over, by its own rules: what it left out of an answer before an item of the
    /// same node, and what it did not take in before an item of the same node that it did, or while it
    /// said that all was well. Nobody is sent any of it again.
    pub fn note_stranded(&self, parent: &Node, answer: Option<&Answer<Body>>) {
        let Some(asked) = parent.asked.take().filter(|_| parent.place.is_old) else {
            return;
        };
        let held = parent.held();
        let mut stranded = Vec::new();
        for (key, version) in asked.shipped.iter().filter(|(k, v)| !has(&held, k, v)) {
            if answer.is_some() || model::has_later(held.values().map(|v| &v.hlc), &version.hlc) {
                stranded.push((key.clone(), version.hlc.clone()));
            }
        }
        let sent = answer.map_or(&[][..], |answer| &answer.items);
        for (key, version) in &held {
            let hlc = &version.hlc;
            let was_sent = sent
                .iter()
                .any(|item| key_of(item) == *key && item.hlc >= *hlc);
            let is_passed = model::has_later(sent.iter().map(|item| &item.hlc), hlc);
            if !is_seen(&asked.seen, hlc) && !was_sent && is_passed {
                stranded.push((key.clone(), hlc.clone()));
            }
        }
        for (key, hlc) in &stranded {
            self.note(|| format!("n{} of old passes over {key:?} {hlc}", parent.index));
        }
        self.count_many("items that an old peer passed over", stranded.len());
        self.stranded.borrow_mut().extend(stranded);
    }

    pub fn is_stranded(&self, key: &Key, version: &Version) -> bool {
        let stranded = (key.clone(), version.hlc.clone());
        self.stranded.borrow().contains(&stranded)
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
            self.count("items refused");
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
        self.count("checks of loss and watermarks");
        let held = self.held_everywhere();
        let mut lost = self.model.borrow().lost(&held);
        // What an old peer passed over is at one place only, which may have gone back to a copy.
        lost.retain(|key, version| !self.is_stranded(key, version));
        if !lost.is_empty() {
            self.violation(format!("lost: {lost:?}"));
        }
        for node in self.nodes.iter().filter(|node| !node.place.is_old) {
            self.check_nothing_is_of_the_future(node, &held[node.index]);
        }
        for child in self.nodes.iter().skip(1) {
            let (here, there) = (&held[child.index], &held[child.place.parent]);
            let (own, peer) = child.persisted();
            for (key, version) in there.iter().filter(|(_, v)| is_seen(&own, &v.hlc)) {
                let blob_is_here = here.get(key) != Some(version)
                    || version.blob.as_ref().is_none_or(|k| child.blobs.holds(k));
                if (!has(here, key, version) || !blob_is_here) && !self.is_stranded(key, version) {
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
                if !has(there, key, version)
                    && stands(key, version)
                    && !self.is_stranded(key, version)
                {
                    let place = child.index;
                    self.violation(format!(
                        "peer watermark of n{place} is past {key:?} {version:?}"
                    ));
                }
            }
        }
    }

    /// What others wrote is taken in only once this place's clock has come near it.
    fn check_nothing_is_of_the_future(&self, node: &Node, held: &Held) {
        let accepted_ms = node.latest_ms.get() + DEFAULT_MAX_CLOCK_SKEW_MS;
        let own = Text::from(node_name(node.index).as_str());
        for (key, version) in held {
            if version.hlc.node_id != own && version.hlc.wall_time > accepted_ms {
                let place = node.index;
                self.violation(format!(
                    "n{place} took in {key:?} {version:?} of the future"
                ));
            }
        }
    }

    /// All hold the same winners, objects and all.
    pub fn check_equal(&self) {
        self.count("checks of equality");
        for node in &self.nodes {
            let held = node.held();
            let mut missing = self.model.borrow().missing_at(&held);
            missing.retain(|key, version| !self.is_stranded(key, version));
            if !missing.is_empty() {
                self.violation(format!("n{} lacks {missing:?} in the end", node.index));
            }
            for (key, version) in &held {
                if version
                    .blob
                    .as_ref()
                    .is_some_and(|key| !node.blobs.holds(key))
                    && self.model.borrow().is_winner(key, version)
                    && !self.is_stranded(key, version)
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
        self.count("checks of quiet");
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
            // Below an old peer one may wait for the object of what that peer passed over.
            let nothing_is_stranded = self.stranded.borrow().is_empty();
            let is_quiet = match &done.outcome {
                Ok(round) if nothing_is_stranded => *round == quiet && before == after,
                Ok(round) => round.applied + round.shipped == 0 && before.0 == after.0,
                Err(_) => false,
            };
            if !is_quiet {
                self.violation(format!("n{} is not quiet: {done:?}", node.index));
            }
        }
    }
}
