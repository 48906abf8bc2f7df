//! Two sides with change logs: how much of what is here the peer has not got yet.

use crate::support::{Setup, setup};
use starkeep_sync_engine::testing::{Operation, When};

#[tokio::test]
async fn it_is_known_once_the_peer_has_said_what_it_has_and_counts_each_item_once() {
    let (node, hub) = setup(Setup::logged(2));
    assert_eq!(node.backlog().await, None);
    node.sync().await;
    for id in ["a", "b", "c"] {
        node.write_record(id, None);
    }
    node.write_row(0, "row");
    hub.write_record("theirs", None);
    assert_eq!(node.backlog().await, Some(4));
    node.round().await.unwrap();
    assert_eq!(node.backlog().await, Some(2));
    node.sync().await;
    assert_eq!(node.backlog().await, Some(0));
    node.write_record("a", None);
    node.write_record("a", None);
    assert_eq!(node.backlog().await, Some(1));
    assert_eq!(node.restarted().backlog().await, None);
}

#[tokio::test]
async fn what_waits_on_its_way_out_counts_and_once_where_it_is_written_anew() {
    let (node, _hub) = setup(Setup::logged(1000));
    node.write_record("a", Some("lost"));
    node.write_record("b", None);
    node.blobs.wipe();
    node.sync().await;
    assert_eq!(node.backlog().await, Some(1));
    node.write_record("a", None);
    assert_eq!(node.backlog().await, Some(1));
    node.sync().await;
    assert_eq!(node.backlog().await, Some(0));
}

#[tokio::test]
async fn what_the_peer_did_not_take_in_counts() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    node.write_record("a", None);
    node.write_record("b", None);
    hub.local
        .fail(Operation::PutRecord, Some("a"), When::Always);
    node.sync().await;
    assert_eq!(node.backlog().await, Some(1));
}

#[tokio::test]
async fn what_finds_no_room_to_wait_counts_too() {
    let (node, _hub) = setup(Setup {
        most_waiting: 2,
        ..Setup::logged(1000)
    });
    for id in ["a", "b", "c", "d"] {
        node.write_record(id, Some(id));
    }
    node.blobs.wipe();
    node.sync().await;
    assert_eq!(node.backlog().await, Some(4));
}

#[tokio::test]
async fn a_round_that_fails_leaves_what_was_known() {
    let (node, _hub) = setup(Setup::logged(1000));
    node.sync().await;
    node.write_record("a", None);
    node.network
        .fail(Operation::SendRequest, None, When::First(1));
    assert!(node.round().await.is_err());
    assert_eq!(node.backlog().await, Some(1));
}

#[tokio::test]
async fn with_a_peer_that_keeps_no_log_it_is_not_known() {
    let (node, _hub) = setup(Setup::old(1000));
    node.write_record("a", None);
    node.sync().await;
    assert_eq!(node.backlog().await, None);
}
