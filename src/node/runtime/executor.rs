//! The tasks of an environment, and what they wait for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use napi::sys;

use crate::error::Result;
use crate::node::value::{Env, Persistent, Runtime, Scope, Value};
use crate::polling::{Tasks, Waits};

thread_local! {
    /// The executors of this thread. Each is held by its environment.
    static EXECUTORS: RefCell<Vec<Weak<Executor>>> = const { RefCell::new(Vec::new()) };
}

/// The tasks of one environment.
pub(super) struct Executor {
    env: Weak<Env>,
    pub(super) tasks: Rc<Tasks>,
    pub(super) waits: Waits<Settlement>,
    notifies: RefCell<HashMap<u64, sys::napi_deferred>>,
    next_notify: Cell<u64>,
    offloaded: Cell<usize>,
}

impl Executor {
    /// The executor of `env`.
    pub(super) fn of(env: &Rc<Env>) -> Rc<Self> {
        EXECUTORS.with_borrow_mut(|executors| {
            let mut alive = executors.iter().filter_map(Weak::upgrade);
            let known = alive.find(|executor| executor.env.as_ptr() == Rc::as_ptr(env));
            known.unwrap_or_else(|| {
                let executor = Rc::new(Self {
                    env: Rc::downgrade(env),
                    tasks: Rc::default(),
                    waits: Waits::default(),
                    notifies: RefCell::default(),
                    next_notify: Cell::default(),
                    offloaded: Cell::default(),
                });
                env.run_by(Rc::clone(&executor) as _);
                executors.retain(|executor| executor.strong_count() > 0);
                executors.push(Rc::downgrade(&executor));
                executor
            })
        })
    }

    /// A number under which `deferred` is settled once it is rung.
    pub(super) fn notify_by(&self, deferred: sys::napi_deferred) -> u64 {
        let id = self.next_notify.replace(self.next_notify.get() + 1);
        self.notifies.borrow_mut().insert(id, deferred);
        id
    }

    /// How many more things are under way on other threads. While there are any, the process is kept alive.
    pub(super) fn offload(&self, env: &Rc<Env>, step: isize) {
        let before = self.offloaded.get();
        let after = before.saturating_add_signed(step);
        self.offloaded.set(after);
        if (before == 0) != (after == 0) {
            env.remote.hold_process(env.raw(), after > 0);
        }
    }
}

impl Runtime for Executor {
    fn hear(&self, env: &Rc<Env>, rung: Vec<u64>) {
        for notify in rung {
            let Some(deferred) = self.notifies.borrow_mut().remove(&notify) else {
                continue;
            };
            // Fails only where the environment is ending.
            let _ = env.scope(|scope| scope.settle(deferred, Ok(scope.undefined()?)));
        }
    }

    /// Rounds are dropped where they stand.
    fn end(&self) {
        self.tasks.end();
        self.waits.end();
    }
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
