//! Two sides with change logs, by what is said between them and what waits: without these rules both would come to
//! hold the same as well, later or by more than is needed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::support::{NOW_MS, Node, Setup, body, ids, ids_at, setup, table};
use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::engine::round::Engine;
use starkeep_sync_engine::error::{Error, ErrorKind, Result};
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::message::{Answer, Refusal, Request};
use starkeep_sync_engine::protocol::text::Text;
use starkeep_sync_engine::testing::{
    Body, MemoryBlobs, MemoryEvents, MemorySide, MemoryState, MemoryWire, Operation, When, record,
};

type Act = Box<dyn FnOnce()>;

/// An answer of this size has room for one item.
const ROOM_FOR_ONE: usize = 1365;

/// A way to a peer that remembers what was said. All clones are one way.
#[derive(Clone)]
struct Way {
    wire: MemoryWire,
    /// The ids of what went, and of what came.
    went: Rc<RefCell<Vec<String>>>,
    came: Rc<RefCell<Vec<String>>>,
    requests: Rc<Cell<usize>>,
    /// The peer takes at most so many items in one message.
    most_items: usize,
    /// How large an answer may be.
    room: Rc<Cell<Option<usize>>>,
    /// What is done before the first comparison.
    before_comparison: Rc<RefCell<Option<Act>>>,
}

impl Way {
    fn forget(&self) {
        self.went.take();
        self.came.take();
        self.requests.take();
    }
}

impl Exchange<Body> for Way {
    async fn exchange(&self, mut request: Request<Body>) -> Result<Answer<Body>> {
        if request.items.len() > self.most_items {
            return Err(Error::new(ErrorKind::TooLarge, "exchange", "as planned"));
        }
        self.requests.set(self.requests.get() + 1);
        self.went.borrow_mut().extend(ids_at(&request.items));
        request.max_answer_bytes = self.room.get();
        let compares = request
            .log
            .as_ref()
            .is_some_and(|log| !log.compare.is_empty());
        if compares && let Some(first) = self.before_comparison.take() {
            first();
        }
        let answer = self.wire.exchange(request).await?;
        self.came.borrow_mut().extend(ids_at(&answer.items));
        if let Some(log) = &answer.log {
            let mut planes = [&log.records, &log.rows].into_iter().flatten();
            let follows = planes.any(|plane| plane.more);
            assert!(!follows || log.digest.is_none(), "a digest before the end");
        }
        Ok(answer)
    }
}

type Caller = Engine<MemorySide, MemoryBlobs, Way, MemoryState, MemoryEvents>;

/// A caller whose peer takes at most `most_items` in one message.
fn caller(node: &Node, hub: &Node, page_limit: usize, most_items: usize) -> (Caller, Way) {
    let way = Way {
        wire: hub.wire(),
        went: Rc::default(),
        came: Rc::default(),
        requests: Rc::default(),
        most_items,
        room: Rc::default(),
        before_comparison: Rc::default(),
    };
    let engine = node.engine_over(hub, way.clone(), page_limit);
    (engine, way)
}

async fn until_there_is_no_more(engine: &Caller) {
    for _ in 0..60 {
        if !engine.round().await.is_ok_and(|report| report.has_more) {
            return;
        }
    }
    panic!("it has no end");
}

/// A record whose object has this many bytes.
fn sized(node: &Node, id: &str, bytes: &[u8]) -> Item<Body> {
    let mut item = record(node.side.clock.now(), body(id), Some("object"));
    if let Some(blob) = &mut item.blob {
        blob.size = Some(bytes.len() as u64);
    }
    node.blobs.write("object", bytes);
    item
}

#[tokio::test]
async fn what_came_from_a_side_is_not_sent_back_to_it() {
    let (node, hub) = setup(Setup::logged(1000));
    let (engine, way) = caller(&node, &hub, 2, usize::MAX);
    hub.write_record("theirs", None);
    until_there_is_no_more(&engine).await;
    for id in ["a", "b", "c"] {
        node.write_record(id, Some(id));
        node.write_row(0, &format!("row-{id}"));
    }
    until_there_is_no_more(&engine).await;
    assert_eq!(*way.came.borrow(), ["theirs"]);
    let mut went = way.went.take();
    went.sort();
    assert_eq!(went, ["a", "b", "c", "row-a", "row-b", "row-c"]);
}

#[tokio::test]
async fn a_quiet_round_is_one_request_and_nothing_travels_again_after_a_restart() {
    let (node, hub) = setup(Setup::logged(1000));
    let (engine, way) = caller(&node, &hub, 2, usize::MAX);
    until_there_is_no_more(&engine).await;
    for id in ["a", "b", "c"] {
        hub.write_record(id, Some(id));
        node.write_row(0, id);
    }
    until_there_is_no_more(&engine).await;
    way.forget();
    until_there_is_no_more(&engine).await;
    assert_eq!(way.requests.get(), 1);
    let (engine, way) = caller(&node, &hub, 2, usize::MAX);
    until_there_is_no_more(&engine).await;
    assert_eq!(*way.came.borrow(), Vec::<String>::new());
    assert_eq!(*way.went.borrow(), Vec::<String>::new());
}

#[tokio::test]
async fn a_quiet_round_writes_nothing_down() {
    let (node, hub) = setup(Setup::logged(1000));
    for id in ["a", "b", "c"] {
        node.write_record(id, None);
        node.sync().await;
    }
    for side in [&node, &hub] {
        side.local.fail(Operation::TakeIn, None, When::Always);
    }
    node.local.fail(Operation::NoteInLog, None, When::Always);
    assert_eq!(node.round().await.unwrap().in_sync, Some(true));
}

#[tokio::test]
async fn what_came_with_its_object_does_not_wait() {
    let (node, hub) = setup(Setup::logged(1000));
    node.sync().await;
    hub.write_record("a", Some("object"));
    let report = node.round().await.unwrap();
    assert_eq!((report.applied, report.held.len()), (1, 0));
    assert_eq!(report.in_sync, Some(true));
}

#[tokio::test]
async fn what_is_too_much_for_one_message_follows_without_a_comparison() {
    let (node, hub) = setup(Setup::logged(1000));
    let (engine, _) = caller(&node, &hub, 1000, 2);
    for id in ["a", "b", "c", "d", "e"] {
        node.write_record(id, None);
    }
    until_there_is_no_more(&engine).await;
    assert_eq!(ids(&hub), ["a", "b", "c", "d", "e"]);
    node.assert_logs_sufficed();
}

#[tokio::test]
async fn what_is_refused_and_not_named_is_sent_again_as_well() {
    let (node, hub) = setup(Setup::logged(2000));
    node.sync().await;
    let all = Refusal::MOST + 5;
    for nth in 0..all {
        node.write_record(&format!("{nth}"), None);
    }
    hub.local.fail(Operation::PutRecord, None, When::Always);
    let report = node.round().await.unwrap();
    assert_eq!((report.held.len(), report.shipped), (all, 0));
    hub.local.heal();
    node.sync().await;
    assert_eq!(ids(&hub).len(), all);
    node.assert_logs_sufficed();
}

#[tokio::test]
async fn what_was_asked_for_and_had_no_room_is_asked_for_again() {
    let (node, hub) = setup(Setup::logged(1000));
    let (engine, way) = caller(&node, &hub, 1000, usize::MAX);
    until_there_is_no_more(&engine).await;
    for id in ["a", "b", "c"] {
        hub.write_record(id, None);
        hub.write_row(0, &format!("row-{id}"));
    }
    hub.local.fail(Operation::PackItem, None, When::Always);
    until_there_is_no_more(&engine).await;
    assert_eq!(ids(&node), Vec::<String>::new());
    hub.local.heal();
    way.room.set(Some(ROOM_FOR_ONE));
    until_there_is_no_more(&engine).await;
    assert_eq!(ids(&node), ids(&hub));
    node.assert_logs_sufficed();
}

/// Two sides that know of each other. Then both write "c", the caller later; the hub also writes what comes before it.
async fn written_over(node: &Node, hub: &Node, (engine, way): (&Caller, &Way)) {
    hub.write_record("z", None);
    until_there_is_no_more(engine).await;
    way.forget();
    for id in ["a", "b", "c"] {
        hub.write_record(id, None);
    }
    node.side.clock.set_physical(NOW_MS + 1000);
    node.write_record("c", None);
}

#[tokio::test]
async fn what_a_caller_wrote_over_has_room_before_what_follows() {
    let (node, hub) = setup(Setup::logged(1000));
    let (engine, way) = caller(&node, &hub, 1000, usize::MAX);
    written_over(&node, &hub, (&engine, &way)).await;
    way.room.set(Some(ROOM_FOR_ONE));
    let report = engine.round().await.unwrap();
    assert_eq!(*way.came.borrow(), ["c"]);
    assert_eq!(report.conflicts.len(), 1);
    until_there_is_no_more(&engine).await;
    assert_eq!(ids(&node), ["a", "b", "c", "z"]);
}

#[tokio::test]
async fn what_a_caller_wrote_over_and_cannot_be_sent_does_not_wait() {
    let (node, hub) = setup(Setup::logged(1000));
    let (engine, way) = caller(&node, &hub, 1000, usize::MAX);
    written_over(&node, &hub, (&engine, &way)).await;
    hub.local.fail(Operation::PackItem, Some("c"), When::Always);
    let report = engine.round().await.unwrap();
    assert!(report.held.is_empty(), "{:?}", report.held);
    assert!(!report.has_more);
}

#[tokio::test]
async fn what_a_caller_could_not_write_over_comes_once() {
    let (node, hub) = setup(Setup::logged(1000));
    let (engine, way) = caller(&node, &hub, 1000, usize::MAX);
    written_over(&node, &hub, (&engine, &way)).await;
    hub.local
        .fail(Operation::PutRecord, Some("c"), When::Always);
    let report = engine.round().await.unwrap();
    assert_eq!(*way.came.borrow(), ["a", "b", "c"]);
    assert_eq!(report.conflicts.len(), 1);
    hub.local.heal();
    engine.round().await.unwrap();
    assert_eq!(*way.came.borrow(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_row_of_an_app_that_a_peer_does_not_know_is_refused_without_asking_its_store() {
    let (node, hub) = setup(Setup::logged(1000));
    let late = table("late", "things");
    node.rows.register(&late);
    node.write_row_of(&late, "a");
    hub.local.fail(Operation::ApplyRow, Some("a"), When::Always);
    node.sync().await;
    let report = node.round().await.unwrap();
    assert_eq!(report.held[0].code, "UNKNOWN_APP");
}

#[tokio::test]
async fn what_the_peer_has_no_table_for_any_more_is_left_out_of_what_is_compared() {
    let (node, hub) = setup(Setup::logged(1000));
    let late = table("late", "things");
    for side in [&node, &hub] {
        side.rows.register(&late);
    }
    node.write_row_of(&late, "row");
    node.write_record("a", None);
    node.sync().await;
    hub.rows.unregister(&late);
    hub.records.remove(&Text::from("a"), true);
    node.side.clock.set_physical(NOW_MS + 700_000);
    node.sync().await;
    assert_eq!(ids(&hub), ["a"]);
    let report = node.round().await.unwrap();
    assert_eq!((report.held.len(), report.in_sync), (0, Some(true)));
}

#[tokio::test]
async fn a_page_that_has_to_wait_for_its_objects_is_not_passed_meanwhile() {
    let (node, hub) = setup(Setup::logged(1000));
    node.put_record(sized(&node, "a", b"new"));
    hub.blobs.write("object", b"another");
    let report = node.round().await.unwrap();
    assert_eq!((report.shipped, report.in_sync), (1, Some(true)));
    assert_eq!(ids(&hub), ["a"]);
    node.assert_logs_sufficed();
}

#[tokio::test]
async fn an_object_of_a_newer_version_that_the_peer_has_is_not_replaced_by_an_older_one() {
    for page_limit in [1, 1000] {
        let (node, hub) = setup(Setup::logged(page_limit));
        node.sync().await;
        node.put_record(sized(&node, "a", b"old"));
        for id in ["b", "c", "d"] {
            hub.write_record(id, None);
        }
        hub.side.clock.set_physical(NOW_MS + 1000);
        hub.put_record(sized(&hub, "a", b"newer"));
        node.sync().await;
        assert_eq!(ids(&node), ["a", "b", "c", "d"]);
        for side in [&node, &hub] {
            assert!(side.blobs.is_of_size("object", 5), "pages of {page_limit}");
        }
        assert_eq!(node.round().await.unwrap().in_sync, Some(true));
    }
}

#[tokio::test]
async fn an_object_that_the_peer_gets_while_both_are_compared_is_not_replaced_by_an_older_one() {
    let (node, hub) = setup(Setup::logged(1000));
    let (engine, way) = caller(&node, &hub, 1000, usize::MAX);
    node.put_record(sized(&node, "a", b"old"));
    node.put_record(sized(&node, "b", b"old"));
    until_there_is_no_more(&engine).await;
    hub.records.remove(&Text::from("b"), true);
    node.side.clock.set_physical(NOW_MS + 700_000);
    hub.side.clock.set_physical(NOW_MS + 700_000);
    let peer = hub.clone();
    way.before_comparison.replace(Some(Box::new(move || {
        peer.put_record(sized(&peer, "c", b"newer"));
    })));
    until_there_is_no_more(&engine).await;
    assert_eq!(ids(&hub), ["a", "b", "c"]);
    for side in [&node, &hub] {
        assert!(side.blobs.is_of_size("object", 5));
    }
}

#[tokio::test]
async fn what_the_peer_took_in_waits_no_longer_although_its_answer_could_not_be_taken_in() {
    let (node, hub) = setup(Setup::logged(1000));
    node.write_record("a", Some("object"));
    node.blobs.wipe();
    node.sync().await;
    node.blobs.write("object", b"object");
    hub.write_record("b", None);
    node.local.fail(Operation::TakeIn, None, When::First(1));
    assert!(node.round().await.is_err());
    assert_eq!(ids(&hub), ["a", "b"]);
    node.sync().await;
    let (engine, way) = caller(&node, &hub, 1000, usize::MAX);
    until_there_is_no_more(&engine).await;
    assert_eq!(*way.went.borrow(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_caller_without_a_log_has_just_sent_does_not_come_back_to_it_as_late() {
    let (node, hub) = setup(Setup::default());
    let _ = hub.records.clone().keeping_a_log();
    let _ = hub.rows.clone().keeping_a_log();
    let (engine, way) = caller(&node, &hub, 1000, usize::MAX);
    for id in ["a", "b"] {
        hub.write_foreign("phone", id, None);
    }
    until_there_is_no_more(&engine).await;
    hub.records.remove(&Text::from("b"), true);
    way.forget();
    until_there_is_no_more(&engine).await;
    until_there_is_no_more(&engine).await;
    assert_eq!(ids(&hub), ["a", "b"]);
    assert_eq!(*way.came.borrow(), Vec::<String>::new());
}
