//! A caller without a change log, and a peer that keeps one: what the caller's watermarks have passed over reaches it,
//! and what the peer lost is offered again.

use crate::support::{NOW_MS, Node, Setup, body, ids, marks, setup, usual_table};
use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::message::Request;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::{Body, Journal, Operation, When, record, row};

fn keep_a_log(side: &Node) {
    let _ = side.records.clone().keeping_a_log();
    let _ = side.rows.clone().keeping_a_log();
}

/// A node without a log, and a hub with one.
fn without_a_log(page_limit: usize) -> (Node, Node) {
    let (node, hub) = setup(Setup {
        page_limit,
        ..Setup::default()
    });
    keep_a_log(&hub);
    (node, hub)
}

/// Limits of pages, after how many rounds the program ends, and whether another node wrote what is exchanged.
fn cases() -> impl Iterator<Item = (usize, usize, bool)> {
    [1, 2, 1000].into_iter().flat_map(|page_limit| {
        (0..6).flat_map(move |rounds| [false, true].map(|other| (page_limit, rounds, other)))
    })
}

fn row_at(hlc: Hlc, id: &str) -> Item<Body> {
    row(&usual_table(0), hlc, body(id), None)
}

#[tokio::test]
async fn what_comes_into_a_log_behind_what_its_node_wrote_later_is_asked_for_again() {
    for page_limit in [1, 1000] {
        let (node, hub) = without_a_log(page_limit);
        let early: Vec<Hlc> = (0..4).map(|_| hub.side.clock.now()).collect();
        hub.write_record("later", None);
        node.sync().await;
        for (at, id) in [(1, "b"), (0, "a")] {
            hub.put_record(record(early[at].clone(), body(id), None));
        }
        node.drain().await;
        assert_eq!(ids(&node), ["a", "b", "later"]);
        for (at, id) in [(2, "c"), (3, "d")] {
            assert!(hub.rows.write(&row_at(early[at].clone(), id)));
        }
        node.restart();
        node.sync().await;
        assert_eq!(ids(&node), ["a", "b", "c", "d", "later"]);
    }
}

#[tokio::test]
async fn what_came_late_before_the_peer_kept_a_log_is_asked_for_once_it_does() {
    let (node, hub) = setup(Setup::default());
    let early = hub.side.clock.now();
    hub.write_record("later", None);
    node.sync().await;
    hub.put_record(record(early, body("late"), None));
    node.sync().await;
    assert_eq!(ids(&node), ["later"]);
    keep_a_log(&hub);
    node.sync().await;
    assert_eq!(ids(&node), ["late", "later"]);
}

#[tokio::test]
async fn a_peer_with_another_log_gets_again_what_it_lost_before_what_it_has() {
    for (page_limit, rounds, of_another_node) in cases() {
        let (node, hub) = without_a_log(page_limit);
        for id in ["a", "b", "c", "d"] {
            if of_another_node {
                node.write_foreign("phone", id, None);
            } else {
                node.write_record(id, None);
            }
        }
        node.sync().await;
        let mut left = hub.records.all();
        left.retain(|item| item.body.id == body("d").id);
        hub.records.replace(left);
        hub.records.put_journal(Some(Journal::default()));
        // The program ends in the middle.
        for _ in 0..rounds {
            let _ = node.round().await;
        }
        node.restart();
        node.sync().await;
        let what = format!("pages of {page_limit}, after {rounds} rounds");
        assert_eq!(ids(&hub), ["a", "b", "c", "d"], "{what}");
        let quiet = node.round().await.unwrap();
        assert_eq!((quiet.shipped, quiet.has_more), (0, false), "{what}");
    }
}

#[tokio::test]
async fn what_comes_late_into_the_own_log_is_offered_to_a_peer_without_one() {
    for (page_limit, rounds, of_another_node) in cases() {
        let (node, hub) = setup(Setup {
            page_limit,
            ..Setup::default()
        });
        keep_a_log(&node);
        let writer = if of_another_node { "phone" } else { "node" };
        let at = |counter| Hlc::new(NOW_MS - 100, counter, Text::from(writer));
        node.put_record(record(at(9), body("later"), None));
        node.sync().await;
        for (counter, id) in [(1, "a"), (2, "b"), (3, "c")] {
            node.put_record(record(at(counter), body(id), None));
        }
        // The program ends in the middle.
        for _ in 0..rounds {
            let _ = node.round().await;
        }
        node.restart();
        node.sync().await;
        let what = format!("pages of {page_limit}, after {rounds} rounds, of {writer}");
        assert_eq!(ids(&hub), ["a", "b", "c", "later"], "{what}");
        let quiet = node.round().await.unwrap();
        assert_eq!((quiet.shipped, quiet.has_more), (0, false), "{what}");
    }
}

#[tokio::test]
async fn all_that_a_peer_with_another_log_has_is_asked_for() {
    for of_rows in [false, true] {
        let (node, hub) = without_a_log(1000);
        let early = hub.side.clock.now();
        hub.write_record("record", None);
        hub.write_row(0, "row");
        node.sync().await;
        if of_rows {
            hub.rows.put_journal(Some(Journal::default()));
            assert!(hub.rows.write(&row_at(early, "early")));
            assert!(hub.rows.write(&row_at(hub.side.clock.now(), "new")));
        } else {
            hub.records.put_journal(Some(Journal::default()));
            hub.put_record(record(early, body("early"), None));
            hub.write_record("new", None);
        }
        node.sync().await;
        assert_eq!(ids(&node), ["early", "new", "record", "row"]);
    }
}

#[tokio::test]
async fn what_comes_in_order_is_not_asked_for_again() {
    let (node, hub) = without_a_log(1000);
    hub.write_record("a", None);
    node.sync().await;
    // The first row of all.
    hub.write_row(0, "b");
    assert!(!node.round().await.unwrap().has_more);
    assert_eq!(ids(&node), ["a", "b"]);
    node.write_record("c", None);
    node.write_row(0, "d");
    let report = node.round().await.unwrap();
    assert_eq!((report.shipped, report.has_more), (2, false));
    hub.write_record("e", None);
    let report = node.round().await.unwrap();
    assert_eq!((report.applied, report.has_more), (1, false));
    node.restart();
    let report = node.round().await.unwrap();
    assert_eq!((report.applied, report.has_more), (0, false));
}

#[tokio::test]
async fn what_has_one_time_with_what_was_refused_does_not_pass_for_it() {
    for keeps_log in [false, true] {
        let (node, hub) = setup(Setup::default());
        if keeps_log {
            keep_a_log(&hub);
        }
        node.write_record("before", None);
        node.sync().await;
        let hlc = node.side.clock.now();
        node.put_record(record(hlc.clone(), body("a"), None));
        assert!(node.rows.write(&row_at(hlc, "b")));
        hub.local.fail(Operation::ApplyRow, Some("b"), When::Always);
        node.sync().await;
        assert_eq!(ids(&hub), ["a", "before"]);
        hub.local.heal();
        node.sync().await;
        assert_eq!(ids(&hub), ["a", "b", "before"]);
    }
}

#[tokio::test]
async fn what_was_refused_once_goes_again_in_the_same_sweep_whatever_else_has_its_time() {
    let (node, hub) = without_a_log(2);
    let hlc = node.side.clock.now();
    node.put_record(record(hlc.clone(), body("a"), None));
    assert!(node.rows.write(&row_at(hlc, "b")));
    node.write_record("c", None);
    hub.write_record("theirs", None);
    hub.local
        .fail(Operation::ApplyRow, Some("b"), When::First(1));
    node.drain().await;
    assert_eq!(ids(&hub), ["a", "b", "c", "theirs"]);
}

#[tokio::test]
async fn what_was_refused_is_offered_by_the_next_engine_too_whatever_else_has_its_time() {
    for has_been_here in [false, true] {
        let (node, hub) = setup(Setup {
            page_limit: 1,
            ..Setup::default()
        });
        if has_been_here {
            node.write_record("before", None);
            node.sync().await;
        }
        let hlc = Hlc::new(NOW_MS - 50, 0, Text::from("phone"));
        node.put_record(record(hlc.clone(), body("a"), None));
        assert!(node.rows.write(&row_at(hlc, "b")));
        hub.local.fail(Operation::ApplyRow, Some("b"), When::Always);
        node.round().await.unwrap();
        node.write_foreign("another", "c", None);
        hub.local.heal();
        node.restart();
        node.sync().await;
        assert!(ids(&hub).contains(&"b".to_owned()));
    }
}

/// What `hub` says that it holds of the node "phone", after it was sent these, of which it cannot take in "refused".
async fn held_after(hub: &Node, items: Vec<Item<Body>>, after: &[Hlc]) -> Option<Hlc> {
    hub.local
        .fail(Operation::ApplyRow, Some("refused"), When::Always);
    let request = Request {
        items,
        limit: 1000,
        shipped_after: marks(after),
        ..Request::default()
    };
    let answer = hub.wire().exchange(request).await.unwrap();
    answer.coverage.unwrap().get(&Text::from("phone")).cloned()
}

#[tokio::test]
async fn what_a_side_says_that_it_holds_ends_before_what_it_refused_and_not_before_what_it_had() {
    let at = |counter| Hlc::new(NOW_MS - 50, counter, Text::from("phone"));
    let twins = [
        record(at(2), body("taken in"), None),
        row_at(at(2), "refused"),
    ];
    let one = record(at(1), body("one"), None);
    let (_, hub) = without_a_log(1000);
    let items: Vec<_> = [one.clone()].into_iter().chain(twins.clone()).collect();
    assert_eq!(held_after(&hub, items, &[]).await, Some(at(1)));
    let (_, hub) = without_a_log(1000);
    hub.put_record(one);
    assert_eq!(held_after(&hub, twins.into(), &[at(1)]).await, Some(at(1)));
}
