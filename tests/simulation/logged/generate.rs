//! A scenario from a seed.

use starkeep_sync_engine::engine::change_log::MOST_WAITING;
use starkeep_sync_engine::testing::{Access, Operation, When};

use super::super::node::{LATE, blob_name, id_name};
use super::super::rng::Rng;
use super::super::scenario::{Caller, Fault, Place, Reach, Rounds, Stream, Write};
use super::KEPT_SEEDS;
use super::scenario::{Deed, Scenario};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub fn scenario(seed: u64) -> Scenario {
    let mut rng = Rng::new(seed ^ 0x6C6F_6773);
    let rng = &mut rng;
    let places = places(rng);
    let mut scenario = Scenario {
        places,
        deeds: Vec::new(),
        lasting: Vec::new(),
        answer_room: rng.percent(25).then(|| 1 + rng.below(4)),
        answers_at_once: Rng::new(seed ^ 0x6265_7369_6465).pick(&[1, 2, 4]),
    };
    let mut bounds = Rng::new(seed ^ 0x626F_756E);
    if bounds.percent(15) {
        for place in &mut scenario.places {
            place.most_waiting = bounds.pick(&[1, 2, 3]);
        }
    }
    // Some scenarios are calm, so that what is rare meets what is rare.
    let wildness = rng.pick(&[15, 35, 60]);
    for _ in 0..5 + rng.below(30) {
        let deed = deed(rng, &scenario, wildness);
        scenario.deeds.push(deed);
    }
    if bounds.percent(50) {
        scenario.deeds.iter_mut().for_each(without_late_app);
    }
    for deed in &mut scenario.deeds {
        if matches!(deed, Deed::Wait(0..50)) && bounds.percent(70) {
            *deed = Deed::Sync(1 + bounds.below(scenario.places.len() - 1));
        }
    }
    if rng.percent(60) {
        for _ in 0..rng.below(3) {
            let fault = lasting_fault(rng, &scenario);
            scenario.lasting.push(fault);
        }
    }
    let mut plain = Rng::new(seed ^ 0x706C_6169_6E00);
    if plain.percent(30) {
        if plain.percent(65) {
            some_keep_no_log(&mut plain, &mut scenario);
        } else {
            the_hub_keeps_no_log(&mut scenario);
        }
        nothing_needs_a_log(&mut scenario);
    }
    // What is kept failed, or noticed something, as it was.
    let mut purges = Rng::new(seed ^ 0x7075_7267_6500);
    if !KEPT_SEEDS.contains(&seed) && purges.percent(50) {
        some_purge(&mut purges, &mut scenario);
    }
    scenario
}

/// Places purge tombstones, of which there are more. Half of the time nothing else brings back what was deleted.
fn some_purge(rng: &mut Rng, scenario: &mut Scenario) {
    let is_strict = rng.percent(60);
    for deed in &mut scenario.deeds {
        if is_strict && deed.may_bring_back() {
            *deed = Deed::Wait(1);
        }
        for write in deed.writes_mut() {
            write.deleted |= rng.percent(30);
            if write.deleted {
                write.blob = None;
            }
        }
    }
    for _ in 0..=rng.below(5) {
        let place = rng.below(scenario.places.len());
        let at = rng.below(scenario.deeds.len() + 1);
        let older_than_ms = rng.pick(&[0, 0, 0, 3, 50, 60_000]);
        scenario.deeds.insert(
            at,
            Deed::Purge {
                place,
                older_than_ms,
            },
        );
        for _ in 0..rng.below(3) {
            let caller = 1 + rng.below(scenario.places.len() - 1);
            scenario.deeds.insert(at, Deed::Sync(caller));
        }
    }
    if rng.percent(20) {
        let at = rng.below(scenario.deeds.len() + 1);
        let fault = Fault {
            place: rng.below(scenario.places.len()),
            reach: Reach::Local,
            operation: Operation::HearOf,
            key: None,
            when: When::Nth(1 + rng.below(4)),
        };
        scenario.deeds.insert(at, Deed::Fault(fault));
    }
}

/// Places that only call may keep no log, as adapters of an app do not.
fn some_keep_no_log(rng: &mut Rng, scenario: &mut Scenario) {
    for place in 1..scenario.places.len() {
        let shares_its_node = |other: &Place| other.node == Some(place);
        let is_alone =
            scenario.places[place].node.is_none() && !scenario.places.iter().any(shares_its_node);
        if is_alone && !scenario.is_parent(place) && rng.percent(60) {
            scenario.places[place].keeps_log = false;
            // A store with a log knows what it holds.
            let parent = scenario.places[place].parent;
            let parent = &mut scenario.places[parent];
            (parent.access, parent.rows_know_coverage) = (Access::Indexed, true);
        }
    }
}

/// The hub keeps no log, and one place alone calls it: what that place's log had from elsewhere, and in another order
/// than it was stamped, comes to the hub all the same.
fn the_hub_keeps_no_log(scenario: &mut Scenario) {
    let shares_its_node = |other: &Place| other.node == Some(0);
    if scenario.places.iter().any(shares_its_node) {
        return;
    }
    scenario.places[0].keeps_log = false;
    for place in scenario.places.iter_mut().skip(2) {
        place.parent = place.parent.max(1);
    }
}

/// What a log alone survives happens to no place without one.
fn nothing_needs_a_log(scenario: &mut Scenario) {
    let places = scenario.places.clone();
    if places.iter().any(|place| !place.keeps_log) {
        // Versions of one timestamp travel to them in one message, or not at all.
        scenario.answer_room = None;
    }
    for deed in &mut scenario.deeds {
        let keeps_none = |place: &usize| !places[*place].keeps_log;
        let is_plain = places.iter().any(|place| !place.keeps_log);
        // What is gone without a tombstone is missed by those that keep logs alone.
        let is_missed = matches!(deed, Deed::Remove { .. }) && is_plain;
        if is_missed || deed.needs_a_log_at().iter().any(keeps_none) {
            *deed = Deed::Wait(1);
        }
    }
}

/// Every place has every table.
fn without_late_app(deed: &mut Deed) {
    let early = |stream: &mut Stream| {
        if matches!(stream, Stream::Rows(LATE)) {
            *stream = Stream::Rows(0);
        }
    };
    for write in deed.writes_mut() {
        early(&mut write.stream);
        if let Some((stream, _)) = &mut write.twin {
            early(stream);
        }
    }
    match deed {
        Deed::Remove { stream, .. } => early(stream),
        Deed::RegisterLateApp(_) => *deed = Deed::Wait(1),
        _ => {}
    }
}

fn places(rng: &mut Rng) -> Vec<Place> {
    let (chain, twins) = (rng.percent(35), rng.percent(25));
    (0..2 + rng.below(3))
        .map(|index| Place {
            is_old: false,
            keeps_log: true,
            most_waiting: MOST_WAITING,
            node: (twins && index > 0).then(|| rng.below(index)),
            parent: if chain && index > 1 {
                rng.below(index)
            } else {
                0
            },
            access: rng.pick(&[Access::Scanned, Access::Covered, Access::Indexed]),
            rows_know_coverage: rng.percent(65),
            has_records_alone: false,
            scan_page_size: 3,
            page_limit: rng.pick(&[1, 1, 2, 3, 7, 1000]),
            blob_concurrency: rng.pick(&[1, 2, 8]),
        })
        .collect()
}

fn deed(rng: &mut Rng, scenario: &Scenario, wildness: usize) -> Deed {
    let place = rng.below(scenario.places.len());
    let caller = 1 + rng.below(scenario.places.len() - 1);
    if !rng.percent(wildness) {
        return match rng.below(100) {
            0..55 => Deed::Write(write(rng, place)),
            55..90 => Deed::Rounds(rounds(rng, scenario)),
            90..96 => Deed::Wait(rng.next() % 50),
            _ => Deed::RegisterLateApp(place),
        };
    }
    match rng.below(100) {
        0..8 => Deed::Forge {
            write: write(rng, place),
            node: rng.below(scenario.places.len()),
            off_ms: rng.pick(&[-60_000, 0, 5_000, DAY_MS / 2, DAY_MS + 60_000]),
        },
        8..16 => Deed::TakeStamp(place),
        16..24 => Deed::PutLate(write(rng, place)),
        24..40 => Deed::Fault(fault(rng, scenario)),
        40..46 => Deed::Heal(place),
        46..54 => Deed::Jump {
            place,
            ms: rng.pick(&[-90_000, -1, 0, 3, 60_000, DAY_MS + 60_000]),
        },
        54..59 => Deed::Restart(place),
        59..66 => Deed::Snapshot(place),
        66..72 => Deed::Restore(place),
        72..74 => Deed::RestoreData(place),
        74..78 => Deed::Clone {
            from: place,
            to: rng.below(scenario.places.len()),
        },
        78..81 => Deed::Wipe(place),
        81..86 => Deed::Remove {
            place,
            stream: stream(rng),
            id: rng.below(6),
            seen: rng.percent(70),
        },
        86..89 => Deed::RemoveObject {
            place,
            blob: rng.below(6),
        },
        89..92 => Deed::WriteBehind(write(rng, place)),
        92..95 => Deed::Reconcile(caller),
        _ => Deed::Wait(rng.pick(&[61_000, 700_000])),
    }
}

fn stream(rng: &mut Rng) -> Stream {
    match rng.below(10) {
        0..5 => Stream::Records,
        5..7 => Stream::Rows(0),
        7 => Stream::Rows(1),
        8 => Stream::Rows(3),
        _ => Stream::Rows(2),
    }
}

fn write(rng: &mut Rng, place: usize) -> Write {
    Write {
        place,
        stream: stream(rng),
        id: rng.below(6),
        blob: rng.percent(40).then(|| rng.below(6)),
        deleted: rng.percent(15),
        twin: rng.percent(10).then(|| (stream(rng), 10 + rng.below(3))),
    }
}

fn rounds(rng: &mut Rng, scenario: &Scenario) -> Rounds {
    let mut callers = Vec::new();
    for place in 1..scenario.places.len() {
        if rng.percent(60) {
            let crashes = rng.percent(10);
            callers.push(Caller {
                place,
                rounds: 1 + rng.below(4),
                crashes_after: crashes.then(|| rng.below(60)),
            });
        }
    }
    let meanwhile = (0..rng.below(4)).map(|_| {
        let place = rng.below(scenario.places.len());
        (rng.below(30), write(rng, place))
    });
    let meanwhile = meanwhile.collect();
    Rounds {
        interleaving: rng.next(),
        callers,
        meanwhile,
        crash: rng
            .percent(6)
            .then(|| (rng.below(scenario.places.len()), rng.below(80))),
    }
}

fn fault(rng: &mut Rng, scenario: &Scenario) -> Fault {
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
            O::LookAtLog,
            O::TakeIn,
            O::NoteInLog,
            O::NoteInLog,
            O::PutRecord,
            O::ApplyRow,
            O::PackItem,
            O::HasBlob,
            O::GetBlob,
            O::PutBlob,
            O::HearClock,
        ]),
    };
    Fault {
        place: rng.below(scenario.places.len()),
        reach,
        operation,
        key: key_for(rng, operation),
        when: match rng.below(5) {
            0..3 => When::Nth(1 + rng.below(4)),
            3 => When::First(1 + rng.below(4)),
            _ => When::Always,
        },
    }
}

fn key_for(rng: &mut Rng, operation: Operation) -> Option<String> {
    use Operation as O;
    match operation {
        O::PutRecord | O::ApplyRow | O::PackItem => rng.percent(70).then(|| id_name(rng.below(6))),
        O::HasBlob | O::GetBlob | O::PutBlob => rng.percent(70).then(|| blob_name(rng.below(6))),
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
    let is_near = !of_blob && operation != O::PackItem;
    Fault {
        place: rng.below(scenario.places.len()),
        reach: if is_near {
            Reach::Local
        } else {
            rng.pick(&[Reach::Local, Reach::Network])
        },
        operation,
        key: Some(if of_blob {
            blob_name(rng.below(6))
        } else {
            id_name(rng.below(6))
        }),
        when: When::Always,
    }
}
