//! A scenario from a seed.

use starkeep_sync_engine::engine::change_log::MOST_WAITING;
use starkeep_sync_engine::testing::{Access, Operation, When};

use super::rng::Rng;
use super::scenario::{Caller, Fault, Place, Reach, Rounds, Scenario, Step, Stream, Write};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What may go wrong in one scenario: some mishaps exclude each other, for the protocol says so.
#[allow(clippy::struct_excessive_bools, reason = "each stands alone")]
struct Weather {
    clean: bool,
    /// Items that share a timestamp: only where no answering side takes in half of them.
    ties: bool,
    /// A wiped hub and a restored place would together lose what nobody holds.
    wipes: bool,
    chain: bool,
    clocks: bool,
    old_hub: bool,
}

pub fn scenario(seed: u64) -> Scenario {
    let mut rng = Rng::new(seed);
    let rng = &mut rng;
    let clean = rng.percent(20);
    let ties = rng.percent(20);
    let weather = Weather {
        clean,
        ties,
        wipes: rng.percent(40),
        chain: !ties && rng.percent(35),
        clocks: !ties && rng.percent(40),
        old_hub: !ties && rng.percent(20),
    };
    let places = places(rng, &weather);
    let mut scenario = Scenario {
        places,
        steps: Vec::new(),
        lasting: Vec::new(),
        clean,
    };
    for _ in 0..5 + rng.below(30) {
        let step = step(rng, &weather, &scenario);
        scenario.steps.extend(step);
    }
    if !clean && !ties {
        for _ in 0..rng.below(3) {
            let fault = lasting_fault(rng, &scenario);
            scenario.lasting.push(fault);
        }
    }
    scenario
}

fn places(rng: &mut Rng, weather: &Weather) -> Vec<Place> {
    let access = [Access::Scanned, Access::Covered, Access::Indexed];
    // What an old peer passes over, it passes over seldom where pages are long.
    let limits: &[usize] = if weather.old_hub && rng.percent(60) {
        &[1000]
    } else {
        &[1, 1, 2, 3, 7, 1000]
    };
    (0..2 + rng.below(3))
        .map(|index| Place {
            is_old: weather.old_hub && index == 0,
            keeps_log: false,
            most_waiting: MOST_WAITING,
            node: None,
            parent: if weather.chain && index > 1 {
                rng.below(index)
            } else {
                0
            },
            access: rng.pick(&access),
            rows_know_coverage: rng.percent(65),
            has_records_alone: false,
            scan_page_size: rng.pick(&[1, 2, 3, 50]),
            page_limit: rng.pick(limits),
            blob_concurrency: rng.pick(&[1, 2, 8]),
        })
        .collect()
}

fn step(rng: &mut Rng, weather: &Weather, scenario: &Scenario) -> Option<Step> {
    let place = rng.below(scenario.places.len());
    let caller = 1 + rng.below(scenario.places.len() - 1);
    let is_leaf = !scenario.is_parent(caller);
    Some(match rng.below(100) {
        0..38 => Step::Write(write(rng, weather, place)),
        38..64 => Step::Rounds(rounds(rng, weather, scenario)),
        64..72 => Step::Wait(rng.next() % 50),
        72..76 => Step::RegisterLateApp(place),
        _ if weather.clean => return None,
        76..86 => Step::Fault(fault(rng, weather, scenario)?),
        86..88 => Step::CutAnswer {
            place: caller,
            items: 1 + rng.below(3),
        },
        88..91 => Step::Heal(place),
        91..94 if weather.clocks => Step::Jump {
            place,
            ms: rng.pick(&[-90_000, -1, 3, 60_000, DAY_MS + 60_000]),
        },
        94..96 => Step::LoseWatermarks(caller),
        96..97 if weather.wipes => Step::WipeHub,
        96..98 if !weather.wipes && is_leaf => Step::Copy(caller),
        98..100 if !weather.wipes && is_leaf => Step::Restore(caller),
        _ => return None,
    })
}

fn write(rng: &mut Rng, weather: &Weather, place: usize) -> Write {
    let stream = |rng: &mut Rng| match rng.below(10) {
        0..5 => Stream::Records,
        5..7 => Stream::Rows(0),
        7 => Stream::Rows(1),
        8 if !weather.ties => Stream::Rows(3),
        _ => Stream::Rows(2),
    };
    Write {
        place,
        stream: stream(rng),
        id: rng.below(6),
        blob: rng.percent(40).then(|| rng.below(6)),
        deleted: rng.percent(15),
        twin: (weather.ties && rng.percent(40)).then(|| (stream(rng), 10 + rng.below(3))),
    }
}

fn rounds(rng: &mut Rng, weather: &Weather, scenario: &Scenario) -> Rounds {
    let stormy = !weather.clean;
    let mut callers = Vec::new();
    for place in 1..scenario.places.len() {
        if rng.percent(60) {
            let crashes = stormy && rng.percent(15);
            callers.push(Caller {
                place,
                rounds: 1 + rng.below(4),
                crashes_after: crashes.then(|| rng.below(60)),
            });
        }
    }
    let meanwhile = (0..rng.below(4)).map(|_| {
        let place = rng.below(scenario.places.len());
        (rng.below(30), write(rng, weather, place))
    });
    let meanwhile = meanwhile.collect();
    let crashes = stormy && !weather.ties && rng.percent(8);
    Rounds {
        interleaving: rng.next(),
        callers,
        meanwhile,
        crash: crashes.then(|| (rng.below(scenario.places.len()), rng.below(80))),
    }
}

fn fault(rng: &mut Rng, weather: &Weather, scenario: &Scenario) -> Option<Fault> {
    use Operation as O;
    let reach = rng.pick(&[Reach::Local, Reach::Network]);
    let operation = match reach {
        Reach::Network => rng.pick(&[
            O::SendRequest,
            O::ReceiveAnswer,
            O::ReceiveAnswer,
            O::PackItem,
            O::HasBlob,
            O::GetBlob,
            O::PutBlob,
        ]),
        Reach::Local => rng.pick(&[
            O::CoverRecords,
            O::ScanRecords,
            O::GetRecord,
            O::PutRecord,
            O::PutRecord,
            O::ListTables,
            O::CoverRows,
            O::ScanRows,
            O::ApplyRow,
            O::ApplyRow,
            O::PackItem,
            O::HasBlob,
            O::GetBlob,
            O::PutBlob,
            O::ReadState,
            O::WriteState,
            O::HearClock,
        ]),
    };
    let place = rng.below(scenario.places.len());
    let half = [O::GetRecord, O::PutRecord, O::ApplyRow, O::HearClock];
    // A caller leaves out a table that it cannot scan. Where the table cannot say either whose rows it
    // has, others get what follows them first, and never ask for them again.
    let blind = place > 0 && !scenario.places[place].rows_know_coverage;
    if blind && matches!(operation, O::ScanRows | O::CoverRows) {
        return None;
    }
    if weather.ties && scenario.is_parent(place) && half.contains(&operation) {
        return None;
    }
    let fault = Fault {
        place,
        reach,
        operation,
        key: key_for(rng, operation),
        when: match rng.below(5) {
            0..3 => When::Nth(1 + rng.below(4)),
            3 => When::First(1 + rng.below(4)),
            _ => When::Always,
        },
    };
    // The same where a table that knows whose rows it has fails to say so and to be scanned.
    let also_blinds = |step: &Step| {
        let other = match operation {
            O::ScanRows => O::CoverRows,
            O::CoverRows => O::ScanRows,
            _ => return false,
        };
        matches!(step, Step::Fault(fault) if (fault.place, fault.operation) == (place, other))
    };
    let blinds = place > 0 && scenario.steps.iter().any(also_blinds);
    (!blinds).then_some(fault)
}

fn key_for(rng: &mut Rng, operation: Operation) -> Option<String> {
    use Operation as O;
    match operation {
        O::GetRecord | O::PutRecord | O::ApplyRow | O::PackItem => {
            rng.percent(70).then(|| super::node::id_name(rng.below(6)))
        }
        O::HasBlob | O::GetBlob | O::PutBlob => rng
            .percent(70)
            .then(|| super::node::blob_name(rng.below(6))),
        _ => None,
    }
}

/// A fault of one item, which must not keep anything else from moving.
fn lasting_fault(rng: &mut Rng, scenario: &Scenario) -> Fault {
    use Operation as O;
    let operation = rng.pick(&[
        O::PutRecord,
        O::ApplyRow,
        O::PackItem,
        O::HasBlob,
        O::GetBlob,
        O::PutBlob,
    ]);
    let of_blob = matches!(operation, O::HasBlob | O::GetBlob | O::PutBlob);
    Fault {
        place: rng.below(scenario.places.len()),
        reach: if of_blob || operation == O::PackItem {
            rng.pick(&[Reach::Local, Reach::Network])
        } else {
            Reach::Local
        },
        operation,
        key: Some(if of_blob {
            super::node::blob_name(rng.below(6))
        } else {
            super::node::id_name(rng.below(6))
        }),
        when: When::Always,
    }
}
