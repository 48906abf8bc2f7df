//! The way to a peer in this process.

use std::cell::Cell;
use std::rc::Rc;

use super::body::Body;
use super::faults::{Faults, Operation, pause};
use super::side::MemorySide;
use crate::engine::ports::Exchange;
use crate::engine::responder::Responder;
use crate::error::Result;
use crate::protocol::item::Item;
use crate::protocol::message::{Answer, Request};

/// The way to a responder. All clones lead to the same one, which answers one request at a time.
#[derive(Clone)]
pub struct MemoryWire {
    responder: Rc<Responder<MemorySide>>,
    busy: Rc<Cell<bool>>,
    faults: Faults,
}

impl MemoryWire {
    /// The way to `responder`.
    pub fn new(responder: Rc<Responder<MemorySide>>, faults: Faults) -> Self {
        Self {
            responder,
            busy: Rc::default(),
            faults,
        }
    }

    /// Another caller's way to the same responder.
    #[must_use]
    pub fn seen_through(&self, faults: Faults) -> Self {
        Self {
            faults,
            ..self.clone()
        }
    }
}

struct WireTurn<'a>(&'a Cell<bool>);

impl<'a> WireTurn<'a> {
    async fn take(busy: &'a Cell<bool>) -> Self {
        while busy.replace(true) {
            pause().await;
        }
        Self(busy)
    }
}

impl Drop for WireTurn<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Exchange<Body> for MemoryWire {
    async fn exchange(&self, request: Request<Body>) -> Result<Answer<Body>> {
        self.faults.meet(Operation::SendRequest, None).await?;
        let turn = WireTurn::take(&self.busy).await;
        let packed = |item: &mut Item<Body>| self.responder.side.clock.faults().pack(&item.body.id);
        let answer = self.responder.answer_packed(request, &packed).await?;
        drop(turn);
        self.faults.meet(Operation::ReceiveAnswer, None).await?;
        Ok(cut(answer, &self.faults))
    }

    fn pack(&self, item: &mut Item<Body>) -> Result<usize> {
        self.faults.pack(&item.body.id)
    }
}

/// What is left of an answer where the plan says that the next one is cut short: a page that is smaller
/// than was asked for. Items with one timestamp stay together.
pub fn cut(mut answer: Answer<Body>, faults: &Faults) -> Answer<Body> {
    let Some(mut len) = faults.take_cut() else {
        return answer;
    };
    let parts_a_tie = |len: usize| {
        let pair = len.checked_sub(1).map(|last| (last, len));
        let stamp = |at: usize| answer.items.get(at).map(|item| &item.hlc);
        pair.is_some_and(|(last, next)| stamp(last) == stamp(next))
    };
    while len < answer.items.len() && parts_a_tie(len) {
        len += 1;
    }
    if len > 0 && len < answer.items.len() {
        answer.items.truncate(len);
        answer.has_more = true;
    }
    answer
}
