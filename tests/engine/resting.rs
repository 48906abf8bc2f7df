//! Stores that can only be read whole, on a channel of records alone: they are not read for each page of a first sync,
//! and nothing is lost for it.

use crate::rng::Rng;
use crate::support::{NOW_MS, Node, Setup, ids, setup};
use starkeep_sync_engine::testing::{Operation, When};

fn records_alone(page_limit: usize) -> Setup {
    Setup {
        has_rows: false,
        ..Setup::old(page_limit)
    }
}

/// Forbids the side to be read, or allows it again.
fn forbid(node: &Node, forbidden: bool) {
    if forbidden {
        node.local.fail(Operation::ScanRecords, None, When::Always);
    } else {
        node.local.heal();
    }
}

#[tokio::test]
async fn a_hub_is_not_read_for_a_full_page_that_follows_on_a_pass() {
    let (node, hub) = setup(records_alone(4));
    for i in 0..16 {
        node.write_record(&format!("{i:02}"), None);
    }
    node.side.clock.set_physical(NOW_MS + 1000);
    hub.side.clock.set_physical(NOW_MS + 1000);
    node.round().await.unwrap();
    forbid(&hub, true);
    assert_eq!(node.round().await.unwrap().shipped, 4);
    forbid(&hub, false);
    node.sync().await;
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn rounds_say_that_there_is_more_until_the_last_page_went_out_also_where_the_hub_was_not_read()
 {
    let (node, hub) = setup(records_alone(4));
    for i in 0..16 {
        node.write_record(&format!("{i:02}"), None);
    }
    node.side.clock.set_physical(NOW_MS + 1000);
    hub.side.clock.set_physical(NOW_MS + 1000);
    let mut said = Vec::new();
    for _ in 0..4 {
        said.push(node.round().await.unwrap().has_more);
    }
    assert_eq!(said, [true, true, true, false]);
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn a_node_is_not_read_for_a_page_that_comes_in_while_the_hub_has_more() {
    let (node, hub) = setup(records_alone(4));
    for i in 0..20 {
        hub.write_record(&format!("{i:02}"), None);
    }
    // The pass of the third meets more than came in since.
    for _ in 0..3 {
        node.round().await.unwrap();
    }
    forbid(&node, true);
    let report = node.round().await.unwrap();
    assert_eq!((report.applied, report.has_more), (4, true));
    forbid(&node, false);
    node.write_record("own", None);
    node.drain().await;
    assert_eq!(ids(&hub), ids(&node));
}

/// Nodes and the hub write and sync as it comes; bursts make pages that follow on one another.
#[tokio::test]
async fn nothing_is_lost_while_nodes_and_hub_write_and_pages_move() {
    for seed in 0..80 {
        let mut rng = Rng::new(seed);
        let limit = 1 + rng.below(4);
        let setup_of = records_alone(limit);
        let (first, hub) = setup(setup_of);
        let all = [first, Node::new("other", &hub, setup_of), hub.clone()];
        let (mut written, mut now) = (0, NOW_MS);
        for _ in 0..30 {
            let at = &all[rng.below(3)];
            now += rng.next() % 3;
            at.side.clock.set_physical(now);
            if rng.percent(40) {
                for _ in 0..rng.below(12) {
                    at.write_record(&format!("i{}", (written * 37) % 1009), None);
                    written += 1;
                }
            } else {
                for node in &all[..2] {
                    if rng.percent(60) {
                        node.round().await.unwrap();
                    }
                }
            }
        }
        for node in &all[..2] {
            node.sync().await;
        }
        for node in &all[..2] {
            node.sync().await;
            assert_eq!(ids(node), ids(&hub), "seed {seed}, limit {limit}");
        }
        assert_eq!(ids(&hub).len(), written, "seed {seed}, limit {limit}");
    }
}
