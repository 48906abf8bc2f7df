//! One thread, no clock: which task goes on next is chance, and a task may die between two steps.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::rng::Rng;

/// More steps than this means that nobody gets on any more.
const MOST_STEPS: usize = 400_000;

pub struct Task<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    /// Serves the others, and ends after them.
    serves: bool,
    dies_after: Option<usize>,
    at_death: Box<dyn Fn() + 'a>,
}

impl<'a> Task<'a> {
    pub fn new(future: impl Future<Output = ()> + 'a) -> Self {
        Self {
            future: Box::pin(future),
            serves: false,
            dies_after: None,
            at_death: Box::new(|| {}),
        }
    }

    pub fn serving(self) -> Self {
        Self {
            serves: true,
            ..self
        }
    }

    /// The task is dropped after so many steps, if it still runs.
    pub fn dying_after(self, steps: Option<usize>, at_death: impl Fn() + 'a) -> Self {
        Self {
            dies_after: steps,
            at_death: Box::new(at_death),
            ..self
        }
    }
}

/// Runs all tasks to their end. `close` tells those that serve that nobody is left to be served.
/// `false` where they do not come to an end.
pub fn run(mut tasks: Vec<Task<'_>>, rng: &mut Rng, close: impl Fn()) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..MOST_STEPS {
        if tasks.iter().all(|task| task.serves) {
            close();
        }
        if tasks.is_empty() {
            return true;
        }
        let chosen = rng.below(tasks.len());
        let task = &mut tasks[chosen];
        if task.dies_after == Some(0) {
            let dead = tasks.swap_remove(chosen);
            drop(dead.future);
            (dead.at_death)();
            continue;
        }
        task.dies_after = task.dies_after.map(|steps| steps - 1);
        if let Poll::Ready(()) = task.future.as_mut().poll(&mut context) {
            drop(tasks.swap_remove(chosen));
        }
    }
    false
}
