//! What an app is told of versions that lose, also where rounds fail in between.

use crate::support::{Node, Setup, body, setup};
use starkeep_sync_engine::engine::round::Report;
use starkeep_sync_engine::testing::{Body, Operation, When, record};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Two sides in pages of two that held the same and then both changed all of it; every other version of the caller's
/// loses.
async fn changed_apart(setup_of: Setup) -> (Node, Node) {
    let (node, hub) = setup(setup_of);
    for id in IDS {
        node.write_record(id, None);
    }
    node.sync().await;
    for (at, id) in IDS.into_iter().enumerate() {
        let (earlier, later) = if at % 2 == 0 {
            (&node, &hub)
        } else {
            (&hub, &node)
        };
        let first = earlier.side.clock.now();
        let mut second = later.side.clock.now();
        second.wall_time = first.wall_time + 1;
        earlier.put_record(record(first, body(id), None));
        later.put_record(record(second, body(id), None));
        let next_ms = later.side.clock.now().wall_time + 10;
        node.side.clock.set_physical(next_ms);
        hub.side.clock.set_physical(next_ms);
    }
    (node, hub)
}

/// What was told of in these reports, as ids; those that lost to a version of the peer's.
fn lost(reports: &[Report<Body>]) -> Vec<String> {
    let all = reports.iter().flat_map(|report| &report.conflicts);
    let lost = all.filter(|found| found.incoming_wins);
    let mut lost: Vec<_> = lost.map(|found| found.local.id.to_string()).collect();
    lost.sort();
    lost
}

async fn rounds(node: &Node) -> Vec<Report<Body>> {
    let mut reports = Vec::new();
    for _ in 0..30 {
        reports.extend(node.round().await.ok());
    }
    reports
}

#[tokio::test]
async fn each_version_that_loses_unsent_is_told_of_once_whatever_fails_in_between() {
    let operations = [
        Operation::SendRequest,
        Operation::ReceiveAnswer,
        Operation::TakeIn,
        Operation::NoteInLog,
        Operation::LookAtLog,
        Operation::PutRecord,
        Operation::ReadState,
        Operation::WriteState,
        Operation::HearClock,
    ];
    for logged in [true, false] {
        for operation in operations {
            for nth in 1..12 {
                let setup_of = if logged {
                    Setup::logged(2)
                } else {
                    Setup {
                        page_limit: 2,
                        ..Setup::default()
                    }
                };
                let (node, _hub) = changed_apart(setup_of).await;
                node.local.fail(operation, None, When::Nth(nth));
                node.network.fail(operation, None, When::Nth(nth));
                let reports = rounds(&node).await;
                let case = format!("logs: {logged}, {operation:?} fails at call {nth}");
                assert_eq!(lost(&reports), ["a", "c", "e"], "{case}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_told_of_what_follows_on_what_both_sides_held() {
    for setup_of in [Setup::logged(2), Setup::default()] {
        let (node, hub) = setup(setup_of);
        for turn in 0..6 {
            let writer = if turn % 2 == 0 { &node } else { &hub };
            for id in IDS {
                writer.write_record(id, None);
            }
            let reports = rounds(&node).await;
            assert!(reports.iter().all(|report| report.conflicts.is_empty()));
        }
    }
}

#[tokio::test]
async fn by_logs_a_version_that_lost_to_one_that_the_peer_could_not_send_at_first_is_told_of_once_that_comes()
 {
    let (node, hub) = changed_apart(Setup::logged(2)).await;
    hub.local.fail(Operation::PackItem, Some("c"), When::Always);
    let mut reports = rounds(&node).await;
    assert_eq!(lost(&reports), ["a", "e"]);
    hub.local.heal();
    reports.extend(rounds(&node).await);
    assert_eq!(lost(&reports), ["a", "c", "e"]);
}

#[tokio::test]
async fn what_the_peer_wrote_over_a_version_that_settled_what_it_could_not_send_is_no_conflict() {
    let (node, hub) = changed_apart(Setup::logged(2)).await;
    hub.local.fail(Operation::PackItem, Some("c"), When::Always);
    rounds(&node).await;
    node.write_record("c", None);
    rounds(&node).await;
    hub.local.heal();
    rounds(&node).await;
    hub.write_record("c", None);
    assert_eq!(lost(&rounds(&node).await), [""; 0]);
}

#[tokio::test]
async fn a_version_that_waits_is_told_of_once_also_where_the_peer_is_put_back() {
    let (node, hub) = setup(Setup::logged(2));
    hub.write_record("b", None);
    node.sync().await;
    let before = (hub.records.all(), hub.records.journal());
    hub.write_record("a", None);
    let mut ahead = node.side.clock.now();
    ahead.wall_time += 2 * DAY_MS;
    node.put_record(record(ahead, body("a"), None));
    let mut written = hub.records.all();
    written.retain(|item| item.body.id == body("a").id);
    let mut reports = rounds(&node).await;
    hub.records.replace(before.0);
    hub.records.put_journal(before.1);
    hub.records.open();
    for item in written {
        hub.put_record(item);
    }
    reports.extend(rounds(&node).await);
    let told: Vec<_> = reports
        .iter()
        .flat_map(|report| &report.conflicts)
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!told[0].incoming_wins);
}
