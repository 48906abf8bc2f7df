//! What rounds wait for that is no promise of the app's: other threads, and their turn.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::executor::Executor;
use crate::error::{Error, ErrorKind, Result};
use crate::joint::threads::threads;
use crate::node::value::{Env, Remote, Runtime as _};
use crate::polling::{Turn, Turns};
use crate::store::blocking::to_its_end;

/// A promise of this package's own, made in the context of the current round: what it is rung by, and the wait until that.
fn notify(env: &Rc<Env>) -> Result<(u64, impl Future<Output = ()> + use<>)> {
    let executor = Executor::of(env);
    let task = executor.tasks.current()?;
    env.scope(|scope| {
        let (deferred, promise) = scope.promise()?;
        let (_, waiting) = executor.wait_for(scope, task, promise)?;
        let rung = async move {
            if let Some(waiting) = waiting {
                // It is never rejected.
                let _ = waiting.await;
            }
        };
        Ok((executor.notify_by(deferred), rung))
    })
}

/// Keeps the process alive while it lives: something is under way on another thread.
pub struct Offload(Rc<Env>);

impl Offload {
    /// Something is under way from now on.
    pub fn new(env: &Rc<Env>) -> Self {
        Executor::of(env).offload(env, 1);
        Self(Rc::clone(env))
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        if self.0.is_alive() {
            Executor::of(&self.0).offload(&self.0, -1);
        }
    }
}

/// Runs `work` on the threads of the native side, and comes back to the round's context when it is done.
pub fn on_threads<T: Send + 'static>(
    env: &Rc<Env>,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    // Boxed, so that a round that never gets here has no room for it.
    boxed_on_threads(env, Box::pin(work))
}

/// The same for what an app asks of a store: `work` begins here, where it takes its place among
/// the writers of the store, and goes on there. Threads would begin it in an order of their own, and of two
/// writes of one record the first could be the one that stays.
pub fn in_order_on_threads<T: Send + 'static>(
    env: &Rc<Env>,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> impl Future<Output = Result<T>> {
    let mut work: Pin<Box<dyn Future<Output = Result<T>> + Send>> = Box::pin(work);
    async move {
        let begun = {
            let _entered = threads()?.enter();
            // No wake-up is needed: the thread that takes it over polls it again.
            work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        match begun {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => boxed_on_threads(env, work).await,
        }
    }
}

async fn boxed_on_threads<T: Send + 'static>(
    env: &Rc<Env>,
    work: Pin<Box<dyn Future<Output = Result<T>> + Send>>,
) -> Result<T> {
    elsewhere(env, |threads, done| {
        threads.spawn(async move { done.ring(work.await) });
    })
    .await
}

/// The same on a thread that does nothing else meanwhile: for what asks a database more than it waits for
/// a network. What `begin` makes need not be able to change threads. It is dropped where it waits if the
/// environment ends.
pub async fn on_a_thread<T: Send + 'static, W: Future<Output = Result<T>>>(
    env: &Rc<Env>,
    begin: impl FnOnce() -> W + Send + 'static,
) -> Result<T> {
    elsewhere(env, |threads, done| {
        let handle = threads.handle().clone();
        threads.spawn_blocking(move || to_its_end(&handle, done.ring_after(begin())));
    })
    .await
}

/// Where the outcome of work goes, and the notify that is rung for it.
struct Done<T> {
    answer: oneshot::Sender<Result<T>>,
    env: Arc<Remote>,
    notify: u64,
}

impl<T> Done<T> {
    /// Whom to tell in the name of the current round, which waits for the outcome: `None` if there never is one.
    fn new(env: &Rc<Env>) -> Result<(Self, impl Future<Output = Option<Result<T>>> + use<T>)> {
        let (answer, mut outcome) = oneshot::channel();
        let (notify, rung) = notify(env)?;
        let done = Self {
            answer,
            env: Arc::clone(&env.remote),
            notify,
        };
        let waiting = async move {
            rung.await;
            outcome.try_recv().ok()
        };
        Ok((done, waiting))
    }

    /// Does `work` and rings, also if its asker is gone: the promise behind the notify is let go of then.
    async fn ring_after(mut self, work: impl Future<Output = Result<T>>) {
        tokio::select! {
            biased;
            outcome = work => self.ring(outcome),
            () = self.answer.closed() => self.env.ring(self.notify),
        }
    }

    fn ring(self, outcome: Result<T>) {
        // There is no listener if the environment ended meanwhile.
        let _ = self.answer.send(outcome);
        self.env.ring(self.notify);
    }
}

/// Waits for `event` on the native threads, until the answer is dropped. The wait alone keeps no process
/// alive; an [`Offload`] does.
pub fn watch<T: Send + 'static>(
    env: &Rc<Env>,
    event: impl Future<Output = T> + Send + 'static,
) -> Result<impl Future<Output = T>> {
    let (done, happened) = Done::new(env)?;
    drop(threads()?.spawn(done.ring_after(async move { Ok(event.await) })));
    Ok(async move {
        match happened.await {
            Some(Ok(event)) => event,
            _ => std::future::pending().await,
        }
    })
}

async fn elsewhere<T>(env: &Rc<Env>, start: impl FnOnce(&'static Runtime, Done<T>)) -> Result<T> {
    let (done, outcome) = Done::new(env)?;
    let _offload = Offload::new(env);
    start(threads()?, done);
    outcome.await.unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::Internal,
            "work on a thread",
            "the work panicked; please report it",
        ))
    })
}

/// Waits for a turn.
pub async fn take_turn(env: &Rc<Env>, turns: &Rc<Turns>) -> Result<Turn<impl Fn(u64) -> bool>> {
    let ringing = Rc::clone(env);
    let ring = move |notify| {
        let is_alive = ringing.is_alive();
        if is_alive {
            Executor::of(&ringing).hear(&ringing, vec![notify]);
        }
        is_alive
    };
    turns.take(|| notify(env), ring).await
}
