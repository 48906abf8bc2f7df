//! Tasks, and how they are polled.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use crate::error::{Error, ErrorKind, Result};

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of one thread, or of a part of what runs there.
#[derive(Default)]
pub struct Tasks {
    current: RefCell<Option<Rc<Task>>>,
    all: RefCell<Vec<Weak<Task>>>,
}

impl Tasks {
    /// A task that does `work`, and is not begun.
    pub fn add(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) -> Rc<Task> {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let task = Rc::new(Task {
            tasks: Rc::clone(self),
            future: RefCell::new(Some(Box::pin(work))),
            polling: Cell::new(false),
            waker: Waker::from(Arc::clone(&woken)),
            woken,
        });
        let mut all = self.all.borrow_mut();
        all.retain(|task| task.strong_count() > 0);
        all.push(Rc::downgrade(&task));
        task
    }

    /// The task that is being polled.
    ///
    /// # Errors
    /// `Internal` if none is.
    pub fn current(&self) -> Result<Rc<Task>> {
        self.current.borrow().clone().ok_or_else(|| {
            let what = "nothing but a round may wait";
            Error::new(ErrorKind::Internal, "call an adapter", what)
        })
    }

    /// Whether a task is being polled.
    pub fn is_polling(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// Drops all tasks where they stand.
    pub fn end(&self) {
        let tasks = std::mem::take(&mut *self.all.borrow_mut());
        for task in tasks.iter().filter_map(Weak::upgrade) {
            task.abandon();
        }
    }
}

/// Work that is polled.
pub struct Task {
    tasks: Rc<Tasks>,
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

impl Task {
    /// Begins the work, or goes on with it, until it waits for something.
    pub fn run(self: &Rc<Self>) {
        if self.polling.replace(true) {
            return;
        }
        let before = self.tasks.current.replace(Some(Rc::clone(self)));
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
        self.tasks.current.replace(before);
        self.polling.set(false);
    }

    /// Drops the work where it stands: what it waits for cannot come any more.
    pub fn abandon(&self) {
        if let Ok(mut future) = self.future.try_borrow_mut() {
            let dropped = future.take();
            drop(future);
            drop(dropped);
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").finish_non_exhaustive()
    }
}
