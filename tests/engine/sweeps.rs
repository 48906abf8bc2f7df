//! What has to hold from one round of a sweep to the next, and against sides that read while others write.

use std::collections::HashSet;

use crate::support::{NOW_MS, Setup, body, ids, ids_at, marks, setup};
use starkeep_sync_engine::engine::apply::apply_all;
use starkeep_sync_engine::engine::arrival::Fate;
use starkeep_sync_engine::engine::node_ids::NodeIds;
use starkeep_sync_engine::engine::order_guard::OrderGuard;
use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::engine::ports::Outcome;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::message::Request;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::protocol::watermarks::Watermarks;
use starkeep_sync_engine::testing::{Operation, When, record};

#[tokio::test]
async fn strict_order_stops_a_node_for_all_rounds_of_a_sweep() {
    let (node, hub) = setup(Setup {
        page_limit: 1,
        strict_order: true,
        ..Setup::default()
    });
    hub.write_record("bad", None);
    hub.write_record("after", None);
    node.local
        .fail(Operation::PutRecord, Some("bad"), When::First(1));
    node.round().await.unwrap_err();
    node.round().await.unwrap();
    let has = |id: &str| ids(&node).contains(&id.to_owned());
    assert!(
        has("bad") || !has("after"),
        "a gap would be taken for the whole"
    );
    node.sync().await;
    assert_eq!(ids(&node), ids(&hub));
}

#[tokio::test]
async fn a_round_whose_watermarks_could_not_be_written_is_played_again() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("theirs", None);
    node.local.fail(Operation::WriteState, None, When::First(1));
    node.round().await.unwrap_err();
    node.round().await.unwrap();
    assert!(node.state.persisted().0.covers(&hub.time_of("theirs")));
}

#[tokio::test]
async fn what_an_old_peer_sends_passes_nothing_that_the_page_left_out() {
    let (node, hub) = setup(Setup::old(1));
    let first = node.write_record("a", None);
    node.write_record("b", None);
    hub.put_record(node.write_record("c", None));
    node.state
        .replace((marks(&[first.hlc]), Watermarks::default()));
    assert!(node.round().await.unwrap().has_more);
    node.check_peer_watermarks(&hub);
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "b", "c"]);
}

#[tokio::test]
async fn what_comes_in_any_order_is_taken_in_in_the_order_of_time() {
    let (_, hub) = setup(Setup::default());
    let at = |counter, id| record(Hlc::new(1, counter, Text::from("n")), body(id), None);
    hub.local
        .fail(Operation::PutRecord, Some("first"), When::First(1));
    let mut guard = OrderGuard::of_responder(HashSet::new());
    let items = vec![at(1, "second"), at(0, "first")];
    let arrivals = apply_all(
        &hub.side,
        items,
        (None, &mut NodeIds::default()),
        &mut guard,
    )
    .await;
    assert!(ids(&hub).is_empty());
    let outcomes: Vec<_> = arrivals.into_iter().map(|a| a.fate).collect();
    assert!(matches!(
        outcomes[..],
        [
            Fate::Settled(Outcome::Failed(_)),
            Fate::Settled(Outcome::Behind)
        ]
    ));
}

#[tokio::test]
async fn an_answer_passes_nothing_that_another_caller_brings_while_it_is_read() {
    let (node, hub) = setup(Setup {
        scan_page_size: 1,
        ..Setup::old(1000)
    });
    hub.write_foreign("leaf", "b", None);
    let brought = hub.clone();
    hub.local.meanwhile(Operation::ScanRecords, 2, move || {
        brought.write_foreign("leaf", "a", None);
        brought.write_foreign_row("leaf", 0, "r");
    });
    node.sync().await;
    assert_eq!(ids(&node), ids(&hub));
}

#[tokio::test]
async fn what_one_caller_brings_has_its_place_in_the_next_page_of_another() {
    let (_, hub) = setup(Setup::old(1));
    let at = |wall_time, node| Hlc::new(wall_time, 0, Text::from(node));
    for (wall_time, id) in [(1, "a"), (5, "b"), (6, "c")] {
        hub.put_record(record(at(wall_time, "p"), body(id), None));
    }
    let ask = |seen: &[Hlc], items| Request {
        watermarks: marks(seen),
        items,
        limit: 1,
        ..Request::default()
    };
    let first = hub.wire().exchange(ask(&[], Vec::new())).await.unwrap();
    assert_eq!(ids_at(&first.items), ["a"]);
    let brought = vec![record(at(3, "q"), body("d"), None)];
    for items in [brought, Vec::new()] {
        let next = hub.wire().exchange(ask(&[at(1, "p")], items)).await;
        assert_eq!(ids_at(&next.unwrap().items), ["d"]);
    }
}

#[tokio::test]
async fn no_object_is_brought_for_what_waits_behind_a_missing_one() {
    let (node, hub) = setup(Setup {
        blob_concurrency: 1,
        ..Setup::default()
    });
    node.write_record("a", Some("lost"));
    node.write_record("b", Some("later"));
    node.write_foreign("other", "c", Some("free"));
    node.network
        .fail(Operation::PutBlob, Some("lost"), When::First(1));
    node.round().await.unwrap();
    let is_there = |key| hub.blobs.holds(&Text::from(key));
    assert_eq!([is_there("free"), is_there("later")], [true, false]);
    node.sync().await;
    assert!(is_there("lost") && is_there("later"));
}

#[tokio::test]
async fn a_clock_is_past_everything_that_its_side_took_in() {
    let (node, hub) = setup(Setup::default());
    hub.later();
    hub.write_record("theirs", None);
    node.round().await.unwrap();
    assert!(node.side.clock.now() > hub.time_of("theirs"));

    hub.side.clock.set_physical(NOW_MS);
    node.side.clock.set_physical(NOW_MS + 5000);
    node.write_record("mine", None);
    node.round().await.unwrap();
    assert!(hub.side.clock.now() > node.time_of("mine"));
}
