//! What tasks wait for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::task::Task;

/// Something that is waited for. Known outside by its number.
struct Wait<V> {
    task: Rc<Task>,
    waker: RefCell<Option<Waker>>,
    settled: RefCell<Option<V>>,
}

/// What tasks wait for, by numbers. Each ends with a `V`.
pub struct Waits<V> {
    open: RefCell<HashMap<u64, Rc<Wait<V>>>>,
    next: Cell<u64>,
}

impl<V> Default for Waits<V> {
    fn default() -> Self {
        Self {
            open: RefCell::default(),
            next: Cell::default(),
        }
    }
}

impl<V> Waits<V> {
    /// A wait in the name of `task`, and its number.
    pub fn begin(&self, task: Rc<Task>) -> (u64, Waiting<V>) {
        let id = self.next.replace(self.next.get() + 1);
        let wait = Rc::new(Wait {
            task,
            waker: RefCell::default(),
            settled: RefCell::default(),
        });
        self.open.borrow_mut().insert(id, Rc::clone(&wait));
        (id, Waiting(wait))
    }

    /// There is nothing to wait for.
    pub fn forget(&self, id: u64) {
        self.open.borrow_mut().remove(&id);
    }

    /// What is waited for can never happen: the task that waits is dropped.
    pub fn lose(&self, id: u64) {
        let lost = self.open.borrow_mut().remove(&id);
        if let Some(wait) = lost {
            wait.task.abandon();
        }
    }

    /// What was waited for has happened: the task goes on.
    pub fn settle(&self, id: u64, outcome: V) {
        let settled = self.open.borrow_mut().remove(&id);
        let Some(wait) = settled else {
            return;
        };
        wait.settled.replace(Some(outcome));
        if let Some(waker) = wait.waker.replace(None) {
            waker.wake();
        }
        wait.task.run();
    }

    /// Nothing will happen any more.
    pub fn end(&self) {
        drop(self.open.take());
    }
}

/// Waits. The task is run when it happens, whether or not anything waits still.
pub struct Waiting<V>(Rc<Wait<V>>);

impl<V> Future for Waiting<V> {
    type Output = V;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<V> {
        let Some(outcome) = self.0.settled.replace(None) else {
            self.0.waker.replace(Some(context.waker().clone()));
            return Poll::Pending;
        };
        Poll::Ready(outcome)
    }
}

impl<V> fmt::Debug for Waits<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits").finish_non_exhaustive()
    }
}

impl<V> fmt::Debug for Waiting<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tasks;
    use super::*;

    #[test]
    fn a_task_goes_on_where_it_is_said_that_it_may() {
        let (tasks, waits) = (Rc::new(Tasks::default()), Rc::new(Waits::<u32>::default()));
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (inner, noted, all) = (Rc::clone(&waits), Rc::clone(&seen), Rc::clone(&tasks));
        let task = tasks.add(async move {
            let begin = || all.current().map(|task| inner.begin(task).1);
            let (Ok(first), Ok(second)) = (begin(), begin()) else {
                return;
            };
            // The second is settled before it is asked for.
            for wait in [first, second] {
                let outcome = wait.await;
                noted.borrow_mut().push(outcome);
            }
        });
        assert!(!tasks.is_polling() && tasks.current().is_err());
        task.run();
        waits.settle(1, 2);
        assert!(seen.borrow().is_empty());
        waits.settle(0, 1);
        assert_eq!(*seen.borrow(), [1, 2]);
    }

    #[test]
    fn a_task_that_waits_for_what_cannot_come_is_dropped() {
        let (tasks, waits) = (Rc::new(Tasks::default()), Rc::new(Waits::<u32>::default()));
        let held = Rc::new(());
        let (inner, all, holds) = (Rc::clone(&waits), Rc::clone(&tasks), Rc::clone(&held));
        let task = tasks.add(async move {
            if let Ok(current) = all.current() {
                inner.begin(current).1.await;
            }
            drop(holds);
        });
        task.run();
        assert_eq!(Rc::strong_count(&held), 2);
        waits.lose(0);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
