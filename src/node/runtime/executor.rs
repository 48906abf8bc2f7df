//! The tasks of an environment, and how they are polled.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use napi::sys;

use super::wait::{Waiter, Waits};
use crate::error::{Error, ErrorKind, Result};
use crate::node::value::{Env, Runtime};

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// The executors of this thread. Each is held by its environment.
    static EXECUTORS: RefCell<Vec<Weak<Executor>>> = const { RefCell::new(Vec::new()) };
}

/// The tasks of one environment.
pub(super) struct Executor {
    env: Weak<Env>,
    current: RefCell<Option<Rc<Task>>>,
    tasks: RefCell<Vec<Weak<Task>>>,
    pub(super) waits: Rc<Waits>,
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
                    current: RefCell::default(),
                    tasks: RefCell::default(),
                    waits: Rc::default(),
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

    /// The task that is being polled.
    pub(super) fn current(&self) -> Result<Rc<Task>> {
        self.current.borrow().clone().ok_or_else(|| {
            let what = "nothing but a round may wait";
            Error::new(ErrorKind::Internal, "call an adapter", what)
        })
    }

    /// Whether a task is being polled.
    pub(super) fn is_polling(&self) -> bool {
        self.current.borrow().is_some()
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
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        for task in tasks.iter().filter_map(Weak::upgrade) {
            task.drop_future();
        }
        self.waits.end();
    }
}

/// A round, or part of one.
pub(super) struct Task {
    executor: Rc<Executor>,
    future: RefCell<Option<LocalFuture>>,
    polling: Cell<bool>,
    woken: Arc<Woken>,
    waker: Waker,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl Waiter for Task {
    fn run(self: Rc<Self>) {
        if self.polling.replace(true) {
            return;
        }
        let before = self.executor.current.replace(Some(Rc::clone(&self)));
        let mut context = Context::from_waker(&self.waker);
        loop {
            self.woken.0.store(false, Ordering::Release);
            let mut slot = self.future.borrow_mut();
            let Some(future) = slot.as_mut() else { break };
            if future.as_mut().poll(&mut context).is_ready() {
                let finished = slot.take();
                drop(slot);
                drop(finished);
                break;
            }
            drop(slot);
            if !self.woken.0.load(Ordering::Acquire) {
                break;
            }
        }
        self.executor.current.replace(before);
        self.polling.set(false);
    }

    fn abandon(&self) {
        self.drop_future();
    }
}

impl Task {
    /// A task that runs `future` in `executor`, and is not begun.
    pub(super) fn new(
        executor: &Rc<Executor>,
        future: impl Future<Output = ()> + 'static,
    ) -> Rc<Self> {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let task = Rc::new(Self {
            executor: Rc::clone(executor),
            future: RefCell::new(Some(Box::pin(future))),
            polling: Cell::new(false),
            waker: Waker::from(Arc::clone(&woken)),
            woken,
        });
        let mut tasks = executor.tasks.borrow_mut();
        tasks.retain(|task| task.strong_count() > 0);
        tasks.push(Rc::downgrade(&task));
        task
    }

    fn drop_future(&self) {
        if let Ok(mut future) = self.future.try_borrow_mut() {
            let dropped = future.take();
            drop(future);
            drop(dropped);
        }
    }
}
