//! Two sides with change logs: what waits, what is refused, what is interrupted.

use crate::support::{Setup, body, ids, setup, table, usual_table};
use starkeep_sync_engine::engine::held::Direction;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::{Operation, When, record, row};

/// More than the least time between two reconciliations.
const LATER_MS: u64 = crate::support::NOW_MS + 700_000;

#[tokio::test]
async fn two_sides_that_hold_the_same_are_proved_to() {
    let (node, hub) = setup(Setup::logged(1000));
    node.write_record("a", Some("object"));
    hub.write_row(0, "b");
    node.sync().await;
    assert_eq!(ids(&node), ids(&hub));
    let quiet = node.round().await.unwrap();
    assert_eq!(
        (quiet.applied, quiet.shipped, quiet.has_more),
        (0, 0, false)
    );
    assert_eq!(quiet.in_sync, Some(true));
}

#[tokio::test]
async fn a_stamp_that_is_used_late_is_not_passed_over() {
    let (node, hub) = setup(Setup::logged(1000));
    let early = node.side.clock.now();
    node.write_record("later", None);
    node.sync().await;
    node.put_record(record(early, body("late"), None));
    node.sync().await;
    assert_eq!(ids(&hub), ["late", "later"]);
}

#[tokio::test]
async fn an_item_that_was_refused_is_offered_again_although_the_answer_that_said_so_was_lost() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    node.write_record("a", None);
    node.write_record("b", None);
    hub.local
        .fail(Operation::PutRecord, Some("a"), When::First(1));
    node.network
        .fail(Operation::ReceiveAnswer, None, When::First(1));
    assert!(node.round().await.is_err());
    assert_eq!(ids(&hub), ["b"]);
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "b"]);
}

#[tokio::test]
async fn what_waits_holds_up_nothing_that_its_node_wrote_later() {
    let (node, hub) = setup(Setup::logged(1));
    node.write_record("a", Some("lost"));
    node.blobs.wipe();
    for id in ["b", "c", "d"] {
        node.write_record(id, None);
    }
    node.sync().await;
    assert_eq!(ids(&hub), ["b", "c", "d"]);
    let report = node.round().await.unwrap();
    assert_eq!(report.held.len(), 1);
    assert_eq!(report.held[0].direction, Direction::Outbound);
    assert_eq!(report.in_sync, Some(false));
}

#[tokio::test]
async fn each_of_several_that_wait_has_its_turn() {
    let (node, hub) = setup(Setup::logged(1));
    node.sync().await;
    for id in ["a", "b", "c"] {
        hub.write_record(id, None);
    }
    node.local.fail(Operation::PutRecord, None, When::Always);
    for _ in 0..6 {
        let _ = node.round().await;
    }
    assert_eq!(ids(&node), Vec::<String>::new());
    node.local.heal();
    node.local
        .fail(Operation::PutRecord, Some("a"), When::Always);
    // The turns go on where they stood.
    node.sync().await;
    node.sync().await;
    assert_eq!(ids(&node), ["b", "c"]);
}

#[tokio::test]
async fn an_app_that_stops_at_a_round_without_work_has_stopped_after_all_that_waits_was_tried() {
    let (node, hub) = setup(Setup::logged(1));
    for id in ["a", "b", "c"] {
        node.write_record(id, None);
    }
    hub.local.fail(Operation::PutRecord, None, When::First(3));
    let mut rounds = 0;
    loop {
        rounds += 1;
        let report = node.round().await.unwrap();
        if !report.has_more && report.shipped == 0 && report.held.is_empty() {
            break;
        }
        assert!(rounds < 20, "{report:?}");
    }
    assert_eq!(ids(&hub), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_first_contact_that_was_interrupted_fetches_the_object_of_what_is_here_already() {
    let (node, hub) = setup(Setup::logged(1000));
    hub.write_record("a", Some("object"));
    let local = node.local.clone();
    node.network.meanwhile(Operation::GetBlob, 1, move || {
        local.fail(Operation::NoteInLog, None, When::Always);
    });
    node.network.fail(Operation::GetBlob, None, When::First(1));
    assert!(node.round().await.is_err());
    assert_eq!(ids(&node), ["a"]);
    // As after a crash.
    node.local.heal();
    node.restart();
    node.sync().await;
    assert!(node.blobs.holds(&Text::from("object")));
}

#[tokio::test]
async fn sides_that_get_logs_fetch_the_objects_that_watermarks_waited_for() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("a", Some("object"));
    node.network.fail(Operation::GetBlob, None, When::Always);
    node.sync().await;
    assert_eq!(ids(&node), ["a"]);
    node.network.heal();
    for side in [&node, &hub] {
        let _ = side.records.clone().keeping_a_log();
        let _ = side.rows.clone().keeping_a_log();
    }
    node.sync().await;
    assert!(node.blobs.holds(&Text::from("object")));
}

#[tokio::test]
async fn a_first_contact_names_what_the_peer_has_no_table_for() {
    let (node, hub) = setup(Setup::logged(1000));
    let late = table("late", "things");
    node.rows.register(&late);
    node.write_row_of(&late, "a");
    hub.write_record("b", None);
    node.sync().await;
    let report = node.round().await.unwrap();
    assert_eq!(report.held.len(), 1, "{report:?}");
    assert_eq!(report.held[0].code, "UNKNOWN_APP");
    hub.rows.register(&late);
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "b"]);
}

#[tokio::test]
async fn what_differs_is_found_also_while_something_else_waits() {
    let (node, hub) = setup(Setup::logged(1000));
    node.write_record("a", None);
    node.sync().await;
    hub.records.remove(&Text::from("a"), true);
    node.write_record("stuck", Some("lost"));
    node.blobs.wipe();
    node.side.clock.set_physical(LATER_MS);
    node.sync().await;
    assert_eq!(ids(&hub), ["a"]);
}

#[tokio::test]
async fn a_hub_that_is_put_back_gets_again_what_it_lost() {
    let (node, hub) = setup(Setup::logged(1000));
    node.write_record("a", None);
    node.sync().await;
    let (records, journal) = (hub.records.all(), hub.records.journal());
    node.write_record("b", None);
    node.sync().await;
    hub.records.replace(records);
    hub.records.put_journal(journal);
    hub.records.open();
    hub.write_record("c", None);
    let report = node.round().await.unwrap();
    assert_eq!((report.applied, report.shipped), (1, 1));
    assert_eq!(ids(&hub), ["a", "b", "c"]);
    assert_eq!(ids(&node), ["a", "b", "c"]);
}

#[tokio::test]
async fn of_two_versions_with_one_timestamp_the_greater_one_stands_everywhere() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    let hlc = node.side.clock.now();
    let mut theirs = body("a");
    theirs.content = "z".into();
    node.put_record(record(hlc.clone(), body("a"), None));
    hub.put_record(record(hlc, theirs, None));
    node.sync().await;
    for side in [&node, &hub] {
        assert_eq!(&*side.all()[0].body.content, "z");
    }
}

#[tokio::test]
async fn of_two_rows_of_one_time_the_one_that_was_refused_waits() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    let hlc = node.side.clock.now();
    for id in ["a", "b"] {
        let item = row(&usual_table(0), hlc.clone(), body(id), None);
        assert!(node.rows.write(&item));
    }
    hub.local
        .fail(Operation::ApplyRow, Some("b"), When::First(1));
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "b"]);
}
