//! The rules of a round that are neither about pages nor about held items.

use crate::support::{NOW_MS, Setup, ids, ids_at, marks, setup};
use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::error::ErrorKind;
use starkeep_sync_engine::protocol::message::Request;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::{Operation, When};

fn one_by_one() -> Setup {
    Setup {
        page_limit: 1,
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_version_that_the_app_writes_first_wins_over_an_older_one_that_comes_in() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("x", None);
    node.later();
    let writer = node.clone();
    node.local.meanwhile(Operation::GetRecord, 1, move || {
        writer.write_record("x", None);
    });
    node.sync().await;
    assert_eq!(node.time_of("x").node_id, Text::from("node"));
    assert_eq!(hub.time_of("x"), node.time_of("x"));
}

#[tokio::test]
#[ignore = "a store without conditional puts loses what the app writes between a look and a put"]
async fn what_the_app_writes_between_a_look_and_a_put_is_not_lost() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("x", None);
    node.later();
    let writer = node.clone();
    node.local.meanwhile(Operation::PutRecord, 1, move || {
        writer.write_record("x", None);
    });
    node.sync().await;
    assert_eq!(node.time_of("x").node_id, Text::from("node"));
}

#[tokio::test]
async fn a_lost_request_or_answer_moves_nothing_and_the_next_round_repairs_it() {
    for operation in [Operation::SendRequest, Operation::ReceiveAnswer] {
        let (node, hub) = setup(Setup::default());
        node.write_record("mine", Some("k"));
        hub.write_record("theirs", None);
        node.network.fail(operation, None, When::First(1));
        node.round().await.unwrap_err();
        assert_eq!(node.state.persisted(), Default::default());
        node.sync().await;
        assert_eq!(ids(&node), ids(&hub));
    }
}

#[tokio::test]
async fn watermarks_that_cannot_be_written_fail_the_round_and_lose_nothing() {
    let (node, hub) = setup(one_by_one());
    node.write_record("mine", None);
    hub.write_record("theirs", None);
    hub.write_record("more", None);
    node.local.fail(Operation::WriteState, None, When::Nth(2));
    node.round().await.unwrap_err();
    node.sync().await;
    assert_eq!(ids(&node), ids(&hub));
}

#[tokio::test]
async fn a_timestamp_of_the_future_is_refused_before_the_clock_hears_of_it() {
    let (node, hub) = setup(Setup::default());
    hub.side.clock.set_physical(NOW_MS + 30 * 60 * 60 * 1000);
    hub.write_record("future", None);
    hub.write_foreign("other", "good", None);
    let report = node.round().await.unwrap();
    assert_eq!(ids(&node), ["good"]);
    assert_eq!(report.held[0].error.kind(), ErrorKind::ClockAhead);
    assert_eq!(node.side.clock.now().wall_time, NOW_MS);
    assert!(node.state.persisted().0.get(&Text::from("hub")).is_none());
}

#[tokio::test]
async fn items_of_one_round_that_share_an_object_share_one_transfer() {
    let (node, hub) = setup(Setup::default());
    for id in ["a", "b", "c"] {
        node.write_record(id, Some("same"));
    }
    node.round().await.unwrap();
    assert_eq!(hub.blobs.puts(), [Text::from("same")]);
}

#[tokio::test]
async fn objects_move_in_parallel_up_to_the_window() {
    let (node, hub) = setup(Setup {
        blob_concurrency: 3,
        ..Setup::default()
    });
    for id in ["a", "b", "c", "d", "e", "f"] {
        node.write_record(id, Some(id));
    }
    node.round().await.unwrap();
    assert_eq!((hub.blobs.puts().len(), hub.blobs.most_at_once()), (6, 3));
}

#[tokio::test]
async fn a_tombstone_goes_without_its_object() {
    let (node, hub) = setup(Setup::default());
    node.write_record("a", Some("k"));
    node.delete_record("a", Some("k"));
    node.round().await.unwrap();
    assert_eq!(ids(&hub), ["a"]);
    assert!(hub.blobs.puts().is_empty());
}

#[tokio::test]
async fn one_event_names_the_records_that_are_new() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("a", None);
    hub.write_row(0, "r");
    hub.write_record("b", None);
    node.sync().await;
    assert_eq!(node.events.heard(), [[Text::from("a"), Text::from("b")]]);
}

#[tokio::test]
async fn a_quiet_round_writes_nothing() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("a", None);
    node.write_record("b", None);
    node.sync().await;
    node.sync().await;
    node.local.fail(Operation::WriteState, None, When::Always);
    node.local.fail(Operation::PutRecord, None, When::Always);
    let report = node.round().await.unwrap();
    assert_eq!((report.shipped, report.applied), (0, 0));
}

#[tokio::test]
async fn an_answer_reports_the_whole_of_what_the_side_holds_or_nothing() {
    let ask = || Request {
        limit: 1,
        ..Request::default()
    };
    let (_, hub) = setup(Setup::default());
    hub.write_record("a", None);
    hub.write_row(0, "r");
    let answer = hub.wire().exchange(ask()).await.unwrap();
    assert_eq!(answer.coverage, Some(marks(&[hub.time_of("r")])));
    assert_eq!(
        (ids_at(&answer.items), answer.has_more),
        (vec!["a".to_owned()], true)
    );
    let (_, hub) = setup(Setup {
        rows_know_coverage: false,
        ..Setup::default()
    });
    assert_eq!(hub.wire().exchange(ask()).await.unwrap().coverage, None);
}

#[tokio::test]
async fn a_wiped_peer_does_not_hide_its_gap_behind_something_newer() {
    for page_limit in [1, 2, 1000] {
        let (node, hub) = setup(Setup {
            page_limit,
            ..Setup::default()
        });
        for id in ["a", "b", "c"] {
            node.write_record(id, Some(id));
        }
        node.sync().await;
        hub.wipe();
        node.write_record("newer", None);
        node.sync().await;
        assert_eq!(ids(&hub), ["a", "b", "c", "newer"]);
        assert!(hub.blobs.holds(&Text::from("a")));
        node.check_peer_watermarks(&hub);
    }
}

#[tokio::test]
async fn a_peer_that_went_back_to_an_old_copy_is_sent_what_it_lost() {
    let (node, hub) = setup(Setup::default());
    node.write_record("a", None);
    node.sync().await;
    let copy = hub.records.all();
    node.write_record("b", None);
    node.sync().await;
    hub.records.replace(copy);
    node.write_record("c", None);
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "b", "c"]);
}

#[tokio::test]
async fn one_more_round_follows_where_what_was_shipped_before_has_lost() {
    let (node, hub) = setup(Setup::default());
    node.write_record("x", None);
    node.sync().await;
    hub.later();
    hub.write_record("x", None);
    node.write_record("y", None);
    let refused = node.round().await.unwrap();
    assert_eq!((refused.has_more, ids(&hub)), (true, vec!["x".to_owned()]));
    let again = node.round().await.unwrap();
    assert_eq!((again.shipped, again.has_more), (1, false));
    assert!(again.held.is_empty());
    assert_eq!(ids(&hub), ["x", "y"]);
    let quiet = node.round().await.unwrap();
    assert_eq!((quiet.shipped, quiet.has_more), (0, false));
}

#[tokio::test]
async fn where_a_side_cannot_say_what_it_lost_nothing_new_is_taken_in() {
    let (node, hub) = setup(Setup::default());
    node.write_record("a", None);
    node.sync().await;
    hub.wipe();
    node.write_record("newer", None);
    hub.local
        .fail(Operation::CoverRecords, None, When::First(1));
    node.round().await.unwrap_err();
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "newer"]);
}

#[tokio::test]
async fn a_side_that_never_knows_its_coverage_takes_everything_in() {
    let (node, hub) = setup(Setup {
        rows_know_coverage: false,
        ..Setup::default()
    });
    let request = Request {
        shipped_after: marks(&[node.side.clock.now()]),
        items: vec![node.write_record("a", None)],
        limit: 1,
        ..Request::default()
    };
    hub.wire().exchange(request).await.unwrap();
    assert_eq!(ids(&hub), ["a"]);
}
