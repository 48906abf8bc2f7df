//! Rules of a round by logs that a comparison of both sides would make good, each by itself: nothing is left to that.

use crate::support::{NOW_MS, Node, Setup, body, ids, setup, table};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::ItemKind;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::{Journal, Operation, When, record, row};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Both sides hold these, and no round had to compare what they hold.
fn assert_logs_sufficed(node: &Node, hub: &Node, all: &[&str]) {
    assert_eq!(ids(hub), all);
    assert_eq!(ids(node), all);
    node.assert_logs_sufficed();
}

#[tokio::test]
async fn what_waits_is_remembered_beyond_the_end_of_the_program() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    hub.write_record("a", Some("object"));
    node.network.fail(Operation::GetBlob, None, When::Always);
    node.sync().await;
    node.restart();
    node.network.heal();
    node.sync().await;
    assert!(node.blobs.holds(&Text::from("object")));
}

#[tokio::test]
async fn what_waits_is_remembered_although_it_could_not_be_read_at_first() {
    for nth in 1..8 {
        let (node, hub) = setup(Setup::logged(1000));
        node.sync().await;
        hub.write_record("a", None);
        node.local.fail(Operation::PutRecord, None, When::Always);
        node.sync().await;
        node.restart();
        node.local.heal();
        node.local.fail(Operation::LookAtLog, None, When::Nth(nth));
        let _ = node.round().await;
        node.local.heal();
        node.sync().await;
        assert_logs_sufficed(&node, &hub, &["a"]);
    }
}

#[tokio::test]
async fn a_record_and_a_row_of_one_time_are_told_apart_when_one_is_refused() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    let hlc = node.side.clock.now();
    node.put_record(record(hlc.clone(), body("a"), None));
    let line = row(&crate::support::usual_table(0), hlc, body("b"), None);
    assert!(node.rows.write(&line));
    hub.local
        .fail(Operation::PutRecord, Some("a"), When::Always);
    let report = node.round().await.unwrap();
    let kinds: Vec<_> = report.held.iter().map(|held| held.kind.clone()).collect();
    assert_eq!(kinds, [ItemKind::Record(Text::from("a"))]);
}

#[tokio::test]
async fn a_file_that_is_put_back_under_a_running_program_is_noticed() {
    let (node, hub) = setup(Setup::logged(1000));
    node.write_record("a", None);
    node.sync().await;
    let (records, journal) = (node.records.all(), node.records.journal());
    for id in ["b", "c", "d"] {
        node.write_record(id, None);
    }
    node.sync().await;
    node.records.replace(records);
    node.records.put_journal(journal);
    node.records.open();
    node.write_record("e", None);
    node.sync().await;
    assert_logs_sufficed(&node, &hub, &["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn what_is_refused_for_good_does_not_have_its_page_sent_again() {
    for page_limit in [2, 1000] {
        let (node, hub) = setup(Setup::logged(page_limit));
        for id in ["a", "b", "c", "d"] {
            node.write_record(id, None);
        }
        hub.local
            .fail(Operation::PutRecord, Some("b"), When::Always);
        node.sync().await;
        node.restart();
        let mut sent = 0;
        for _ in 0..10 {
            sent += node.round().await.unwrap().shipped;
        }
        assert_eq!(sent, 0, "pages of {page_limit}");
        assert_eq!(ids(&hub), ["a", "c", "d"]);
    }
}

#[tokio::test]
async fn an_object_is_fetched_although_the_program_ended_when_its_item_was_here() {
    let (node, hub) = setup(Setup::logged(1000));
    hub.write_record("a", Some("object"));
    node.sync().await;
    node.records.remove(&Text::from("a"), true);
    node.blobs.wipe();
    node.side.clock.set_physical(NOW_MS + 700_000);
    // Nothing can be noted once the item is here.
    let local = node.local.clone();
    node.network.meanwhile(Operation::GetBlob, 1, move || {
        local.fail(Operation::NoteInLog, None, When::Always);
    });
    node.network.fail(Operation::GetBlob, None, When::Always);
    assert!(node.round().await.is_err());
    node.local.heal();
    node.network.heal();
    node.restart();
    node.sync().await;
    assert_eq!(ids(&node), ["a"]);
    assert!(node.blobs.holds(&Text::from("object")));
}

#[tokio::test]
async fn a_peer_that_is_put_back_and_refuses_something_gets_again_what_it_lost() {
    let (node, hub) = setup(Setup::logged(1000));
    for id in ["a", "b"] {
        node.write_record(id, None);
    }
    node.sync().await;
    hub.records.replace(Vec::new());
    hub.records.put_journal(Some(Journal::default()));
    node.write_record("c", None);
    hub.local
        .fail(Operation::PutRecord, Some("c"), When::First(1));
    node.sync().await;
    assert_logs_sufficed(&node, &hub, &["a", "b", "c"]);
}

#[tokio::test]
async fn what_waited_and_was_thrown_away_waits_no_longer() {
    let (node, hub) = setup(Setup::logged(1000));
    node.write_record("a", Some("lost"));
    node.write_record("b", None);
    node.blobs.wipe();
    node.sync().await;
    node.records.remove(&Text::from("a"), true);
    node.sync().await;
    let report = node.round().await.unwrap();
    assert_eq!(report.held.len(), 0);
    assert_eq!(report.in_sync, Some(true));
    assert_eq!(ids(&hub), ["b"]);
}

#[tokio::test]
async fn what_the_peer_could_not_send_is_not_passed_before_it_waits() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    hub.write_record("a", None);
    hub.write_record("b", None);
    hub.local.fail(Operation::PackItem, Some("b"), When::Always);
    node.local.fail(Operation::NoteInLog, None, When::Always);
    assert!(node.round().await.is_err());
    node.local.heal();
    hub.local.heal();
    node.restart();
    node.sync().await;
    assert_logs_sufficed(&node, &hub, &["a", "b"]);
}

#[tokio::test]
async fn what_an_app_writes_while_a_page_comes_in_goes_with_the_next() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    hub.write_record("a", None);
    let app = node.clone();
    node.network
        .meanwhile(Operation::ReceiveAnswer, 1, move || {
            app.write_record("b", None);
        });
    node.sync().await;
    assert_logs_sufficed(&node, &hub, &["a", "b"]);
}

#[tokio::test]
async fn a_difference_that_is_found_has_both_logs_held_against_their_tables() {
    let (node, hub) = setup(Setup::logged(1000));
    for id in ["a", "b"] {
        node.write_record(id, None);
    }
    node.sync().await;
    // One that a log knows of, and one on each side that it does not.
    hub.records.remove(&Text::from("a"), true);
    node.records.remove(&Text::from("b"), false);
    let unseen = record(hub.side.clock.now(), body("c"), None);
    hub.records.write_behind(unseen);
    for side in [&node, &hub] {
        side.side.clock.set_physical(NOW_MS + 700_000);
    }
    node.sync().await;
    assert_eq!((ids(&node), ids(&hub)), (ids(&hub), ids(&node)));
    assert_eq!(ids(&node), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_page_with_a_row_that_nobody_has_a_table_for_is_not_passed_before_that_is_heard() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    let late = table("late", "things");
    node.rows.register(&late);
    node.write_row_of(&late, "a");
    node.network
        .fail(Operation::ReceiveAnswer, None, When::First(1));
    assert!(node.round().await.is_err());
    hub.rows.register(&late);
    node.restart();
    node.sync().await;
    assert_logs_sufficed(&node, &hub, &["a"]);
}

#[tokio::test]
async fn what_lies_far_in_the_future_waits_and_moves_no_clock() {
    let (node, hub) = setup(Setup::logged(1000));
    let stamp = |ahead: u64| Hlc::new(NOW_MS + ahead, 0, Text::from("node"));
    node.put_record(record(stamp(2 * DAY_MS), body("far"), None));
    node.put_record(record(stamp(60_000), body("near"), None));
    node.sync().await;
    let report = node.round().await.unwrap();
    assert_eq!(ids(&hub), ["near"]);
    assert_eq!(report.held[0].code, "CLOCK_AHEAD");
    let next = hub.side.clock.now();
    assert!(next > stamp(60_000) && next < stamp(DAY_MS), "{next}");
}

#[tokio::test]
async fn a_peer_with_another_log_is_asked_for_all_of_it() {
    let (node, hub) = setup(Setup::logged(1000));
    for id in ["a", "b", "c", "d"] {
        hub.write_record(id, None);
    }
    node.sync().await;
    hub.records.replace(Vec::new());
    hub.records.put_journal(Some(Journal::default()));
    for id in ["e", "f"] {
        hub.write_record(id, None);
    }
    node.sync().await;
    assert_logs_sufficed(&node, &hub, &["a", "b", "c", "d", "e", "f"]);
}

#[tokio::test]
async fn what_is_written_while_two_sides_meet_is_not_taken_for_known() {
    let moments = (1..5).map(|nth| (Operation::ReceiveAnswer, nth));
    let moments = moments.chain((1..4).map(|nth| (Operation::NoteInLog, nth)));
    for (operation, nth) in moments.chain((1..16).map(|nth| (Operation::LookAtLog, nth))) {
        let (node, hub) = setup(Setup::logged(1000));
        node.write_record("a", None);
        hub.write_record("b", None);
        let app = node.clone();
        let faults = match operation {
            Operation::ReceiveAnswer => &node.network,
            _ => &node.local,
        };
        faults.meanwhile(operation, nth, move || {
            app.write_record("c", None);
        });
        node.sync().await;
        node.sync().await;
        assert_logs_sufficed(&node, &hub, &["a", "b", "c"]);
    }
}

#[tokio::test]
async fn a_first_contact_that_ends_before_anything_travelled_goes_on_where_it_stood() {
    let (node, hub) = setup(Setup::logged(1000));
    node.write_record("a", None);
    hub.write_record("b", Some("object"));
    for nth in 1..7 {
        node.network
            .fail(Operation::SendRequest, None, When::Nth(nth));
        let _ = node.round().await;
        node.network.heal();
        node.restart();
    }
    node.sync().await;
    assert_logs_sufficed(&node, &hub, &["a", "b"]);
    assert!(node.blobs.holds(&Text::from("object")));
}
