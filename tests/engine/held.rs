//! What an item that cannot go on holds up, and what it does not.

use crate::support::{Setup, ids, setup, table};
use starkeep_sync_engine::engine::held::Direction;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::{Operation, When, record, row};

fn one_by_one() -> Setup {
    Setup {
        page_limit: 1,
        ..Setup::default()
    }
}

#[tokio::test]
async fn an_item_waits_for_its_object_and_its_node_with_it() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("other", None);
    node.write_record("a", Some("here"));
    node.write_record("b", Some("lost"));
    node.write_record("c", None);
    node.network
        .fail(Operation::PutBlob, Some("lost"), When::First(1));
    let report = node.round().await.unwrap();
    assert_eq!((report.shipped, report.applied), (1, 1));
    assert_eq!(ids(&hub), ["a", "other"]);
    let held = &report.held[0];
    assert_eq!(
        (held.direction, held.body.as_ref().unwrap().id.to_string()),
        (Direction::Outbound, "b".to_owned())
    );
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "b", "c", "other"]);
}

#[tokio::test]
async fn what_comes_back_from_the_peer_moves_no_watermark_past_a_held_item() {
    let (node, hub) = setup(Setup::old(1000));
    node.write_record("a", None);
    node.write_record("b", Some("lost"));
    let c = node.write_record("c", None);
    hub.put_record(c);
    node.network
        .fail(Operation::PutBlob, Some("lost"), When::First(1));
    node.round().await.unwrap();
    let (_, peer) = node.state.persisted();
    assert!(!peer.covers(&node.time_of("b")));
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_held_item_starves_nobody_in_either_direction() {
    for setup_of in [one_by_one(), Setup::old(1)] {
        let (node, hub) = setup(setup_of);
        for id in ["l1", "l2", "l3"] {
            hub.write_foreign("lame", id, Some("lost"));
            node.write_foreign("stuck", &format!("out-{id}"), Some("gone"));
        }
        hub.blobs.wipe();
        node.blobs.wipe();
        hub.write_record("good", None);
        node.write_record("own", None);
        node.sync().await;
        assert!(ids(&node).contains(&"good".to_owned()));
        assert!(ids(&hub).contains(&"own".to_owned()));
        let (own, peer) = node.state.persisted();
        assert!(own.get(&Text::from("lame")).is_none());
        assert!(peer.get(&Text::from("stuck")).is_none());
    }
}

#[tokio::test]
async fn what_was_held_is_tried_again_in_the_next_sweep() {
    let (node, hub) = setup(one_by_one());
    hub.write_record("a", Some("late"));
    hub.write_record("b", None);
    node.network
        .fail(Operation::GetBlob, Some("late"), When::First(1));
    let first = node.round().await.unwrap();
    assert_eq!((first.applied, first.held.len()), (0, 1));
    assert!(first.has_more);
    let second = node.round().await.unwrap();
    assert!(!second.has_more);
    assert!(node.state.persisted().0.is_empty());
    node.sync().await;
    assert!(node.blobs.holds(&Text::from("late")));
    assert!(node.state.persisted().0.covers(&hub.time_of("b")));
}

#[tokio::test]
async fn one_record_that_cannot_be_stored_holds_its_node_and_nothing_else() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("bad", None);
    hub.write_record("after", None);
    hub.write_foreign("other", "good", None);
    node.local
        .fail(Operation::PutRecord, Some("bad"), When::Always);
    let report = node.round().await.unwrap();
    assert_eq!(report.applied, 2);
    assert_eq!(report.held.len(), 1);
    let own = node.state.persisted().0;
    assert!(own.get(&Text::from("hub")).is_none());
    assert!(own.get(&Text::from("other")).is_some());
}

#[tokio::test]
async fn a_round_throws_where_a_record_failed_and_nothing_was_taken_in() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("bad", None);
    node.local
        .fail(Operation::PutRecord, Some("bad"), When::First(1));
    assert_eq!(node.round().await.unwrap_err().kind(), ErrorKind::Io);
    assert!(node.state.persisted().0.is_empty());
    assert_eq!(node.round().await.unwrap().applied, 1);
}

#[tokio::test]
async fn a_leaf_applies_what_follows_a_failure_and_a_strict_node_does_not() {
    for strict_order in [false, true] {
        let (node, hub) = setup(Setup {
            strict_order,
            ..Setup::default()
        });
        hub.write_record("bad", None);
        hub.write_row(0, "after");
        hub.write_foreign("other", "good", None);
        node.local
            .fail(Operation::PutRecord, Some("bad"), When::First(1));
        node.round().await.unwrap();
        assert_eq!(ids(&node).contains(&"after".to_owned()), !strict_order);
        assert!(ids(&node).contains(&"good".to_owned()));
        node.sync().await;
        assert_eq!(ids(&node), ids(&hub));
    }
}

#[tokio::test]
async fn strict_order_waits_for_no_object() {
    let (node, hub) = setup(Setup {
        strict_order: true,
        ..Setup::default()
    });
    hub.write_record("a", Some("late"));
    hub.write_record("b", None);
    node.network
        .fail(Operation::GetBlob, Some("late"), When::First(1));
    node.round().await.unwrap();
    assert_eq!(ids(&node), ["a", "b"]);
}

#[tokio::test]
async fn what_the_answering_side_could_not_store_is_not_acknowledged() {
    let (node, hub) = setup(Setup::default());
    node.write_record("a", None);
    node.write_record("bad", None);
    node.write_row(0, "after");
    node.write_foreign("other", "good", None);
    hub.local
        .fail(Operation::PutRecord, Some("bad"), When::First(1));
    let report = node.round().await.unwrap();
    assert_eq!(ids(&hub), ["a", "good"]);
    let peer = node.state.persisted().1;
    assert_eq!(
        peer.get(&Text::from("node")),
        Some(&node.time_of("a")),
        "{report:?}"
    );
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn without_coverage_the_exchange_throws_and_no_watermark_moves() {
    let (node, hub) = setup(Setup::old(1000));
    node.write_record("a", None);
    node.write_record("bad", None);
    hub.write_record("theirs", None);
    hub.local
        .fail(Operation::PutRecord, Some("bad"), When::First(1));
    node.round().await.unwrap_err();
    assert_eq!(node.state.persisted(), Default::default());
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn a_row_of_an_app_that_is_not_registered_holds_its_node_until_it_is() {
    let (node, hub) = setup(Setup::default());
    let late = table("late", "things");
    node.rows.register(&late);
    node.write_row_of(&late, "r");
    node.write_record("after", None);
    let report = node.round().await.unwrap();
    assert_eq!(report.held[0].direction, Direction::Outbound);
    assert!(ids(&hub).is_empty());
    assert!(hub.side.log.lines()[0].contains("late/things"));
    hub.rows.register(&late);
    node.sync().await;
    assert_eq!(ids(&hub), ["after", "r"]);
}

#[tokio::test]
async fn an_item_that_lost_is_not_offered_for_ever() {
    let (node, hub) = setup(Setup::default());
    node.write_record("x", None);
    node.later();
    hub.later();
    hub.write_record("x", None);
    node.round().await.unwrap();
    let quiet = node.round().await.unwrap();
    assert_eq!((quiet.shipped, quiet.has_more), (0, false));
    assert!(quiet.held.is_empty());
    assert_eq!(node.time_of("x"), hub.time_of("x"));
}

#[tokio::test]
async fn an_item_that_lost_does_not_stop_its_node_while_its_winner_is_held() {
    let (node, hub) = setup(one_by_one());
    node.write_record("x", None);
    node.write_record("mine", None);
    hub.later();
    hub.write_record("x", None);
    node.local
        .fail(Operation::PutRecord, Some("x"), When::Always);
    for _ in 0..8 {
        let _ = node.round().await;
    }
    assert_eq!(ids(&hub), ["mine", "x"]);
}

#[tokio::test]
async fn an_item_that_lost_is_offered_again_once_its_winner_is_gone() {
    let (node, hub) = setup(Setup::default());
    node.write_record("x", None);
    hub.later();
    hub.write_record("x", None);
    node.local
        .fail(Operation::PutRecord, Some("x"), When::Always);
    let _ = node.round().await;
    hub.wipe();
    node.write_record("after", None);
    node.sync().await;
    node.sync().await;
    assert_eq!(ids(&hub), ["after", "x"]);
}

#[tokio::test]
async fn a_wiped_peer_is_noticed_and_served_again() {
    let (node, hub) = setup(one_by_one());
    node.write_record("a", Some("k"));
    node.write_row(1, "r");
    node.sync().await;
    hub.wipe();
    node.sync().await;
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "r"]);
    assert!(hub.blobs.holds(&Text::from("k")));
}

#[tokio::test]
async fn half_of_a_tie_that_could_not_be_stored_is_not_acknowledged() {
    let (node, hub) = setup(Setup::default());
    let stamp = node.side.clock.now();
    node.put_record(record(stamp.clone(), crate::support::body("a"), None));
    let twin = row(
        &crate::support::usual_table(0),
        stamp,
        crate::support::body("r"),
        None,
    );
    assert!(node.rows.write(&twin));
    hub.local
        .fail(Operation::ApplyRow, Some("r"), When::First(1));
    node.sync().await;
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "r"]);
}
