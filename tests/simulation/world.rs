//! A scenario at work.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use starkeep_sync_engine::protocol::hlc::Hlc;

use super::model::{Held, Key, Model};
use super::node::{BEGIN_MS, LATE, Node, key_of, list, table, version_of};
use super::scenario::{Caller, Fault, Rounds, Scenario, Step, Write};

/// More than any clock is ahead.
const UNTIL_ALL_CLOCKS_ARE_PAST_MS: u64 = 10 * 24 * 60 * 60 * 1000;

/// How often what happened.
pub type Tally = BTreeMap<&'static str, usize>;

/// What a round came to.
#[derive(Debug, Clone)]
pub struct Done {
    pub outcome: Result<Round, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    pub applied: usize,
    pub shipped: usize,
    pub has_more: bool,
    pub held: Vec<String>,
}

pub struct World {
    pub scenario: Scenario,
    pub nodes: Vec<Node>,
    pub model: RefCell<Model>,
    pub violations: RefCell<Vec<String>>,
    pub trace: RefCell<Vec<String>>,
    /// How often each version went from each place to its parent.
    pub shipments: RefCell<BTreeMap<(usize, Key, Hlc), usize>>,
    /// How often each of them was left out there.
    pub refusals: RefCell<BTreeMap<(usize, Key, Hlc), usize>>,
    /// What a peer of the first generation has passed over.
    pub stranded: RefCell<BTreeSet<(Key, Hlc)>>,
    pub tally: RefCell<Tally>,
    pub hub_was_wiped: Cell<bool>,
    now_ms: Cell<u64>,
    skews: RefCell<Vec<i64>>,
}

impl World {
    pub fn new(scenario: &Scenario) -> Self {
        let places = scenario.places.iter().cloned().enumerate();
        let nodes: Vec<_> = places
            .map(|(i, place)| Node::new(i, place, scenario.is_parent(i), BEGIN_MS))
            .collect();
        for node in &nodes {
            node.start(&nodes[node.place.parent]);
            if scenario.clean {
                node.rows.register(&table(LATE));
            }
        }
        Self {
            skews: RefCell::new(vec![0; nodes.len()]),
            nodes,
            scenario: scenario.clone(),
            model: RefCell::default(),
            violations: RefCell::default(),
            trace: RefCell::default(),
            shipments: RefCell::default(),
            refusals: RefCell::default(),
            stranded: RefCell::default(),
            tally: RefCell::default(),
            hub_was_wiped: Cell::default(),
            now_ms: Cell::new(BEGIN_MS),
        }
    }

    /// Plays the scenario, then lets the lasting faults stand alone, then heals everything.
    pub fn play(&self) {
        for (index, step) in self.scenario.steps.iter().enumerate() {
            self.note(|| format!("--- {index}: {step:?}"));
            self.step(step);
            self.check_always();
            if self.failed() {
                return;
            }
        }
        self.note(|| format!("--- lasting: {:?}", self.scenario.lasting));
        self.all_is_well_but(&self.scenario.lasting);
        self.sync_all();
        self.check_always();
        self.check_nothing_starves();
        self.note(|| "--- all is well".to_owned());
        self.settle();
        self.check_quiet();
    }

    pub fn failed(&self) -> bool {
        !self.violations.borrow().is_empty()
    }

    pub fn violation(&self, what: String) {
        self.note(|| format!("!!! {what}"));
        self.violations.borrow_mut().push(what);
    }

    pub fn count(&self, what: &'static str) {
        self.count_many(what, 1);
    }

    pub fn count_many(&self, what: &'static str, times: usize) {
        *self.tally.borrow_mut().entry(what).or_default() += times;
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        self.trace.borrow_mut().push(line());
    }

    pub fn held_everywhere(&self) -> Vec<Held> {
        self.nodes.iter().map(Node::held).collect()
    }

    fn step(&self, step: &Step) {
        self.wait(1);
        self.count(step.name());
        match step {
            Step::Write(write) => self.write(write),
            Step::Fault(fault) => self.plan(fault),
            Step::CutAnswer { place, items } => {
                let node = &self.nodes[*place];
                // An old peer's page is in no order: a shorter one would be another old peer's.
                if !self.nodes[node.place.parent].place.is_old {
                    node.network.cut_next_answer(*items);
                }
            }
            Step::Heal(place) => self.nodes[*place].heal(),
            Step::Rounds(rounds) => drop(self.rounds(rounds)),
            Step::Jump { place, ms } => {
                self.skews.borrow_mut()[*place] = *ms;
                self.wait(0);
            }
            Step::Wait(ms) => self.wait(*ms),
            Step::LoseWatermarks(place) => {
                let node = &self.nodes[*place];
                node.state.replace(Default::default());
                node.start(&self.nodes[node.place.parent]);
            }
            Step::Copy(place) => self.nodes[*place].copy(),
            Step::Restore(place) => self.restore(*place),
            Step::WipeHub => self.wipe_hub(),
            Step::RegisterLateApp(place) => self.nodes[*place].rows.register(&table(LATE)),
        }
    }

    fn wait(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
        for (node, skew) in self.nodes.iter().zip(self.skews.borrow().iter()) {
            let physical = self.now_ms.get().saturating_add_signed(*skew);
            node.set_physical(physical);
        }
    }

    pub fn write(&self, write: &Write) {
        // A wiped hub that stamps anew hides what its old self wrote.
        let mut write = write.clone();
        if write.place == 0 && self.hub_was_wiped.get() {
            write.place = 1;
        }
        let write = &write;
        self.count("items written");
        for item in self.nodes[write.place].write(write) {
            self.note(|| {
                format!(
                    "n{} writes {}",
                    write.place,
                    list(std::slice::from_ref(&item))
                )
            });
            let mut model = self.model.borrow_mut();
            model.write(key_of(&item), version_of(&item));
        }
    }

    fn plan(&self, fault: &Fault) {
        let faults = self.nodes[fault.place].faults(fault.reach);
        faults.fail(fault.operation, fault.key.as_deref(), fault.when);
    }

    fn all_is_well_but(&self, lasting: &[Fault]) {
        for node in &self.nodes {
            node.heal();
            node.rows.register(&table(LATE));
        }
        self.skews.borrow_mut().fill(0);
        self.wait(UNTIL_ALL_CLOCKS_ARE_PAST_MS);
        for fault in lasting {
            self.plan(fault);
        }
    }

    /// Lets all places sync, one after the other, until everything has had the time to get everywhere.
    fn sync_all(&self) {
        for _ in 0..=2 * self.nodes.len() {
            for place in self.scenario.callers_upwards() {
                self.sync(place);
            }
            for place in self.scenario.callers_upwards().rev() {
                self.sync(place);
            }
        }
    }

    /// Rounds until there is no more to do, as an app would.
    fn sync(&self, place: usize) {
        let node = &self.nodes[place];
        let most = 3 * (node.held().len() + self.model.borrow().len()) / node.place.page_limit + 8;
        for _ in 0..most {
            let done = self.one_round(place);
            if !matches!(done.outcome, Ok(Round { has_more: true, .. })) {
                return;
            }
        }
        self.violation(format!("n{place} still has more after {most} rounds"));
    }

    pub fn one_round(&self, place: usize) -> Done {
        self.wait(1);
        let done = self.rounds(&Rounds {
            interleaving: self.now_ms.get(),
            callers: vec![Caller {
                place,
                rounds: 1,
                crashes_after: None,
            }],
            meanwhile: Vec::new(),
            crash: None,
        });
        let hung = Done {
            outcome: Err("the round did not end".to_owned()),
        };
        done.into_iter().next().unwrap_or(hung)
    }

    /// All faults are gone: everything gets everywhere.
    fn settle(&self) {
        if self.failed() {
            return;
        }
        self.all_is_well_but(&[]);
        self.sync_all();
        self.check_always();
        self.check_equal();
    }

    /// A place goes back to an old copy of itself, once all that it wrote since has got elsewhere: what it
    /// alone held may have replaced, and never shipped, a version that the copy brings back and that
    /// everybody takes for seen.
    fn restore(&self, place: usize) {
        self.settle();
        let node = &self.nodes[place];
        if !self.failed() && node.restore() {
            node.start(&self.nodes[node.place.parent]);
        }
    }

    fn wipe_hub(&self) {
        let hub = &self.nodes[0];
        if !hub.place.reports_coverage() {
            return;
        }
        self.settle();
        if self.failed() {
            return;
        }
        hub.wipe();
        self.hub_was_wiped.set(true);
        hub.start(hub);
        for child in self.nodes.iter().skip(1).filter(|n| n.place.parent == 0) {
            child.trusts_a_wiped_parent.set(true);
        }
    }
}
