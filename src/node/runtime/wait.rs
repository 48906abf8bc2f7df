//! Waiting for the promises of adapters.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use napi::sys;

use crate::error::Result;
use crate::node::value::{Call, Intrinsic, Kind, Persistent, Scope, Value};
use crate::protocol::hlc::safe_integer;

/// What waits for promises.
pub(super) trait Waiter {
    /// Goes on, as a promise has settled.
    fn run(self: Rc<Self>);

    /// Ends here: what it waits for cannot come any more.
    fn abandon(&self);
}

/// A promise that is waited for. Known to `js/bridge/calls.js` by its number.
struct Wait {
    task: Rc<dyn Waiter>,
    waker: RefCell<Option<Waker>>,
    settled: RefCell<Option<Settlement>>,
}

/// The waits of one environment.
///
/// One that lasts goes when its promise is collected, which cannot be settled then. The round that waited is dropped
/// with it.
#[derive(Default)]
pub(super) struct Waits {
    /// By their numbers.
    open: RefCell<HashMap<u64, Rc<Wait>>>,
    next: Cell<u64>,
}

impl Waits {
    /// Waits for an answer in the name of `task`, if it is a promise or like one.
    pub(super) fn wait_for(
        &self,
        scope: Scope<'_>,
        task: Rc<dyn Waiter>,
        answer: Value<'_>,
    ) -> Result<Option<Waiting>> {
        let (id, wait) = self.begin(task);
        let args = [scope.count(id)?, scope.value(answer.raw())];
        let waits = scope.helper(Intrinsic::WaitFor, &args);
        if matches!(waits, Ok(waits) if scope.as_boolean(waits) == Some(true)) {
            return Ok(Some(Waiting(wait)));
        }
        self.open.borrow_mut().remove(&id);
        waits.map(|_| None)
    }

    /// Calls a method of an object in the name of `task`.
    pub(super) fn call<'s>(
        &self,
        scope: Scope<'s>,
        task: Rc<dyn Waiter>,
        (object, name): (Value<'s>, &str),
        args: &[Value<'s>],
    ) -> Result<Called<'s>> {
        let (id, wait) = self.begin(task);
        let call = [scope.count(id)?, object, scope.text(name)?];
        let answer = scope.helper(Intrinsic::CallMethod, &[&call[..], args].concat());
        let kind = answer.and_then(|answer| Ok((scope.kind(answer)?, answer)));
        if matches!(kind, Ok((Kind::Undefined, _))) {
            return Ok(Called::Waiting(Waiting(wait)));
        }
        self.open.borrow_mut().remove(&id);
        Ok(match kind? {
            (Kind::String, found) => Called::NoFunction(scope.as_string(found).unwrap_or_default()),
            (_, answer) => Called::Answered(scope.element(answer, 0)?),
        })
    }

    /// A wait, and its number.
    fn begin(&self, task: Rc<dyn Waiter>) -> (u64, Rc<Wait>) {
        let id = self.next.replace(self.next.get() + 1);
        let wait = Rc::new(Wait {
            task,
            waker: RefCell::default(),
            settled: RefCell::default(),
        });
        self.open.borrow_mut().insert(id, Rc::clone(&wait));
        (id, wait)
    }

    /// Takes out the wait whose number is the first argument.
    fn take(&self, call: &Call<'_>) -> Option<Rc<Wait>> {
        let id = call.scope.as_number(call.arg(0)).and_then(safe_integer)?;
        self.open.borrow_mut().remove(&id)
    }

    /// `lost(id)` of `js/bridge/calls.js`: nothing holds the promise any more.
    pub(super) fn lose(&self, call: &Call<'_>) {
        if let Some(wait) = self.take(call) {
            wait.task.abandon();
        }
    }

    /// `settle(id, fulfilled, value)` of `js/bridge/calls.js`
    pub(super) fn settle(&self, call: &Call<'_>) -> Result<()> {
        let Some(wait) = self.take(call) else {
            return Ok(());
        };
        wait.settled.replace(Some(Settlement {
            fulfilled: call.scope.as_boolean(call.arg(1)) == Some(true),
            value: SettledValue::OfReaction(call.arg(2).raw()),
        }));
        if let Some(waker) = wait.waker.replace(None) {
            waker.wake();
        }
        Rc::clone(&wait.task).run();
        if let Some(unread) = wait.settled.borrow_mut().as_mut() {
            unread.value = SettledValue::Persistent(call.scope.keep(call.arg(2))?);
        }
        Ok(())
    }

    /// The environment ends.
    pub(super) fn end(&self) {
        drop(self.open.take());
    }
}

/// What became of a call.
pub(super) enum Called<'s> {
    /// It answered a promise, or what is like one.
    Waiting(Waiting),
    /// It answered something else.
    Answered(Value<'s>),
    /// There is no such function, but this.
    NoFunction(String),
}

/// How a promise settled.
pub(super) struct Settlement {
    pub(super) fulfilled: bool,
    pub(super) value: SettledValue,
}

/// What a promise settled with. A task that is polled in the reaction itself reads the reaction's own
/// argument; only for one that is not is the value kept.
pub(super) enum SettledValue {
    OfReaction(sys::napi_value),
    Persistent(Persistent),
}

impl SettledValue {
    pub(super) fn value<'s>(&self, scope: Scope<'s>) -> Result<Value<'s>> {
        match self {
            Self::OfReaction(raw) => Ok(scope.value(*raw)),
            Self::Persistent(kept) => kept.value(scope),
        }
    }
}

/// Waits for a promise. The task is run when that settles, whether or not anything waits still.
pub(super) struct Waiting(Rc<Wait>);

impl Future for Waiting {
    type Output = Settlement;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settlement> {
        let Some(settlement) = self.0.settled.replace(None) else {
            self.0.waker.replace(Some(context.waker().clone()));
            return Poll::Pending;
        };
        Poll::Ready(settlement)
    }
}
