//! A failing scenario, made as short as it still fails.

use super::scenario::{Rounds, Scenario, Step};

/// Drops whatever `fails` can do without.
pub fn shrink(mut scenario: Scenario, fails: impl Fn(&Scenario) -> bool) -> Scenario {
    loop {
        let Some(smaller) = smaller(&scenario).find(|candidate| fails(candidate)) else {
            return scenario;
        };
        scenario = smaller;
    }
}

fn smaller(scenario: &Scenario) -> impl Iterator<Item = Scenario> + '_ {
    let halves = [8, 4, 2].into_iter().flat_map(move |size| {
        let starts = (0..scenario.steps.len()).step_by(size);
        starts.map(move |start| {
            let mut smaller = scenario.clone();
            let end = (start + size).min(smaller.steps.len());
            smaller.steps.drain(start..end);
            smaller
        })
    });
    let lasting = (0..scenario.lasting.len()).map(move |at| {
        let mut smaller = scenario.clone();
        smaller.lasting.remove(at);
        smaller
    });
    let single = (0..scenario.steps.len()).flat_map(move |at| {
        let replacements = simpler(&scenario.steps[at]);
        replacements.into_iter().map(move |step| {
            let mut smaller = scenario.clone();
            smaller.steps.splice(at..=at, step);
            smaller
        })
    });
    halves.chain(lasting).chain(single)
}

fn simpler(step: &Step) -> Vec<Option<Step>> {
    let mut simpler = vec![None];
    if let Step::Rounds(rounds) = step {
        let mut add = |change: &dyn Fn(&mut Rounds)| {
            let mut rounds = rounds.clone();
            change(&mut rounds);
            simpler.push(Some(Step::Rounds(rounds)));
        };
        for at in 0..rounds.callers.len() {
            add(&|rounds| {
                rounds.callers.remove(at);
            });
            if rounds.callers[at].rounds > 1 {
                add(&|rounds| rounds.callers[at].rounds -= 1);
            }
            if rounds.callers[at].crashes_after.is_some() {
                add(&|rounds| rounds.callers[at].crashes_after = None);
            }
        }
        for at in 0..rounds.meanwhile.len() {
            add(&|rounds| {
                rounds.meanwhile.remove(at);
            });
        }
        if rounds.crash.is_some() {
            add(&|rounds| rounds.crash = None);
        }
    }
    if let Step::Write(write) = step {
        let mut write = write.clone();
        if write.blob.take().is_some() {
            simpler.push(Some(Step::Write(write)));
        }
    }
    simpler
}
