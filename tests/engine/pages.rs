//! What belongs on a page, and what a page must not pass: ties, several streams, writes in the middle of
//! a reading, tables that cannot be read.

use crate::support::{Node, Setup, ids, setup};
use starkeep_sync_engine::testing::{Access, Operation, When, record};

fn one_by_one() -> Setup {
    Setup {
        page_limit: 1,
        ..Setup::default()
    }
}

#[tokio::test]
async fn an_updated_record_does_not_strand_the_one_before_it() {
    for setup_of in [one_by_one(), Setup::old(1)] {
        let (node, hub) = setup(setup_of);
        node.write_record("a", None);
        node.write_record("b", None);
        node.write_record("a", None);
        node.sync().await;
        assert_eq!(ids(&hub), ["a", "b"]);
    }
}

#[tokio::test]
async fn nothing_is_stranded_between_records_and_the_tables_of_apps() {
    for setup_of in [one_by_one(), Setup::old(1), Setup::old(2)] {
        let (node, hub) = setup(setup_of);
        for (turn, name) in ["z", "y", "x", "w"].into_iter().enumerate() {
            hub.write_row(turn % 2, name);
            hub.write_record(name, None);
            node.write_row((turn + 1) % 2, &format!("own-{name}"));
            node.write_record(&format!("own-{name}"), None);
        }
        node.sync().await;
        assert_eq!(ids(&node), ids(&hub));
        assert_eq!(ids(&hub).len(), 16);
    }
}

#[tokio::test]
async fn has_more_is_true_only_while_something_was_left_out() {
    let (node, hub) = setup(Setup {
        page_limit: 2,
        ..Setup::default()
    });
    hub.write_record("a", None);
    hub.write_record("b", None);
    assert!(!node.round().await.unwrap().has_more);
    hub.write_record("c", None);
    hub.write_record("d", None);
    hub.write_record("e", None);
    assert!(node.round().await.unwrap().has_more);
    assert!(!node.round().await.unwrap().has_more);
}

#[tokio::test]
async fn items_with_one_timestamp_are_not_parted_by_the_end_of_a_page() {
    for setup_of in [one_by_one(), Setup::old(1), Setup::old(2)] {
        let (node, hub) = setup(setup_of);
        node.write_record("a", None);
        let stamp = node.side.clock.now();
        for id in ["b", "c", "d"] {
            node.put_record(record(stamp.clone(), crate::support::body(id), None));
        }
        node.write_record("e", None);
        node.sync().await;
        assert_eq!(ids(&hub), ["a", "b", "c", "d", "e"]);
    }
}

#[tokio::test]
async fn rows_do_not_overtake_records_with_one_timestamp_that_a_remembered_page_left_out() {
    let (node, hub) = setup(Setup::old(2));
    for id in ["a", "b", "c"] {
        node.write_record(id, None);
    }
    let stamp = node.side.clock.now();
    for id in ["d", "e"] {
        node.put_record(record(stamp.clone(), crate::support::body(id), None));
    }
    node.write_row(0, "r");
    node.write_record("f", None);
    node.later();
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn a_table_that_cannot_be_scanned_keeps_its_nodes_back() {
    let (node, hub) = setup(Setup::default());
    node.write_row(0, "row");
    node.write_record("after", None);
    node.write_foreign("other", "free", None);
    node.local
        .fail(Operation::ScanRows, Some("pages"), When::Always);
    node.sync().await;
    assert_eq!(ids(&hub), ["free"]);
    node.local.heal();
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn a_blind_table_moves_no_persisted_watermark() {
    let (node, hub) = setup(Setup::old(1000));
    node.write_row(0, "row");
    node.write_record("after", None);
    node.local
        .fail(Operation::ScanRows, Some("pages"), When::Always);
    node.round().await.unwrap();
    assert!(node.state.persisted().1.is_empty());
    node.local.heal();
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
#[ignore = "what follows a row of a table that cannot be scanned is shipped before it"]
async fn a_third_side_gets_the_rows_of_a_table_that_could_not_be_scanned_for_a_while() {
    let (node, hub) = setup(Setup::old(1000));
    let third = Node::new("third", &hub, Setup::old(1000));
    node.write_row(0, "row");
    node.write_record("after", None);
    node.local
        .fail(Operation::ScanRows, Some("pages"), When::Always);
    node.round().await.unwrap();
    node.local.heal();
    third.sync().await;
    node.sync().await;
    third.sync().await;
    assert_eq!(ids(&third), ids(&node));
}

#[tokio::test]
async fn a_table_that_the_answering_side_cannot_scan_fails_the_exchange() {
    let (node, hub) = setup(Setup::old(1000));
    hub.write_row(0, "row");
    hub.write_record("after", None);
    hub.local
        .fail(Operation::ScanRows, Some("pages"), When::First(2));
    node.round().await.unwrap_err();
    assert!(node.state.persisted().0.is_empty());
    node.sync().await;
    assert_eq!(ids(&node), ids(&hub));
}

#[tokio::test]
async fn what_is_written_while_records_are_scanned_passes_nothing() {
    for access in [Access::Scanned, Access::Covered, Access::Indexed] {
        for nth in 1..6 {
            let (node, hub) = setup(Setup {
                access,
                rows_know_coverage: access != Access::Scanned,
                scan_page_size: 1,
                ..Setup::default()
            });
            for id in ["k", "l", "m"] {
                node.write_record(id, None);
            }
            let writer = node.clone();
            node.later();
            node.local.meanwhile(Operation::ScanRecords, nth, move || {
                writer.write_record("a", None);
                writer.write_record("z", None);
            });
            node.round().await.unwrap();
            node.check_peer_watermarks(&hub);
            node.sync().await;
            assert_eq!(ids(&hub), ids(&node));
        }
    }
}

#[tokio::test]
async fn a_stream_that_held_nothing_when_it_was_asked_is_not_passed() {
    let (node, hub) = setup(Setup::default());
    let writer = node.clone();
    node.local.meanwhile(Operation::CoverRows, 1, move || {
        writer.write_record("first", None);
        writer.write_row(0, "second");
    });
    node.round().await.unwrap();
    node.check_peer_watermarks(&hub);
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn an_answer_passes_no_stream_that_held_nothing_when_it_was_asked() {
    let (node, hub) = setup(Setup::default());
    let writer = hub.clone();
    // The first three reports are for the answer's own account of what it holds.
    hub.local.meanwhile(Operation::CoverRows, 3, move || {
        writer.write_record("first", None);
        writer.write_row(0, "second");
    });
    node.round().await.unwrap();
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn an_answer_that_is_cut_short_leaves_the_rest_for_the_next_round() {
    let (node, hub) = setup(Setup::default());
    for id in ["a", "b", "c"] {
        hub.write_record(id, None);
    }
    node.network.cut_next_answer(1);
    let report = node.round().await.unwrap();
    assert_eq!((report.applied, report.has_more), (1, true));
    node.sync().await;
    assert_eq!(ids(&node), ids(&hub));
}

#[tokio::test]
async fn what_a_strict_node_is_brought_while_it_reads_passes_nothing() {
    let (node, hub) = setup(Setup {
        scan_page_size: 1,
        strict_order: true,
        ..Setup::old(1000)
    });
    node.write_foreign("leaf", "b", None);
    node.sync().await;
    let brought = node.clone();
    node.local.meanwhile(Operation::ScanRecords, 2, move || {
        brought.write_foreign("leaf", "a", None);
        brought.write_foreign_row("leaf", 0, "r");
    });
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}
