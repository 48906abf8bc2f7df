//! The way to a parent, which works on its own task: it goes on when a caller dies, and it may die itself.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use starkeep_sync_engine::engine::ports::Exchange;
use starkeep_sync_engine::error::{Error, Result};
use starkeep_sync_engine::protocol::item::Item;
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::testing::{Body, Faults, Operation, cut, pause};

/// What an item weighs.
pub const ITEM: usize = 100_000;

/// The size of an answer with room for so many items: a quarter is kept for what it refuses and withholds.
const fn size_of_answer(items: usize) -> usize {
    (items * ITEM + ITEM / 2) * 4 / 3
}

/// A request that waits for its answer.
pub struct Post {
    pub from: usize,
    pub request: Cell<Option<Request<Body>>>,
    pub reply: RefCell<Option<Result<Answer<Body>>>>,
}

/// The requests that a parent has not answered. All clones are one inbox.
#[derive(Clone, Default)]
pub struct Inbox {
    posts: Rc<RefCell<VecDeque<Rc<Post>>>>,
    is_down: Rc<Cell<bool>>,
    is_closing: Rc<Cell<bool>>,
    /// So many items fit into an answer.
    room: Rc<Cell<Option<usize>>>,
}

impl Inbox {
    pub fn open(&self) {
        self.posts.borrow_mut().clear();
        self.is_down.set(false);
        self.is_closing.set(false);
    }

    /// Answers have room for so many items only.
    pub fn give_room_for(&self, items: Option<usize>) {
        self.room.set(items);
    }

    /// Nobody answers any more.
    pub fn break_down(&self) {
        self.is_down.set(true);
    }

    /// Nobody is going to ask any more.
    pub fn close(&self) {
        self.is_closing.set(true);
    }

    /// The next request, or nothing once there can be none.
    pub async fn next(&self) -> Option<Rc<Post>> {
        loop {
            if let Some(post) = self.posts.borrow_mut().pop_front() {
                return Some(post);
            }
            if self.is_closing.get() {
                return None;
            }
            pause().await;
        }
    }
}

/// A child's way to its parent.
pub struct Courier {
    pub from: usize,
    pub inbox: Inbox,
    pub faults: Faults,
    /// Items that came in answers so far.
    pub received: Rc<Cell<usize>>,
}

impl Exchange<Body> for Courier {
    async fn exchange(&self, mut request: Request<Body>) -> Result<Answer<Body>> {
        request.max_answer_bytes = self.inbox.room.get().map(size_of_answer);
        self.faults.meet(Operation::SendRequest, None).await?;
        let post = Rc::new(Post {
            from: self.from,
            request: Cell::new(Some(request)),
            reply: RefCell::new(None),
        });
        self.inbox.posts.borrow_mut().push_back(Rc::clone(&post));
        let answer = loop {
            if let Some(answer) = post.reply.borrow_mut().take() {
                break answer?;
            }
            if self.inbox.is_down.get() {
                return Err(Error::sync("exchange", "the parent is down"));
            }
            pause().await;
        };
        self.faults.meet(Operation::ReceiveAnswer, None).await?;
        let answer = cut(answer, &self.faults);
        self.received.set(self.received.get() + answer.items.len());
        Ok(answer)
    }

    /// Of some children, some of the time.
    fn is_elsewhere(&self) -> bool {
        !(self.from + self.received.get()).is_multiple_of(3)
    }

    fn pack(&self, item: &mut Item<Body>) -> Result<usize> {
        self.faults.pack(&item.body.id).map(|_| ITEM)
    }
}
