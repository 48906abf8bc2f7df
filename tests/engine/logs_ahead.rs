//! What a caller does while its peer works changes nothing of what both come to hold, nor of what is told.

use std::cell::RefCell;
use std::rc::Rc;

use crate::support::{Node, Setup, ids, setup};
use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::engine::round::Engine;
use starkeep_sync_engine::error::Result;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::testing::{
    Body, MemoryBlobs, MemoryEvents, MemorySide, MemoryState, MemoryWire, Operation, When,
};

/// A way to a peer on another machine, which remembers what went and what was answered.
#[derive(Clone)]
struct Far {
    wire: MemoryWire,
    went: Rc<RefCell<Vec<(String, Hlc)>>>,
    answered: Rc<RefCell<Vec<usize>>>,
}

impl Exchange<Body> for Far {
    async fn exchange(&self, request: Request<Body>) -> Result<Answer<Body>> {
        let items = request.items.iter();
        let sent = items.map(|item| (item.body.id.to_string(), item.hlc.clone()));
        self.went.borrow_mut().extend(sent);
        let answer = self.wire.exchange(request).await?;
        self.answered.borrow_mut().push(answer.items.len());
        Ok(answer)
    }

    fn is_elsewhere(&self) -> bool {
        true
    }
}

type Caller = Engine<MemorySide, MemoryBlobs, Far, MemoryState, MemoryEvents>;

fn caller(node: &Node, hub: &Node, page_limit: usize) -> (Caller, Far) {
    let far = Far {
        wire: hub.wire(),
        went: Rc::default(),
        answered: Rc::default(),
    };
    (node.engine_over(hub, far.clone(), page_limit), far)
}

async fn until_there_is_no_more(engine: &Caller) -> usize {
    for rounds in 1..60 {
        if !Box::pin(engine.round()).await.unwrap().has_more {
            return rounds;
        }
    }
    panic!("it has no end");
}

#[tokio::test]
async fn what_is_written_after_a_page_was_read_ahead_goes_as_it_is_now() {
    let (node, hub) = setup(Setup::logged(2));
    for id in ["a", "b", "c", "d", "e", "f"] {
        node.write_record(id, None);
    }
    let before = node.time_of("c");
    let (engine, far) = caller(&node, &hub, 2);
    assert!(Box::pin(engine.round()).await.unwrap().has_more);
    node.later();
    node.write_record("c", None);
    until_there_is_no_more(&engine).await;
    let went = far.went.take();
    let of_c: Vec<&Hlc> = went
        .iter()
        .filter(|(id, _)| id == "c")
        .map(|(_, hlc)| hlc)
        .collect();
    assert_eq!(of_c, [&node.time_of("c")]);
    assert_ne!(*of_c[0], before);
    assert_eq!(ids(&hub), ids(&node));
}

#[tokio::test]
async fn the_next_page_is_asked_for_while_one_is_taken_in_and_not_again() {
    let (node, hub) = setup(Setup::logged(2));
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        hub.write_record(id, None);
    }
    let (engine, far) = caller(&node, &hub, 2);
    until_there_is_no_more(&engine).await;
    assert_eq!(ids(&node), ids(&hub));
    // The last page alone is asked for again: what it says both hold was said too early.
    let answered: Vec<usize> = far
        .answered
        .take()
        .into_iter()
        .filter(|items| *items > 0)
        .collect();
    assert_eq!(answered, [2, 2, 2, 1, 1]);
}

#[tokio::test]
async fn a_page_that_was_asked_for_early_and_did_not_come_comes_later() {
    let (node, hub) = setup(Setup::logged(2));
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        hub.write_record(id, None);
    }
    let (engine, far) = caller(&node, &hub, 2);
    assert!(Box::pin(engine.round()).await.unwrap().has_more);
    let before = far.answered.borrow().len();
    hub.network
        .fail(Operation::SendRequest, None, When::First(1));
    let report = Box::pin(engine.round()).await.unwrap();
    assert_eq!((report.applied, report.has_more), (2, true));
    assert_eq!(far.answered.borrow().len(), before);
    until_there_is_no_more(&engine).await;
    assert_eq!(ids(&node), ids(&hub));
}
