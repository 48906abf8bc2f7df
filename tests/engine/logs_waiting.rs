//! Two sides with change logs, where no more items may wait than do.

use crate::support::{NOW_MS, Node, Setup, ids, setup};
use starkeep_sync_engine::engine::held::Direction;
use starkeep_sync_engine::engine::round::Report;
use starkeep_sync_engine::testing::{Body, Operation, When};

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// At most two items wait.
fn two_wait(page_limit: usize) -> (Node, Node) {
    setup(Setup {
        most_waiting: 2,
        ..Setup::logged(page_limit)
    })
}

/// Rounds as long as there is more. What is held never grows beyond what may wait.
async fn until_there_is_no_more(node: &Node) -> Report<Body> {
    for _ in 0..40 {
        let report = node.round().await.unwrap();
        assert!(report.held.len() <= 2, "{report:?}");
        if !report.has_more {
            return report;
        }
    }
    panic!("it has no end");
}

fn warnings_of_a_full_list(node: &Node) -> usize {
    let lines = node.side.log.lines();
    let full = lines
        .iter()
        .filter(|line| line.contains("2 items wait for this peer"));
    full.count()
}

#[tokio::test]
async fn what_finds_no_room_to_wait_on_its_way_out_goes_once_there_is_room() {
    for page_limit in [1, 2, 1000] {
        let (node, hub) = two_wait(page_limit);
        for id in IDS {
            node.write_record(id, Some(id));
        }
        node.blobs.wipe();
        for _ in 0..3 {
            let report = until_there_is_no_more(&node).await;
            assert_eq!(report.held.len(), 2);
            assert_eq!(report.in_sync, Some(false));
        }
        assert_eq!(ids(&hub), Vec::<String>::new());
        assert_eq!(warnings_of_a_full_list(&node), 1);
        for id in IDS {
            node.blobs.write(id, id.as_bytes());
        }
        node.sync().await;
        assert_eq!(ids(&hub), IDS, "pages of {page_limit}");
        assert_eq!(node.round().await.unwrap().in_sync, Some(true));
    }
}

#[tokio::test]
async fn what_the_peer_refuses_and_finds_no_room_to_wait_is_sent_once_there_is_room() {
    for page_limit in [1, 2, 1000] {
        let (node, hub) = two_wait(page_limit);
        for id in IDS {
            node.write_record(id, None);
        }
        hub.local.fail(Operation::PutRecord, None, When::Always);
        for _ in 0..3 {
            let report = until_there_is_no_more(&node).await;
            let out = |held: &_| matches!(held, Direction::Outbound);
            assert!(report.held.iter().all(|held| out(&held.direction)));
            assert_eq!(report.held.len(), 2);
        }
        hub.local.heal();
        hub.local
            .fail(Operation::PutRecord, Some("a"), When::Always);
        node.sync().await;
        assert_eq!(ids(&hub), &IDS[1..], "pages of {page_limit}");
        hub.local.heal();
        node.sync().await;
        assert_eq!(ids(&hub), IDS);
    }
}

#[tokio::test]
async fn what_cannot_be_taken_in_and_finds_no_room_to_wait_comes_once_there_is_room() {
    for page_limit in [1, 2, 1000] {
        let (node, hub) = two_wait(page_limit);
        node.sync().await;
        for id in IDS {
            hub.write_record(id, None);
        }
        for id in &IDS[..5] {
            node.local
                .fail(Operation::PutRecord, Some(id), When::Always);
        }
        // A round that can take in nothing says so by an error.
        for _ in 0..20 {
            if let Ok(report) = node.round().await {
                assert!(report.held.len() <= 2, "{report:?}");
                assert_eq!(report.in_sync, Some(false));
            }
        }
        // After a restart as well: nothing passed what found no room.
        node.restart();
        let _ = node.round().await;
        node.local.heal();
        node.restart();
        node.sync().await;
        assert_eq!(ids(&node), IDS, "pages of {page_limit}");
        assert_eq!(node.round().await.unwrap().in_sync, Some(true));
    }
}

#[tokio::test]
async fn what_the_peer_cannot_send_and_finds_no_room_to_wait_comes_once_it_can() {
    for page_limit in [1, 2, 1000] {
        let (node, hub) = two_wait(page_limit);
        node.sync().await;
        for id in IDS {
            hub.write_row(0, id);
        }
        hub.local.fail(Operation::PackItem, None, When::Always);
        for _ in 0..3 {
            assert_eq!(until_there_is_no_more(&node).await.held.len(), 2);
        }
        hub.local.heal();
        node.restart();
        node.sync().await;
        assert_eq!(ids(&node), IDS, "pages of {page_limit}");
    }
}

#[tokio::test]
async fn objects_that_cannot_be_fetched_beyond_what_may_wait_are_fetched_later() {
    let (node, hub) = two_wait(1000);
    node.sync().await;
    for id in IDS {
        hub.write_record(id, Some(id));
    }
    node.network.fail(Operation::GetBlob, None, When::Always);
    assert_eq!(until_there_is_no_more(&node).await.held.len(), 2);
    node.restart();
    node.network.heal();
    node.sync().await;
    for id in IDS {
        assert!(node.blobs.holds(&id.into()), "{id}");
    }
}

#[tokio::test]
async fn a_full_list_of_one_kind_does_not_stop_what_comes_of_the_other() {
    let (node, hub) = two_wait(1000);
    node.sync().await;
    for id in &IDS[..4] {
        hub.write_record(id, None);
        hub.write_row(0, &format!("row-{id}"));
    }
    node.local.fail(Operation::PutRecord, None, When::Always);
    for _ in 0..5 {
        let _ = node.round().await;
    }
    assert_eq!(ids(&node), ["row-a", "row-b", "row-c", "row-d"]);
}

#[tokio::test]
async fn sides_that_get_logs_fetch_more_objects_than_may_wait() {
    let (node, hub) = setup(Setup {
        most_waiting: 2,
        ..Setup::default()
    });
    for id in IDS {
        hub.write_record(id, Some(id));
    }
    node.network.fail(Operation::GetBlob, None, When::Always);
    node.sync().await;
    assert_eq!(ids(&node), IDS);
    node.network.heal();
    for side in [&node, &hub] {
        let _ = side.records.clone().keeping_a_log();
        let _ = side.rows.clone().keeping_a_log();
    }
    node.sync().await;
    for id in IDS {
        assert!(node.blobs.holds(&id.into()), "{id}");
    }
}

#[tokio::test]
async fn what_came_in_without_its_object_and_finds_no_room_to_wait_is_not_passed_by_meeting() {
    let (node, hub) = setup(Setup {
        most_waiting: 2,
        ..Setup::default()
    });
    for id in IDS {
        hub.write_record(id, Some(id));
    }
    node.sync().await;
    // By its watermarks all of it was here once.
    node.wipe();
    for side in [&node, &hub] {
        let _ = side.records.clone().keeping_a_log();
        let _ = side.rows.clone().keeping_a_log();
    }
    node.network.fail(Operation::GetBlob, None, When::Always);
    let _ = node.round().await;
    assert_eq!(ids(&node), IDS);
    node.restart();
    node.network.heal();
    node.sync().await;
    for id in IDS {
        assert!(node.blobs.holds(&id.into()), "{id}");
    }
}

#[tokio::test]
async fn all_that_was_noted_to_wait_has_its_turn_after_a_restart() {
    let (node, hub) = two_wait(1000);
    // As many as a program may leave that ended in the middle.
    let before = node.engine_over(&hub, hub.wire(), 1000);
    for id in IDS {
        node.write_record(id, None);
    }
    hub.local.fail(Operation::PutRecord, None, When::Always);
    for _ in 0..2 {
        let _ = before.round().await;
    }
    hub.local.heal();
    node.sync().await;
    assert_eq!(ids(&hub), IDS);
    let lines = node.side.log.lines();
    let compared = lines.iter().find(|line| line.contains("not the same ones"));
    assert_eq!(compared, None);
}

#[tokio::test]
async fn what_was_found_to_differ_comes_with_its_object_or_not_at_all_if_no_more_may_wait() {
    let (node, hub) = setup(Setup {
        most_waiting: 1,
        ..Setup::logged(1000)
    });
    for id in ["differs", "waits"] {
        hub.write_record(id, Some(id));
    }
    hub.blobs.remove("waits");
    node.sync().await;
    node.records.remove(&"differs".into(), true);
    node.blobs.wipe();
    node.side.clock.set_physical(NOW_MS + 700_000);
    node.network.fail(Operation::GetBlob, None, When::Always);
    node.sync().await;
    assert_eq!(ids(&node), ["waits"]);
    node.restart();
    node.network.heal();
    node.sync().await;
    assert_eq!(ids(&node), ["differs", "waits"]);
    assert!(node.blobs.holds(&"differs".into()));
}
