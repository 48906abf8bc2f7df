//! What has to hold where clocks go back, one node id is in two places, or a store lost what it had: stores without a
//! log, of every kind. What a log spares a side is in the simulation.

use crate::rng::Rng;
use crate::support::{NOW_MS, Node, Setup, ids, setup};
use starkeep_sync_engine::engine::ports::{Clock, Exchange};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::log::LogRequest;
use starkeep_sync_engine::protocol::message::Request;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::protocol::watermarks::Watermarks;
use starkeep_sync_engine::testing::{Access, Body, Operation, When};

const ACCESSES: [Access; 3] = [Access::Scanned, Access::Covered, Access::Indexed];

fn with(access: Access, page_limit: usize) -> Setup {
    Setup {
        access,
        page_limit,
        ..Setup::default()
    }
}

/// The node forgets its clock, which is set back, and starts anew.
fn set_back(node: &Node, ms: u64) -> Node {
    node.side.clock.forget();
    node.side.clock.set_physical(NOW_MS - ms);
    node.restarted()
}

/// What a caller by logs asks first.
fn greeting() -> Request<Body> {
    Request {
        log: Some(Box::new(LogRequest {
            hello: true,
            ..LogRequest::default()
        })),
        ..Request::default()
    }
}

async fn assert_quiet(node: &Node) {
    let report = node.round().await.unwrap();
    assert_eq!((report.applied, report.shipped), (0, 0));
    assert!(!report.has_more);
}

#[tokio::test]
async fn what_is_stamped_after_a_clock_was_set_back_is_shipped() {
    for access in ACCESSES {
        let (node, hub) = setup(with(access, 2));
        node.write_record("a", None);
        node.sync().await;
        let node = set_back(&node, 5000);
        node.write_record("b", None);
        node.write_row(0, "row");
        node.sync().await;
        node.write_record("c", None);
        node.sync().await;
        assert_eq!(ids(&hub), ["a", "b", "c", "row"], "{access:?}");
        assert_quiet(&node).await;
    }
}

#[tokio::test]
async fn what_is_offered_again_is_offered_until_an_exchange_succeeds() {
    let (node, hub) = setup(with(Access::Scanned, 2));
    node.write_record("a", None);
    node.sync().await;
    let node = set_back(&node, 5000);
    node.write_record("b", None);
    node.network
        .fail(Operation::SendRequest, None, When::First(1));
    node.round().await.unwrap_err();
    node.sync().await;
    assert_eq!(ids(&hub), ["a", "b"]);
}

#[tokio::test]
async fn a_clock_hears_before_the_first_round_of_what_is_known_and_not_of_what_is_too_far_ahead() {
    let (node, _) = setup(Setup::default());
    let ahead = Hlc::new(NOW_MS + 5000, 7, Text::from("other"));
    let too_far = Hlc::new(NOW_MS * 1000, 0, Text::from("fast"));
    let mark = crate::support::marks(&[ahead.clone(), too_far.clone()]);
    node.state.replace((mark, Watermarks::default()));
    node.round().await.unwrap();
    let next = node.side.clock.now();
    assert!(next > ahead && next < too_far);
}

#[tokio::test]
async fn a_clock_that_cannot_hear_fails_no_round() {
    let (node, hub) = setup(Setup::default());
    let ahead = Hlc::new(NOW_MS + 5000, 7, Text::from("other"));
    let mark = crate::support::marks(&[ahead]);
    node.state.replace((mark, Watermarks::default()));
    node.write_record("a", None);
    node.local.fail(Operation::HearClock, None, When::First(1));
    node.round().await.unwrap();
    assert_eq!(ids(&hub), ["a"]);
    assert!(node.side.log.lines()[0].contains("could not be told"));
}

#[tokio::test]
async fn an_answering_side_stamps_later_than_what_it_holds() {
    let (_, hub) = setup(Setup::default());
    hub.side.clock.set_physical(NOW_MS + 5000);
    let held = hub.write_record("a", None).hlc;
    hub.side.clock.forget();
    hub.side.clock.set_physical(NOW_MS);
    hub.wire().exchange(Request::default()).await.unwrap();
    assert!(hub.side.clock.next().await.unwrap().unwrap() > held);
}

#[tokio::test]
async fn by_logs_too_both_clocks_hear_before_the_first_round_of_what_their_stores_hold() {
    let (node, hub) = setup(Setup {
        keeps_log: true,
        ..Setup::default()
    });
    let mut held = Vec::new();
    for side in [&node, &hub] {
        side.side.clock.set_physical(NOW_MS + 5000);
        held.push(side.write_record("a", None).hlc);
        side.side.clock.forget();
        side.side.clock.set_physical(NOW_MS);
    }
    // Nothing that is taken in tells a clock of it: neither side gets as far.
    node.network
        .fail(Operation::SendRequest, None, When::First(1));
    node.round().await.unwrap_err();
    assert!(node.side.clock.next().await.unwrap().unwrap() > held[0]);
    hub.wire().exchange(greeting()).await.unwrap();
    assert!(hub.side.clock.next().await.unwrap().unwrap() > held[1]);
}

#[tokio::test]
async fn by_logs_too_a_clock_hears_later_if_the_stores_could_not_say_what_they_hold() {
    let (node, _) = setup(Setup {
        keeps_log: true,
        ..Setup::default()
    });
    node.side.clock.set_physical(NOW_MS + 5000);
    let held = node.write_record("a", None).hlc;
    node.side.clock.forget();
    node.side.clock.set_physical(NOW_MS);
    node.local
        .fail(Operation::CoverRecords, None, When::First(1));
    node.round().await.unwrap();
    assert!(node.side.clock.next().await.unwrap().unwrap() < held);
    node.round().await.unwrap();
    assert!(node.side.clock.next().await.unwrap().unwrap() > held);
}

#[tokio::test]
async fn two_machines_with_one_node_id_ship_all_that_they_have() {
    for access in ACCESSES {
        let setup_of = with(access, 3);
        let (a, hub) = setup(setup_of);
        let b = Node::new("node", &hub, setup_of);
        for i in 0..10 {
            a.write_record(&format!("a{i}"), None);
        }
        b.side.clock.set_physical(NOW_MS + 5000);
        b.write_record("b", None);
        b.sync().await;
        a.sync().await;
        assert_eq!(ids(&hub).len(), 11, "{access:?}");
        assert_quiet(&a).await;
    }
}

#[tokio::test]
async fn what_was_lost_comes_again_and_a_store_that_lost_nothing_asks_for_nothing() {
    for access in [Access::Covered, Access::Indexed] {
        let (node, hub) = setup(with(access, 2));
        for id in ["a", "b", "c"] {
            hub.write_record(id, None);
        }
        node.sync().await;
        let node = node.restarted();
        assert_quiet(&node).await;
        node.records.replace(Vec::new());
        hub.write_record("d", None);
        let node = node.restarted();
        node.sync().await;
        assert_eq!(ids(&node), ["a", "b", "c", "d"], "{access:?}");
        assert_quiet(&node).await;
    }
}

#[tokio::test]
async fn what_was_lost_is_asked_for_by_the_next_engine_if_the_first_could_not_write_that_down() {
    let (node, hub) = setup(Setup::default());
    hub.write_record("a", None);
    node.sync().await;
    node.records.replace(Vec::new());
    hub.write_record("b", None);
    let node = node.restarted();
    node.local.fail(Operation::WriteState, None, When::First(1));
    node.round().await.unwrap_err();
    node.sync().await;
    assert_eq!(ids(&node), ["a", "b"]);
}

/// A world of two machines with one node id and a hub. Clocks go back, engines start anew, stores are lost once all
/// they had was shipped. Every item ever written is at the hub in the end, and what a machine had is there again.
#[tokio::test]
async fn nothing_is_lost_whatever_machines_without_fault_do() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let access = rng.pick(&ACCESSES);
        let limit = 1 + rng.below(4);
        let setup_of = with(access, limit);
        let (first, hub) = setup(setup_of);
        let mut nodes = [first, Node::new("node", &hub, setup_of)];
        let (mut written, mut now) = (0, [NOW_MS; 2]);
        for _ in 0..40 {
            let at = rng.below(2);
            now[at] += rng.next() % 50;
            nodes[at].side.clock.set_physical(now[at]);
            match rng.below(10) {
                0 => {
                    now[at] -= rng.next() % 2000;
                    nodes[at].side.clock.forget();
                    nodes[at].side.clock.set_physical(now[at]);
                    nodes[at] = nodes[at].restarted();
                    nodes[at].write_record(&format!("i{written}"), None);
                    written += 1;
                    drop(nodes[at].round().await);
                }
                1 if access != Access::Scanned => {
                    nodes[at].sync().await;
                    let before = ids(&nodes[at]);
                    nodes[at].records.replace(Vec::new());
                    nodes[at].rows.replace(&[]);
                    nodes[at] = nodes[at].restarted();
                    nodes[at].sync().await;
                    let after = ids(&nodes[at]);
                    let gone: Vec<_> = before.iter().filter(|id| !after.contains(id)).collect();
                    assert!(gone.is_empty(), "seed {seed}, {access:?}: {gone:?}");
                }
                2..=5 => drop(nodes[at].round().await),
                6 | 7 => {
                    nodes[at].write_row(0, &format!("i{written}"));
                    written += 1;
                }
                _ => {
                    nodes[at].write_record(&format!("i{written}"), None);
                    written += 1;
                }
            }
        }
        for node in &nodes {
            node.sync().await;
            node.sync().await;
            assert_quiet(node).await;
        }
        assert_eq!(ids(&hub).len(), written, "seed {seed}, {access:?}, {limit}");
    }
}
