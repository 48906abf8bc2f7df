//! A peer whose log is put back, alone or with its items, while a caller stays: what it lost comes again by the logs,
//! in the same round, and what waits still does.

use crate::support::{Node, Setup, ids, setup};
use starkeep_sync_engine::engine::held::Direction;
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::{Body, Journal, Operation, When};

/// The records of a side and their log, as a copy has them.
struct Copy(Vec<Item<Body>>, Option<Journal>);

impl Copy {
    fn of(side: &Node) -> Self {
        Self(side.records.all(), side.records.journal())
    }

    fn put_back(self, side: &Node) {
        side.records.replace(self.0);
        side.records.put_journal(self.1);
        side.records.open();
    }
}

/// The peer has all of this after one more round, in which nothing was compared.
async fn assert_one_round_suffices(node: &Node, hub: &Node, all: &[&str]) {
    node.round().await.unwrap();
    assert_eq!(ids(hub), all);
    node.assert_logs_sufficed();
}

#[tokio::test]
async fn what_a_peer_lost_before_a_page_comes_before_it() {
    let (node, hub) = setup(Setup::logged(1000));
    node.write_record("a", None);
    node.sync().await;
    let copy = Copy::of(&hub);
    node.write_record("b", None);
    node.sync().await;
    copy.put_back(&hub);
    node.write_record("c", None);
    assert_one_round_suffices(&node, &hub, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn what_a_peer_lost_of_its_own_goes_back_to_it_with_the_page_that_finds_that_out() {
    for before in ["a", "theirs"] {
        let (node, hub) = setup(Setup::logged(1000));
        node.write_record("a", None);
        node.sync().await;
        if before == "theirs" {
            hub.write_record("theirs", None);
            node.sync().await;
        }
        let copy = Copy::of(&hub);
        hub.write_record("lost", None);
        node.round().await.unwrap();
        copy.put_back(&hub);
        node.write_record("b", None);
        let mut all = vec!["a", "b", "lost"];
        all.extend(Some(before).filter(|before| *before == "theirs"));
        assert_one_round_suffices(&node, &hub, &all).await;
    }
}

#[tokio::test]
async fn what_waits_since_a_log_began_anew_waits_also_after_a_restart() {
    let (node, hub) = setup(Setup::logged(1000));
    hub.write_record("a", None);
    node.sync().await;
    hub.records.put_journal(Some(Journal::default()));
    hub.write_record("b", Some("object"));
    node.network.fail(Operation::GetBlob, None, When::Always);
    let _ = node.round().await;
    assert_eq!(ids(&node), ["a", "b"]);
    node.restart();
    node.network.heal();
    node.sync().await;
    assert!(node.blobs.holds(&Text::from("object")));
}

#[tokio::test]
async fn what_is_here_without_its_object_waits_although_the_peer_has_only_an_older_version() {
    let (node, hub) = setup(Setup::logged(1000));
    hub.write_record("a", None);
    let copy = Copy::of(&hub);
    hub.later();
    hub.write_record("a", Some("object"));
    hub.blobs.wipe();
    node.sync().await;
    copy.put_back(&hub);
    node.sync().await;
    let held = node.round().await.unwrap().held;
    let ways: Vec<_> = held.iter().map(|held| held.direction).collect();
    assert!(ways.contains(&Direction::Inbound), "{held:?}");
}
