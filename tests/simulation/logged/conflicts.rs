//! What an app has to be told of versions that lose.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use starkeep_sync_engine::engine::conflict::Conflict;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::testing::Body;

use super::super::model::Key;
use super::super::node::{key_of, place_of};
use super::super::scenario::Rounds;
use super::scenario::Deed;
use super::world::{Holding, World};

/// Which version of a place met which other one.
type Pair = (Key, Hlc, Hlc);

/// What is known of versions, by places.
#[derive(Default)]
pub struct Versions {
    /// What a place has had or was sent.
    seen: RefCell<BTreeMap<usize, BTreeSet<(Key, Hlc)>>>,
    /// What a place has had.
    had: RefCell<BTreeMap<usize, BTreeSet<(Key, Hlc)>>>,
    /// What counts as seen by a place, although it may not have it: a child that ended held it back, and forgot.
    forgotten: RefCell<BTreeMap<usize, BTreeSet<(Key, Hlc)>>>,
    /// What the app of a place was told since its program began.
    told: RefCell<BTreeMap<usize, BTreeSet<Pair>>>,
    /// What it was told before that: of a file that was put back it may have to be told once more, and need not be.
    told_before: RefCell<BTreeMap<usize, BTreeSet<Pair>>>,
    /// What it has to be told of with the next round that runs well.
    untold: RefCell<BTreeMap<usize, BTreeSet<Pair>>>,
    /// Whether a place may hold back what came in.
    holds: RefCell<BTreeMap<usize, bool>>,
    /// Whether the last round of a place ran well.
    last_ran_well: RefCell<BTreeMap<usize, bool>>,
    /// What stood at the places that run rounds, but for what came in with them.
    standing: RefCell<BTreeMap<usize, Holding>>,
}

impl World {
    /// A place has these items, or was sent them.
    pub fn see<'a>(&self, place: usize, items: impl Iterator<Item = &'a Item<Body>>) {
        let mut seen = self.versions.seen.borrow_mut();
        let versions = items.map(|item| (key_of(item), item.hlc.clone()));
        seen.entry(place).or_default().extend(versions);
    }

    /// A copy has had what its original has had.
    pub fn see_as(&self, original: usize, copy: usize) {
        let mut seen = self.versions.seen.borrow_mut();
        let had = seen.get(&original).cloned();
        seen.entry(copy)
            .or_default()
            .extend(had.into_iter().flatten());
    }

    pub fn has_had(&self, place: usize, key: &Key, hlc: &Hlc) -> bool {
        let had = self.versions.had.borrow();
        let had = had.get(&place);
        had.is_some_and(|had| had.contains(&(key.clone(), hlc.clone())))
    }

    pub fn see_all(&self) {
        for place in 0..self.nodes.len() {
            let held = self.holding(place);
            self.see(place, held.values());
            let mut had = self.versions.had.borrow_mut();
            let of_place = had.entry(place).or_default();
            of_place.extend(held.into_iter().map(|(key, item)| (key, item.hlc)));
        }
    }

    /// A round is over; `held` says that what came in may be held.
    pub fn note_held(&self, place: usize, held: bool) {
        self.versions.holds.borrow_mut().insert(place, held);
    }

    /// A program has ended: what it had not told is forgotten, and what it held back comes in later as if it followed on
    /// what stands there.
    pub fn forget_conflicts(&self, place: usize) {
        if self.versions.holds.borrow_mut().remove(&place) == Some(true) {
            let parent = self.nodes[place].place.parent;
            let versions = self.holding(place).into_iter();
            let mut forgotten = self.versions.forgotten.borrow_mut();
            let of_parent = forgotten.entry(parent).or_default();
            of_parent.extend(versions.map(|(key, item)| (key, item.hlc)));
        }
        let told = self.versions.told.borrow_mut().remove(&place);
        let mut before = self.versions.told_before.borrow_mut();
        before
            .entry(place)
            .or_default()
            .extend(told.into_iter().flatten());
        self.versions.untold.borrow_mut().remove(&place);
    }

    /// A round or a reconciliation is over. No pair of versions is told of twice.
    pub fn hear_of_conflicts(&self, place: usize, conflicts: Option<&[Conflict<Body>]>) {
        let mut last = self.versions.last_ran_well.borrow_mut();
        last.insert(place, conflicts.is_some());
        for Conflict {
            kind, times, local, ..
        } in conflicts.unwrap_or_default()
        {
            let [own, incoming] = times.clone();
            let pair = ((place_of(kind), local.id.to_string()), own, incoming);
            self.note(|| format!("n{place} is told of {pair:?}"));
            self.count("conflicts told");
            let mut told = self.versions.told.borrow_mut();
            if !told.entry(place).or_default().insert(pair.clone()) {
                self.violation(format!("n{place} is told twice of {pair:?}"));
            }
        }
    }

    /// An app writes while rounds run: it knows what it writes over.
    pub fn stand(&self, place: usize, item: &Item<Body>) {
        if let Some(standing) = self.versions.standing.borrow_mut().get_mut(&place) {
            standing.insert(key_of(item), item.clone());
        }
    }

    /// What stands at the callers, as far as nothing but their own rounds and their apps writes there.
    pub fn note_standing(&self, rounds: &Rounds) {
        self.see_all();
        let broken_down = rounds.crash.map(|(place, _)| place);
        let is_called = |place| {
            let mut others = rounds.callers.iter();
            others.any(|other| self.nodes[other.place].place.parent == place)
        };
        let alone = rounds.callers.iter().filter(|caller| {
            let crashes = caller.crashes_after.is_some() || broken_down == Some(caller.place);
            !crashes && !is_called(caller.place)
        });
        let standing = alone.map(|caller| (caller.place, self.holding(caller.place)));
        self.versions.standing.replace(standing.collect());
    }

    /// Every version that the parent had not seen, and that another one has replaced here, was told of.
    pub fn check_conflicts(&self) {
        self.see_all();
        for (place, before) in self.versions.standing.take() {
            self.check_conflicts_of(place, before);
        }
    }

    fn check_conflicts_of(&self, place: usize, before: Holding) {
        let parent = self.nodes[place].place.parent;
        let after = self.holding(place);
        let blind = self.blind.borrow();
        if !self.exchanges_by_logs(place) || blind.contains(&place) || blind.contains(&parent) {
            return;
        }
        let mut all_untold = self.versions.untold.borrow_mut();
        let untold = all_untold.entry(place).or_default();
        let copies = self.scenario.deeds.iter().any(Deed::copies);
        for (key, lost) in before {
            // A log that was taken in before the app was known counts as taken in by a copy, which knows the app.
            if copies && key.0.starts_with("late/") {
                continue;
            }
            let Some(stands) = after.get(&key).filter(|now| now.hlc != lost.hlc) else {
                continue;
            };
            let of = [&self.versions.seen, &self.versions.forgotten];
            let version = (key.clone(), lost.hlc.clone());
            let has = |of: &RefCell<BTreeMap<_, BTreeSet<_>>>| {
                let of = of.borrow();
                of.get(&parent).is_some_and(|of| of.contains(&version))
            };
            if !of.into_iter().any(has) {
                self.count("unsent versions lost");
                untold.insert((key, lost.hlc.clone(), stands.hlc.clone()));
            }
        }
        let last = self.versions.last_ran_well.borrow().get(&place).copied();
        if last == Some(true) {
            let (told, before) = (&self.versions.told, &self.versions.told_before);
            let (told, before) = (told.borrow(), before.borrow());
            for pair in std::mem::take(untold) {
                let mut told = [told.get(&place), before.get(&place)].into_iter().flatten();
                // What stands now may have come in place of what it met.
                let is_it = |other: &Pair| other.0 == pair.0 && other.1 == pair.1;
                if !told.any(|told| told.iter().any(is_it)) {
                    self.violation(format!("n{place} is not told of {pair:?}"));
                }
            }
        }
    }
}
