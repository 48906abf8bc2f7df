//! The plan of what goes wrong.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::text::Text;

/// What a store, a clock or the way to the peer is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Per node the greatest timestamp of the records.
    CoverRecords,
    /// One page of a pass over the records.
    ScanRecords,
    /// One record; the key is its id.
    GetRecord,
    /// Store a record; the key is its id.
    PutRecord,
    /// The list of tables.
    ListTables,
    /// Per node the greatest timestamp of a table; the key is its name.
    CoverRows,
    /// One page of a scan; the key is the table's name.
    ScanRows,
    /// Apply a row; the key is its id.
    ApplyRow,
    /// Whether an object is there; the key is its own.
    HasBlob,
    /// Read an object; the key is its own.
    GetBlob,
    /// Store an object; the key is its own.
    PutBlob,
    /// Read watermarks.
    ReadState,
    /// Persist watermarks.
    WriteState,
    /// Hear of a remote timestamp.
    HearClock,
    /// Bring an item into the form in which it travels; the key is its id.
    PackItem,
    /// Look at a change log, or compare it.
    LookAtLog,
    /// Take a page in with a change log: all of it, or nothing.
    TakeIn,
    /// Note what an exchange came to.
    NoteInLog,
    /// Hearing of a peer, to know later who has seen what was deleted.
    HearOf,
    /// A request on its way: it is lost before the peer has it.
    SendRequest,
    /// An answer on its way back: the peer has done its part, and the caller never hears of it.
    ReceiveAnswer,
}

impl Operation {
    /// Whether an item waits where this fails.
    pub fn is_of_one_item(self) -> bool {
        matches!(
            self,
            Self::PutRecord
                | Self::ApplyRow
                | Self::PackItem
                | Self::HasBlob
                | Self::GetBlob
                | Self::PutBlob
        )
    }
}

/// Which of the calls that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The nth, counted from one.
    Nth(usize),
    /// The first ones, this many.
    First(usize),
    /// Every one.
    Always,
}

impl When {
    fn holds(self, call: usize) -> bool {
        match self {
            Self::Nth(n) => call == n,
            Self::First(n) => call <= n,
            Self::Always => true,
        }
    }
}

enum Effect {
    Fail,
    Meanwhile(Option<Box<dyn FnOnce()>>),
}

struct Rule {
    operation: Operation,
    key: Option<Text>,
    when: When,
    calls: usize,
    effect: Effect,
}

impl Rule {
    fn meets(&mut self, operation: Operation, key: Option<&Text>) -> bool {
        if self.operation != operation || (self.key.is_some() && self.key.as_ref() != key) {
            return false;
        }
        self.calls += 1;
        self.when.holds(self.calls)
    }
}

#[derive(Default)]
struct Plan {
    rules: Vec<Rule>,
    cuts: VecDeque<usize>,
}

/// See the [module page](self). All clones are one plan; the default is that all goes well.
#[derive(Clone, Default)]
pub struct Faults(Rc<RefCell<Plan>>);

impl Faults {
    /// From now on calls of `operation`, for `key` or for any, fail `when` it is said.
    pub fn fail(&self, operation: Operation, key: Option<&str>, when: When) {
        self.add(operation, key.map(Text::from), when, Effect::Fail);
    }

    /// Does something right before the nth call of `operation` from now has its effect.
    pub fn meanwhile(&self, operation: Operation, nth: usize, action: impl FnOnce() + 'static) {
        let effect = Effect::Meanwhile(Some(Box::new(action)));
        self.add(operation, None, When::Nth(nth), effect);
    }

    /// The next answer brings at most this many items, and says that there are more.
    pub fn cut_next_answer(&self, items: usize) {
        self.0.borrow_mut().cuts.push_back(items);
    }

    /// Forgets the plan: all goes well again.
    pub fn heal(&self) {
        *self.0.borrow_mut() = Plan::default();
    }

    /// Whether nothing is planned.
    pub fn is_healthy(&self) -> bool {
        let plan = self.0.borrow();
        plan.rules.is_empty() && plan.cuts.is_empty()
    }

    /// An await point, and then what the plan says of this call.
    ///
    /// # Errors
    /// Where the plan says so.
    pub async fn meet(&self, operation: Operation, key: Option<&Text>) -> Result<()> {
        pause().await;
        let mut fails = false;
        let mut actions = Vec::new();
        for rule in &mut self.0.borrow_mut().rules {
            if rule.meets(operation, key) {
                match &mut rule.effect {
                    Effect::Fail => fails = true,
                    Effect::Meanwhile(action) => actions.extend(action.take()),
                }
            }
        }
        for action in actions {
            action();
        }
        if fails {
            let key = key.map_or_else(String::new, |key| format!(" of {key}"));
            let message = format!("{operation:?}{key} fails as planned");
            return Err(Error::new(ErrorKind::Io, "a planned fault", message));
        }
        Ok(())
    }

    /// Brings an item with this id into the form in which it travels, and returns its size there.
    ///
    /// # Errors
    /// `MalformedItem` if the plan says so.
    pub fn pack(&self, id: &Text) -> Result<usize> {
        let mut plan = self.0.borrow_mut();
        let mut struck = false;
        for rule in plan
            .rules
            .iter_mut()
            .filter(|rule| matches!(rule.effect, Effect::Fail))
        {
            // Each of them counts the call.
            struck |= rule.meets(Operation::PackItem, Some(id));
        }
        if struck {
            let message = format!("{id} cannot travel, as planned");
            return Err(Error::new(
                ErrorKind::MalformedItem,
                "a planned fault",
                message,
            ));
        }
        Ok(1)
    }

    pub(super) fn take_cut(&self) -> Option<usize> {
        self.0.borrow_mut().cuts.pop_front()
    }

    fn add(&self, operation: Operation, key: Option<Text>, when: When, effect: Effect) {
        self.0.borrow_mut().rules.push(Rule {
            operation,
            key,
            when,
            calls: 0,
            effect,
        });
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.0.borrow();
        let rules = plan.rules.iter().map(|r| (r.operation, &r.key, r.when));
        f.debug_list().entries(rules).finish()
    }
}

/// Lets others run.
pub async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
