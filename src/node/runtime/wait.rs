//! Waiting for the promises of adapters.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use napi::sys;

use crate::error::Result;
use crate::node::value::{Call, Env, FULFILLED, Intrinsic, Persistent, Scope, Slot, Value};
use crate::protocol::hlc::safe_integer;

/// What waits for promises.
pub(super) trait Waiter {
    /// Goes on, as a promise has settled.
    fn run(self: Rc<Self>);

    /// Ends here: what it waits for cannot come any more.
    fn abandon(&self);
}

/// A promise that is waited for. Known to `js/bridge/calls.js` by its number, and used again.
pub(super) struct Wait {
    pub(super) id: u32,
    task: RefCell<Option<Rc<dyn Waiter>>>,
    waker: RefCell<Option<Waker>>,
    settled: RefCell<Option<Settlement>>,
    abandoned: Cell<bool>,
    /// When it began, counted in waits.
    began: Cell<u64>,
    /// Whether its reactions hang on the promise alone.
    loose: Cell<bool>,
}

/// The waits of one environment.
///
/// A wait that lasts is made loose: it goes when its promise is collected, which cannot be settled then.
/// The round that waited is dropped with it.
#[derive(Default)]
pub(super) struct Waits {
    all: RefCell<Vec<Rc<Wait>>>,
    idle: RefCell<Vec<Rc<Wait>>>,
    begun: Cell<u64>,
    next_look: Cell<u64>,
}

/// After this many later ones a wait counts as one that lasts.
const LASTING: u64 = 1024;

impl Waits {
    /// A wait for `task`.
    pub(super) fn arm(&self, task: Rc<dyn Waiter>) -> Rc<Wait> {
        let wait = self.idle.borrow_mut().pop().unwrap_or_else(|| {
            let mut all = self.all.borrow_mut();
            let wait = Rc::new(Wait {
                id: u32::try_from(all.len()).unwrap_or(u32::MAX),
                task: RefCell::new(None),
                waker: RefCell::new(None),
                settled: RefCell::new(None),
                abandoned: Cell::new(false),
                began: Cell::new(0),
                loose: Cell::new(false),
            });
            all.push(Rc::clone(&wait));
            wait
        });
        self.begun.set(self.begun.get() + 1);
        wait.began.set(self.begun.get());
        wait.loose.set(false);
        wait.abandoned.set(false);
        wait.settled.replace(None);
        wait.task.replace(Some(task));
        wait
    }

    pub(super) fn rest(&self, wait: &Rc<Wait>) {
        wait.task.replace(None);
        self.idle.borrow_mut().push(Rc::clone(wait));
    }

    /// The waits that last and are not loose yet. They are looked for seldom.
    pub(super) fn loosen_lasting(&self) -> Vec<u32> {
        let now = self.begun.get();
        if now < self.next_look.get() {
            return Vec::new();
        }
        let all = self.all.borrow();
        self.next_look
            .set(now + LASTING.max(u64::try_from(all.len()).unwrap_or(u64::MAX)));
        let lasts = |wait: &&Rc<Wait>| {
            wait.task.borrow().is_some() && !wait.loose.get() && wait.began.get() + LASTING <= now
        };
        let lasting = all.iter().filter(lasts);
        lasting
            .map(|wait| {
                wait.loose.set(true);
                wait.id
            })
            .collect()
    }

    fn named(&self, id: usize) -> Option<Rc<Wait>> {
        self.all.borrow().get(id).cloned()
    }

    /// `lost(id)` of `js/bridge/calls.js`: nothing holds the promise any more.
    pub(super) fn lose(&self, call: &Call<'_>) {
        let id = call.scope.as_number(call.arg(0)).and_then(safe_integer);
        let id = id.and_then(|id| usize::try_from(id).ok());
        let wait = id.and_then(|id| self.named(id));
        let Some(wait) = wait.filter(|wait| wait.loose.get()) else {
            return;
        };
        let Some(task) = wait.task.replace(None) else {
            return;
        };
        task.abandon();
        if wait.abandoned.get() {
            self.rest(&wait);
        }
    }

    /// `settle(value)` of `js/bridge/calls.js`: the wait, and how it ended, lie on the shared.
    pub(super) fn settle(&self, call: &Call<'_>) -> Result<()> {
        let shared = &call.env.shared;
        let fulfilled = is(shared.get(Slot::State), FULFILLED);
        let Some(wait) = shared.count(Slot::Wait).and_then(|id| self.named(id)) else {
            return Ok(());
        };
        let task = wait.task.replace(None);
        if wait.abandoned.get() {
            self.rest(&wait);
        } else {
            wait.settled.replace(Some(Settlement {
                fulfilled,
                value: SettledValue::OfReaction(call.arg(0).raw()),
            }));
            if let Some(waker) = wait.waker.replace(None) {
                waker.wake();
            }
        }
        if let Some(task) = task {
            task.run();
        }
        if let Some(unread) = wait.settled.borrow_mut().as_mut() {
            unread.value = SettledValue::Persistent(call.env.keep(call.scope, call.arg(0))?);
        }
        Ok(())
    }

    /// The environment ends.
    pub(super) fn end(&self) {
        let (all, idle) = (
            std::mem::take(&mut *self.all.borrow_mut()),
            std::mem::take(&mut *self.idle.borrow_mut()),
        );
        for wait in &all {
            wait.task.replace(None);
        }
        drop((all, idle));
    }
}

/// Whether what lies on the shared is this.
pub(super) fn is(number: f64, meant: f64) -> bool {
    number.to_bits() == meant.to_bits()
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

/// Waits for a promise.
pub(super) struct Waiting {
    pub(super) waits: Rc<Waits>,
    pub(super) wait: Option<Rc<Wait>>,
}

impl Future for Waiting {
    type Output = Settlement;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settlement> {
        let Some(wait) = self.wait.as_ref() else {
            return Poll::Pending;
        };
        let Some(settlement) = wait.settled.replace(None) else {
            wait.waker.replace(Some(context.waker().clone()));
            return Poll::Pending;
        };
        self.waits.rest(wait);
        self.wait = None;
        Poll::Ready(settlement)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(wait) = self.wait.take() {
            wait.abandoned.set(true);
            if wait.settled.replace(None).is_some() {
                self.waits.rest(&wait);
            }
        }
    }
}

/// Waits for a promise of this package's own, in the name of `task`.
pub(super) fn wait_for(
    scope: Scope<'_>,
    env: &Env,
    (waits, task): (&Rc<Waits>, Rc<dyn Waiter>),
    promise: Value<'_>,
) -> Result<Waiting> {
    let wait = waits.arm(task);
    env.shared.put(Slot::Wait, f64::from(wait.id));
    env.helper(scope, Intrinsic::Take, &[promise])?;
    Ok(Waiting {
        waits: Rc::clone(waits),
        wait: Some(wait),
    })
}
